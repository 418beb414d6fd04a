import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.losses import Loss, Regulariser


class Difference(Loss):
    def distance(self, a, b):
        return (a - b).flatten(1).sum(1)


class Product(Loss):
    def distance(self, a, b):
        return (a.flatten(1) @ b.flatten(1).mT).diagonal()


class Height(Regulariser):
    def penalty(self, image, latent):
        return image.flatten(1).amax(1) + latent.flatten(1).amax(1)


def maps(**values):
    return {name: torch.full((2, 1, 1, 1), float(value)) for name, value in values.items()}


def test_the_sum_over_layers():
    loss = Difference(["a", "b"], weight=10, layer_weights=[1, 0.5])
    assert loss(maps(a=5, b=6, unused=9), loss.measure(maps(a=1, b=2))).tolist() == [60, 60]


def test_default_layer_weights_are_a_mean():
    loss = Difference(["a", "b"])
    assert loss.layer_weights == [0.5, 0.5]
    assert loss(maps(a=5, b=6), loss.measure(maps(a=1, b=0))).tolist() == [5, 5]


def test_measure_takes_only_its_layers_in_float32_or_better():
    measured = Difference(["a", "b"]).measure({"a": torch.zeros(1).bfloat16(), "b": torch.zeros(1).double(), "c": None})
    assert {name: x.dtype for name, x in measured.items()} == {"a": torch.float32, "b": torch.float64}


def test_statistics_are_the_feature_by_default():
    x = torch.rand(2, 3)
    assert Difference(["a"]).statistics(x) is x


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": []}, "Difference: layers is empty; name at least one"),
        ({"layers": ["a"], "layer_weights": [1, 2]}, "Difference: 2 layer_weights for 1 layers; give one each"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError) as caught:
        Difference(**options)
    assert str(caught.value) == message


def test_a_regulariser_is_weighted():
    assert Height(weight=2)(torch.ones(3, 1, 2, 2), torch.ones(3, 4)).tolist() == [4, 4, 4]


def test_distances_are_not_rounded_under_autocast():
    x, loss = torch.tensor([[[[1.0009765625]]]]), Product(["a"])
    with torch.autocast("cpu", torch.bfloat16):
        value = loss({"a": x}, loss.measure({"a": x}))
    assert value.tolist() == [1.0009765625**2]


def test_a_blend_is_the_weighted_mean():
    parts = [torch.tensor([[0.0, 4.0]]), torch.tensor([[8.0, 0.0]])]
    assert Difference(["a"]).blend(parts, [3, 1]).tolist() == [[2, 3]]
    assert Difference(["a"]).blend(parts, [3e-30, 1e-30]).tolist() == [[2, 3]]


def test_parts_of_several_sizes_are_not_broadcast():
    message = "^Difference: pictures of several sizes cannot be blended; give one size$"
    with pytest.raises(InputError, match=message):
        Difference(["a"]).blend([torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 1, 1)], [1, 1])


def test_a_blend_of_nothing():
    with pytest.raises(InputError, match=r"^Difference: blend weights are .*; give none below 0 and one above"):
        Difference(["a"]).blend([], [])


def test_several_weights_are_a_row_each():
    loss = Difference(["a"], weight=[1.0, 10.0])
    assert loss.weights == [1.0, 10.0]
    assert Difference(["a"], weight=3).weights == [3.0]
    target = loss.measure(maps(a=1))
    assert loss(maps(a=5), target).tolist() == [4, 4]
    loss.row_weight = torch.tensor([1.0, 10.0])
    assert loss(maps(a=5), target).tolist() == [4, 40]
    height = Height(weight=[2.0, 3.0])
    assert (height.weights, height(torch.ones(2, 1, 2, 2), torch.ones(2, 4)).tolist()) == ([2.0, 3.0], [4, 4])
    height.row_weight = torch.tensor([2.0, 3.0])
    assert height(torch.ones(2, 1, 2, 2), torch.ones(2, 4)).tolist() == [4, 6]


@pytest.mark.parametrize("weight", [[], float("nan"), [1.0, float("inf")], -1.0, [1.0, -3.0]])
def test_weights_are_finite_numbers(weight):
    for make in (lambda: Difference(["a"], weight=weight), lambda: Height(weight=weight)):
        with pytest.raises(InputError, match=r": weight is .*; give a number from 0 to 1e\+30, or several$"):
            make()


def test_weights_do_not_go_into_a_checkpoint():
    loss = Difference(["a"], weight=[1.0, 10.0])
    loss.row_weight = torch.tensor([1.0, 10.0])
    assert not loss.state_dict()


def test_aligned_parts_are_the_rows():
    parts = [torch.zeros(1, 3), torch.ones(1, 3)]
    assert torch.equal(Difference(["a"]).align(parts, parts[0]), torch.cat(parts))
    message = "^Difference: pictures of several sizes cannot be compared; give one size$"
    with pytest.raises(InputError, match=message):
        Difference(["a"]).align([torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 1, 1)], parts[0])
