import numpy as np
import pytest
import torch

from lit_nst.functional.random import normal
from lit_nst.functional.wasserstein import wasserstein_normal


def spd(rows, channels, key):
    x = normal((rows, channels, 2 * channels), key).double()
    return x @ x.mT / (2 * channels)


def test_closed_form_of_diagonal_covariances():
    a, b = torch.tensor([[4.0, 9.0, 0.25]]), torch.tensor([[1.0, 16.0, 0.0]])
    mean_a, mean_b = torch.tensor([[1.0, 0.0, 2.0]]), torch.tensor([[0.0, 0.0, 5.0]])
    value = wasserstein_normal(mean_a, a.diag_embed(), mean_b, b.diag_embed())
    torch.testing.assert_close(value, torch.tensor([1.0 + 9 + 1 + 1 + 0.25]), atol=1e-4, rtol=0)


def test_equals_scipys_square_roots():
    linalg = pytest.importorskip("scipy.linalg")
    a, b = spd(2, 7, "a"), spd(2, 7, "b")
    means = normal((2, 2, 7), "means").double()
    expected = []
    for row in range(2):
        root = linalg.sqrtm(a[row].numpy())
        inner = linalg.sqrtm(root @ b[row].numpy() @ root)
        shift = ((means[0, row] - means[1, row]) ** 2).sum().item()
        expected.append(shift + np.trace(a[row].numpy() + b[row].numpy() - 2 * inner.real))
    value = wasserstein_normal(means[0], a, means[1], b)
    torch.testing.assert_close(value, torch.tensor(expected, dtype=torch.double), atol=1e-10, rtol=1e-10)


def test_symmetric():
    a, b, zero = spd(2, 5, "a"), spd(2, 5, "b"), torch.zeros(2, 5).double()
    torch.testing.assert_close(wasserstein_normal(zero, a, zero, b), wasserstein_normal(zero, b, zero, a))


@pytest.mark.parametrize("a", [spd(2, 4, "a"), 3 * torch.eye(4).double().expand(2, 4, 4)], ids=["apart", "coincide"])
@pytest.mark.parametrize("b", [spd(2, 4, "b"), 2 * torch.eye(4).double().expand(2, 4, 4)], ids=["apart", "coincide"])
def test_gradient_where_eigenvalues_coincide_too(a, b):
    mean_a, mean_b = normal((2, 2, 4), "means").double()
    inputs = [mean_a.requires_grad_(), a.clone().requires_grad_()]
    assert torch.autograd.gradcheck(lambda m, c: wasserstein_normal(m, (c + c.mT) / 2, mean_b, b), inputs)


def test_gradient_is_the_optimal_map():
    # dW²/dΣa = I − T with T the map that takes a to b, T·Σa·T = Σb.
    a, b, zero = spd(1, 6, "a"), spd(1, 6, "b"), torch.zeros(1, 6).double()
    own = a.clone().requires_grad_()
    wasserstein_normal(zero, own, zero, b).backward()
    transport = torch.eye(6).double() - own.grad
    torch.testing.assert_close(transport @ a @ transport, b)


@pytest.mark.parametrize("scale", [0, 1e-6, 1, 1e6])
def test_finite_at_singular_covariances(scale):
    vector = scale * torch.ones(1, 5)
    zero, flat = torch.zeros(1, 5), vector[:, :, None] * vector[:, None]
    own = flat.clone().requires_grad_()
    value = wasserstein_normal(zero, own, zero, torch.zeros(1, 5, 5), eps=1e-4)
    value.backward()
    torch.testing.assert_close(value, torch.tensor([((5 * scale**2 + 1e-4) ** 0.5 - 0.01) ** 2]), atol=1e-9, rtol=1e-5)
    assert own.grad.isfinite().all()


def test_indefinite_covariances_count_as_singular():
    zero, tiny = torch.zeros(1, 2), torch.tensor([[[1.0, 0.0], [0.0, -1e-3]]])
    own = tiny.clone().requires_grad_()
    value = wasserstein_normal(zero, own, zero, tiny, eps=1e-4)
    value.backward()
    assert value.item() == pytest.approx(0, abs=3e-3)
    assert own.grad.isfinite().all()


def test_gradient_is_small_where_rounding_leaves_hardly_any_eigenvalue():
    zero, eps = torch.zeros(1, 2).double(), 1e-4
    own = torch.tensor([[1.0, -eps + 1e-13]]).double().diag_embed().requires_grad_()
    wasserstein_normal(zero, own, zero, torch.tensor([[1.0, 1.0]]).double().diag_embed(), eps=eps).backward()
    assert own.grad.abs().max() < 1 / eps


def test_only_rows_that_are_not_finite_give_nan():
    a, b, zero = spd(3, 4, "a"), spd(3, 4, "b"), torch.zeros(3, 4).double()
    fine = wasserstein_normal(zero, a, zero, b)
    a[0, 1, 1], b[2, 0, 3] = torch.nan, torch.nan
    value = wasserstein_normal(zero, a, zero, b)
    assert value.isnan().tolist() == [True, False, False]
    assert value[1] == fine[1]
