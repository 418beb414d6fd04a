import pytest
import torch
import torch.nn.functional as F

from lit_nst.errors import InputError
from lit_nst.features import VGG16
from lit_nst.functional.random import generator
from lit_nst.tasks.view import View, shrunk


@pytest.fixture(scope="module")
def network():
    return VGG16("random", width=0.1)


def images(height, width):
    return torch.rand(2, 3, height, width, generator=generator("view", height, width))


def test_layers_of_several_sizes(network):
    view, x = View(["relu1_2", "relu2_1/2", "image/4", "relu1_2/2", "relu1_2"], network), images(32, 24)
    found = view(x, network)
    assert set(found) == {"image", "image/4", "relu1_2", "relu1_2/2", "relu2_1/2"}
    assert network.layers == ["relu1_2", "relu2_1"]
    assert found["image"] is x
    assert torch.equal(found["image/4"], F.avg_pool2d(x, 4))
    assert torch.equal(found["relu1_2"], network(x)["relu1_2"])
    assert torch.equal(found["relu2_1/2"], network(F.avg_pool2d(x, 2))["relu2_1"])


def test_without_a_network_only_pictures():
    view, x = View(["image", "image/2"], None), images(8, 8)
    assert torch.equal(view(x, None)["image/2"], F.avg_pool2d(x, 2))
    with pytest.raises(InputError, match=r"compare relu1_1, but there is no network"):
        View(["relu1_1", "image"], None)


@pytest.mark.parametrize(("sides", "factor"), [((300, 200), 2), ((513, 20), 3), ((256, 256), 1)])
def test_cap_shrinks_by_a_whole_factor(sides, factor):
    x = images(*sides)
    found = View(["image"], None, cap=256)(x, None)["image"]
    assert max(found.shape[-2:]) <= 256
    assert torch.equal(found, F.avg_pool2d(x, factor, ceil_mode=True))


def test_floor_enlarges_for_the_network_alone(network):
    x = images(5, 3)
    found = View(["relu1_2", "image"], network, floor=16)(x, network)
    assert found["image"] is x
    assert found["relu1_2"].shape[-2:] == (30, 18)
    with pytest.raises(InputError):
        View(["relu3_3"], network)(images(2, 2), network)


@pytest.mark.parametrize("layer", ["relu1_1/", "relu1_1/0", "relu1_1/1", "relu1_1/1.5", "relu1_1/x", "image/2/2"])
def test_scales_are_whole_numbers(network, layer):
    with pytest.raises(InputError, match="is no whole number"):
        View([layer], network)


@pytest.mark.parametrize("name", ["cap", "floor"])
def test_sides_are_positive(name):
    with pytest.raises(InputError, match=rf"model\.{name} is 0"):
        View(["image"], None, **{name: 0})


def test_shrinks_at_most_to_a_pixel():
    assert shrunk(images(5, 3), 100).shape == (2, 3, 1, 1)
