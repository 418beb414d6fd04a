import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.functional.random import normal
from lit_nst.generators import LatentDiffusion
from lit_nst.generators.latent_diffusion.groups import in_groups


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("size", [1, 2, 3, 0])
def test_network_sees_groups_of_one_size_and_every_row_comes_back(count, size):
    seen = []

    def network(x, y):
        seen.append(len(x))
        return x * y

    x, y = normal((count, 2), "x"), normal((count, 2), "y")
    assert torch.equal(in_groups(network, size, x, y), x * y)
    assert set(seen) == {size or count}


def test_filling_takes_no_part_in_the_gradient():
    x = normal((3, 2), "x").requires_grad_()
    (found,) = torch.autograd.grad(in_groups(lambda x: x.square(), 2, x).sum(), x)
    torch.testing.assert_close(found, 2 * x)


@pytest.fixture(scope="module")
def shipped():
    return LatentDiffusion("embedded")


@pytest.mark.parametrize("count", [2, 6, 12, 16, 33])
def test_a_row_of_the_shipped_model_has_the_same_bits_in_any_company(shipped, count):
    # The sizes at which matrix products change their order of sums belong to the model.
    def row(company):
        x = normal((33, 8, 8, 8), "x")[:company].requires_grad_()
        output = shipped.predict(x, torch.tensor(400), normal((33, 16, 96), "states")[:company])
        image = shipped(output)
        (gradient,) = torch.autograd.grad(image.square().flatten(1).mean(1).sum(), x)
        return output[0].detach(), image[0].detach(), gradient[0]

    assert all(torch.equal(a, b) for a, b in zip(row(1), row(count), strict=True))


def test_group_of_nothing_is_refused():
    with pytest.raises(InputError, match=r"^generator\.group is -1; give at least 1, or 0"):
        LatentDiffusion("embedded", group=-1)
