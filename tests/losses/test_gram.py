from typing import ClassVar

import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.functional.random import normal
from lit_nst.losses import GramLoss
from tests.contracts_loss import LossContract, StyleLossContract

LAYERS = ["relu1_1", "conv2_1"]


class TestGramLoss(StyleLossContract, LossContract):
    loss = GramLoss
    init_args: ClassVar = {"layers": LAYERS}


class TestGatys(StyleLossContract, LossContract):
    loss = GramLoss
    init_args: ClassVar = {"layers": LAYERS, "normalization": "gatys"}


def difference(a, b):
    """Entry by entry: the sum of squared differences of the plain F·Fᵀ."""
    channels, total = a.shape[0], 0.0
    for i in range(channels):
        for j in range(channels):
            total += ((a[i] * a[j]).sum().item() - (b[i] * b[j]).sum().item()) ** 2
    return total


@pytest.fixture
def maps():
    return normal((1, 4, 5, 6), "a"), normal((1, 4, 5, 6), "b")


def distance(maps, normalization):
    loss = GramLoss(["x"], normalization=normalization)
    return loss.distance(*(loss.statistics(x) for x in maps)).item()


def test_factors_to_gatys(maps):
    expected = difference(*(x[0] for x in maps)) / (4 * 4**2 * 30**2)
    assert distance(maps, "mean") / 4 == pytest.approx(expected, rel=1e-5)
    assert distance(maps, "gatys") * 4**2 / 4 == pytest.approx(expected, rel=1e-5)


def test_factors_to_neural_style_and_johnson(maps):
    total = difference(*(x[0] / (4 * 5 * 6) ** 0.5 for x in maps))
    assert distance(maps, "gatys") == pytest.approx(total / 4**2, rel=1e-5)
    assert distance(maps, "mean") / 4**2 == pytest.approx(total / 4**2, rel=1e-5)
    assert distance(maps, "gatys") * 4**2 == pytest.approx(total, rel=1e-5)
    assert distance(maps, "mean") == pytest.approx(total, rel=1e-5)


def test_statistics_by_hand():
    x = torch.tensor([[[[1.0, 2.0]], [[0.0, 3.0]]]])
    assert GramLoss(["x"]).statistics(x).tolist() == [[[2.5, 3.0], [3.0, 4.5]]]
    assert GramLoss(["x"], normalization="gatys").statistics(x).tolist() == [[[1.25, 1.5], [1.5, 2.25]]]


def test_other_normalizations_are_refused():
    with pytest.raises(InputError, match=r"^GramLoss: normalization is 'sum'; give mean or gatys$"):
        GramLoss(["x"], normalization="sum")
