import pytest
import torch

from lit_nst.functional.neighbours import nearest, unit
from lit_nst.functional.random import normal


@pytest.mark.parametrize("limit", [1, 7, 30, 2**24])
def test_equals_the_smallest_of_all_distances(limit):
    a, b = normal((2, 11, 4), "a"), normal((2, 7, 4), "b")
    expected = torch.stack([torch.cdist(x, y).argmin(1) for x, y in zip(a, b, strict=True)])
    assert torch.equal(nearest(a, b, limit), expected)


def test_long_vectors_have_no_advantage():
    a, b = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[50.0, 0.0], [0.9, 0.1]]])
    assert nearest(a, b).tolist() == [[1]]


@pytest.mark.parametrize(("limit", "largest"), [(30, 28), (7, 7), (1, 7)])
def test_similarities_held_at_a_time(monkeypatch, limit, largest):
    sizes, plain = [], torch.addmm

    def recorded(*args, **options):
        result = plain(*args, **options)
        sizes.append(result.numel())
        return result

    monkeypatch.setattr(torch, "addmm", recorded)
    nearest(normal((2, 11, 4), "a"), normal((2, 7, 4), "b"), limit)
    assert max(sizes) == largest
    assert sum(sizes) == 2 * 11 * 7


def test_no_gradient_is_kept():
    a = normal((1, 3, 4), "a").requires_grad_()
    assert not nearest(a, a).requires_grad


def test_unit_vectors():
    x = normal((2, 3, 4), "x") * 100
    torch.testing.assert_close(unit(x).norm(dim=-1), torch.ones(2, 3))
    zero = torch.zeros(3, requires_grad=True)
    unit(zero).sum().backward()
    assert zero.grad.isfinite().all()
