import pytest
import torch
from torch import nn
from torchvision.models.squeezenet import Fire as TorchvisionFire

from lit_nst.features.modules import Convolution, Fire, Pool


@pytest.fixture
def x():
    return torch.randn(2, 3, 7, 10, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("kind", "theirs"), [("max", nn.MaxPool2d(2)), ("average", nn.AvgPool2d(2)), ("l2", nn.LPPool2d(2, 2))]
)
def test_windows_of_two(x, kind, theirs):
    torch.testing.assert_close(Pool(kind)(x), theirs(x))
    torch.testing.assert_close(Pool(kind, 0.78)(x), 0.78 * theirs(x))


@pytest.mark.parametrize("height", [5, 6, 7, 8])
@pytest.mark.parametrize(
    ("kind", "theirs"),
    [("max", nn.MaxPool2d(3, 2, ceil_mode=True)), ("average", nn.AvgPool2d(3, 2, ceil_mode=True))],
)
def test_windows_of_three_reach_over_the_edge(kind, theirs, height):
    x = torch.rand(1, 2, height, 9)
    assert torch.equal(Pool(kind, size=3)(x), theirs(x))


@pytest.mark.parametrize("kind", ["max", "average"])
def test_windows_of_three_go_round_the_edge(kind):
    x = torch.rand(1, 2, 8, 12)
    pool = Pool(kind, size=3, circular=True)
    assert pool(x).shape == (1, 2, 4, 6)
    assert torch.equal(pool(x.roll((2, 4), (2, 3))), pool(x).roll((1, 2), (2, 3)))
    assert not torch.equal(Pool(kind, size=3)(x), pool(x))


def test_l2_is_smooth_at_windows_of_zeros():
    x = torch.zeros(1, 1, 4, 4, requires_grad=True)
    with torch.no_grad():
        x[0, 0, 0, 0] = 3
    y = Pool("l2")(x)
    assert y.flatten().tolist() == pytest.approx([3, 0, 0, 0], abs=1e-5)
    y.sum().backward()
    assert x.grad[0, 0, 0, 0] == 1
    assert x.grad.sum() == 1


def test_l2_gradient():
    x = torch.rand(1, 2, 4, 5, dtype=torch.double) + 0.1
    assert torch.autograd.gradcheck(Pool("l2", 0.78), x.requires_grad_())


def test_l2_of_large_maps_in_half_precision():
    y = Pool("l2")(torch.full((1, 1, 2, 2), 400.0, dtype=torch.float16))
    assert y.dtype == torch.float16
    assert y.item() == 800


def test_fire_is_torchvisions():
    own, theirs = Fire(6, 4, 8), TorchvisionFire(6, 4, 8, 8)
    own.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 6, 5, 7)
    assert torch.equal(own(x), theirs(x))


def test_making_convolutions_draws_no_numbers():
    before = torch.get_rng_state()
    Fire(6, 4, 8)
    Convolution(3, 8, 3)
    assert torch.equal(before, torch.get_rng_state())
