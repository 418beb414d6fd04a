from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F

from lit_nst.errors import InputError
from lit_nst.functional.random import normal
from lit_nst.losses import ContentLoss
from tests.contracts_loss import (
    LayerWeightsContract,
    LossContract,
    assert_rounding_is_the_same_in_a_batch_and_on_two_threads,
)

LAYERS = ["relu4_2", "conv5_1"]


class TestContentLoss(LayerWeightsContract, LossContract):
    loss = ContentLoss
    init_args: ClassVar = {"layers": LAYERS}


class TestGatys(LayerWeightsContract, LossContract):
    loss = ContentLoss
    init_args: ClassVar = {"layers": LAYERS, "normalization": "gatys"}


class TestEnergy(LayerWeightsContract, LossContract):
    loss = ContentLoss
    init_args: ClassVar = {"layers": LAYERS, "normalization": "energy"}


def value(a, b, **options):
    loss = ContentLoss(["x"], **options)
    return loss({"x": a}, loss.measure({"x": b})).tolist()


def test_by_hand():
    a, b = torch.tensor([[[[1.0, 5.0]], [[2.0, 0.0]]]]), torch.tensor([[[[1.0, 2.0]], [[2.0, 4.0]]]])
    assert value(a, b) == [(9 + 16) / 4]
    assert value(a, b, normalization="gatys") == [(9 + 16) / 2]
    assert value(a, b, normalization="energy") == [(9 + 16) / (1 + 4 + 4 + 16)]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_mean_is_torchs(layout):
    a, b = (normal((2, 5, 7, 6), key).contiguous(memory_format=layout) for key in "ab")
    assert value(a, b) == pytest.approx([F.mse_loss(x, y).item() for x, y in zip(a, b, strict=True)])


def test_energy_is_one_at_zeros_whatever_the_scale():
    b = normal((2, 5, 7, 6), "b")
    for scale in (0.01, 1000):
        assert value(torch.zeros_like(b), scale * b, normalization="energy") == pytest.approx([1, 1])


@pytest.mark.parametrize("normalization", ["mean", "gatys", "energy"])
@pytest.mark.parametrize("weight", [1e-12, 1e12])
@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (2, 3, 1, 1)])
def test_finite_for_a_target_without_energy(normalization, weight, shape):
    loss, x = ContentLoss(["x"], weight, normalization=normalization), normal(shape, "a").requires_grad_()
    result = loss({"x": x}, loss.measure({"x": torch.zeros(shape)}))
    result.sum().backward()
    assert result.isfinite().all()
    assert x.grad.isfinite().all()


def test_energy_of_one_layer_is_the_ratio_of_the_distances():
    own, target = ({"x": normal((2, 3, 4, 5), key)} for key in ("a", "b"))
    raw, normalised = (ContentLoss(["x"], normalization=name)(own, target) for name in ("mean", "energy"))
    torch.testing.assert_close(ContentLoss(["x"]).energy(target), raw / normalised)


def test_energy_of_several_layers_is_their_weighted_mean():
    target = {"x": torch.full((2, 3, 4, 4), 2.0), "y": torch.full((2, 1, 2, 2), 3.0)}
    loss = ContentLoss(["x", "y"], layer_weights=[3.0, 1.0])
    torch.testing.assert_close(loss.energy(target), torch.full((2,), (3 * 4.0 + 9.0) / 4))


def test_targets_of_other_sizes_are_refused():
    message = "^ContentLoss: the target's maps are 8×9, the result's 6×5; give a target of its size$"
    with pytest.raises(InputError, match=message):
        value(torch.zeros(1, 3, 6, 5), torch.zeros(1, 3, 8, 9))
    with pytest.raises(InputError, match="the target's maps are 1×1"):
        value(torch.zeros(1, 3, 6, 5), torch.zeros(1, 3, 1, 1))


def test_other_normalizations_are_refused():
    with pytest.raises(InputError, match=r"^ContentLoss: normalization is 'sum'; give mean, gatys or energy$"):
        ContentLoss(["x"], normalization="sum")


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_rounding_at_full_size(layout):
    loss = ContentLoss(["x"])
    maps = (normal((3, 32, 65, 64), key).contiguous(memory_format=layout) for key in ("a", "b"))
    assert_rounding_is_the_same_in_a_batch_and_on_two_threads(
        lambda a, b: loss({"x": a}, loss.measure({"x": b})), *maps
    )
