import pytest
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

from lit_nst.errors import InputError
from lit_nst.features.layers import in_depth_order, vgg_names

VGG16, VGG19 = vgg_names([2, 2, 3, 3, 3]), vgg_names([2, 2, 4, 4, 4])


@pytest.mark.parametrize(("names", "config", "count"), [(VGG16, "D", 31), (VGG19, "E", 37)])
def test_names_stand_at_torchvisions_indices(names, config, count):
    kinds = {nn.Conv2d: "conv", nn.ReLU: "relu", nn.MaxPool2d: "pool"}
    theirs = [kinds[type(module)] for module in make_layers([c if c == "M" else 1 for c in cfgs[config]])]
    assert [name[:4] for name in names] == theirs
    assert len(names) == len(set(names)) == count


def test_names_are_the_papers():
    assert VGG19[:6] == ["conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1", "conv2_1"]
    assert VGG19[-3:] == ["conv5_4", "relu5_4", "pool5"]
    assert VGG16[-3:] == ["conv5_3", "relu5_3", "pool5"]


def test_depth_order_without_repeats():
    chosen = in_depth_order(["relu4_2", "pool1", "conv1_1", "pool1"], VGG19, "VGG19")
    assert list(chosen.items()) == [("conv1_1", "conv1_1"), ("pool1", "pool1"), ("relu4_2", "relu4_2")]


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("features.21", "conv4_2"),
        ("21", "conv4_2"),
        ("Features.22", "relu4_2"),
        ("CONV4_2", "conv4_2"),
        ("conv4-2", "conv4_2"),
        ("ReLU4-2", "relu4_2"),
        ("Pool5", "pool5"),
        ("0", "conv1_1"),
        ("36", "pool5"),
    ],
)
def test_other_spellings(spelled, name):
    assert in_depth_order([spelled], VGG19, "VGG19") == {spelled: name}


def test_spellings_agree_with_torchvisions_indices():
    for names in (VGG16, VGG19):
        assert list(in_depth_order([str(index) for index in range(len(names))], names, "VGG").values()) == names


def test_two_spellings_of_one_layer_are_both_kept():
    chosen = in_depth_order(["relu1_1", "features.1", "conv1_1", "1"], VGG19, "VGG19")
    assert list(chosen) == ["conv1_1", "relu1_1", "features.1", "1"]


@pytest.mark.parametrize("layer", ["features.37", "37", "99999"])
def test_index_beyond_the_end(layer):
    with pytest.raises(InputError, match=rf'"{layer}"; choose among features\.0, …, features\.36'):
        in_depth_order([layer], VGG19, "VGG19")


@pytest.mark.parametrize("layer", ["-1", "", "features.", "²", "conv4.2", "image"])
def test_what_is_no_spelling(layer):
    with pytest.raises(InputError, match="VGG19 has no layer"):
        in_depth_order([layer], VGG19, "VGG19")


def test_unknown_layer_lists_near_names():
    with pytest.raises(InputError, match=r'features\.layers: VGG16 has no layer "relu3_4"; .*relu3_3') as caught:
        in_depth_order(["relu1_1", "relu3_4"], VGG16, "VGG16")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r'"xyz"; choose among conv1_1, …, pool5'):
        in_depth_order(["xyz"], VGG16, "VGG16")


def test_no_layer_is_refused():
    with pytest.raises(InputError, match=r"features\.layers is empty; name at least one"):
        in_depth_order([], VGG16, "VGG16")
