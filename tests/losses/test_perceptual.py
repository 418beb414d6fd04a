from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F

from lit_nst.functional.random import normal
from lit_nst.losses import PerceptualLoss
from tests.contracts_loss import (
    LayerWeightsContract,
    LossContract,
    assert_rounding_is_the_same_in_a_batch_and_on_two_threads,
)


class TestPerceptualLoss(LayerWeightsContract, LossContract):
    loss = PerceptualLoss
    init_args: ClassVar = {"layers": ["relu1_1", "conv2_1"]}


class TestPlainPerceptualLoss(LayerWeightsContract, LossContract):
    loss = PerceptualLoss
    init_args: ClassVar = {"layers": ["relu1_1", "conv2_1"], "normalize": False}


def value(a, b, **options):
    loss = PerceptualLoss(["x"], **options)
    return loss({"x": a}, loss.measure({"x": b})).tolist()


def test_normalised_by_hand():
    # Unit vectors (1, 0) and (.6, .8) at one of two positions, equal ones at the other.
    a = torch.tensor([[[[5.0, 1.0]], [[0.0, 1.0]]]])
    b = torch.tensor([[[[3.0, 7.0]], [[4.0, 7.0]]]])
    assert value(a, b) == pytest.approx([(0.4**2 + 0.8**2) / 2])


def test_opposite_features_are_the_farthest():
    a = torch.rand(1, 4, 3, 3)
    assert value(a, -a) == pytest.approx([4])
    assert value(a, 5 * a) == pytest.approx([0], abs=1e-6)


def test_plain_by_hand():
    a = torch.tensor([[[[5.0, 1.0]], [[0.0, 1.0]]]])
    b = torch.tensor([[[[3.0, 1.0]], [[4.0, 1.0]]]])
    assert value(a, b, normalize=False) == pytest.approx([(4 + 16) / 4])


def test_equal_to_unit_vectors_compared_position_by_position():
    a, b = (torch.randn(2, 7, 5, 6, generator=torch.Generator().manual_seed(seed)).abs() for seed in (0, 1))
    # For unit vectors ‖a − b‖² = 2 − 2⟨a, b⟩.
    expected = (2 - 2 * F.cosine_similarity(a, b, dim=1)).mean((1, 2))
    assert value(a, b) == pytest.approx(expected.tolist(), rel=1e-5)


@pytest.mark.parametrize("normalize", [True, False])
def test_size_of_the_maps_does_not_matter(normalize):
    a, b = torch.rand(1, 4, 3, 3), torch.rand(1, 4, 3, 3)
    assert value(a.tile(1, 1, 2, 3), b.tile(1, 1, 2, 3), normalize=normalize) == pytest.approx(
        value(a, b, normalize=normalize)
    )


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_rounding_at_full_size(normalize, layout):
    loss = PerceptualLoss(["x"], normalize=normalize)
    maps = (normal((3, 32, 65, 64), key).contiguous(memory_format=layout) for key in ("a", "b"))
    assert_rounding_is_the_same_in_a_batch_and_on_two_threads(
        lambda a, b: loss({"x": a}, loss.measure({"x": b})), *maps
    )
