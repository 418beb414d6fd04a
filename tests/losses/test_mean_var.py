from typing import ClassVar

import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.functional.random import normal
from lit_nst.losses import MeanVarLoss
from tests.contracts_loss import LossContract, StyleLossContract


class TestMeanVarLoss(StyleLossContract, LossContract):
    loss = MeanVarLoss
    init_args: ClassVar = {"layers": ["relu1_1", "conv2_1"]}


def test_by_hand():
    # Means 2, 5 and deviations 1, 0; means 5, 5 and deviations 3, 2.
    a, b = torch.tensor([[[[1.0, 3.0]], [[5.0, 5.0]]]]), torch.tensor([[[[2.0, 8.0]], [[3.0, 7.0]]]])
    loss = MeanVarLoss(["x"], eps=1e-12)
    value = loss.distance(loss.statistics(a), loss.statistics(b)).item()
    assert value == pytest.approx(((2 - 5) ** 2 + (1 - 3) ** 2 + 0 + (0 - 2) ** 2) / 2, rel=1e-5)


def test_deviations_are_torchs():
    a, b = normal((2, 5, 7, 6), "a"), 2 + 3 * normal((2, 5, 4, 9), "b")
    loss = MeanVarLoss(["x"], eps=1e-12)
    pairs = [(x.mean((2, 3)), x.std((2, 3), correction=0)) for x in (a, b)]
    expected = sum((x - y).square().mean(1) for x, y in zip(*pairs, strict=True))
    torch.testing.assert_close(loss.distance(loss.statistics(a), loss.statistics(b)), expected)


def test_statistics_are_the_raw_moments():
    x = normal((2, 5, 7, 6), "a")
    expected = torch.stack([x.mean((2, 3)), (x**2).mean((2, 3))], 1)
    torch.testing.assert_close(MeanVarLoss(["x"]).statistics(x), expected)


def test_eps_is_added_to_the_variance():
    a, b = torch.full((1, 1, 1, 4), 3.0), torch.tensor([[[[0.0, 6.0, 6.0, 0.0]]]])
    loss = MeanVarLoss(["x"], eps=16)
    # √(0 + 16) against √(9 + 16).
    assert loss.distance(loss.statistics(a), loss.statistics(b)).item() == pytest.approx(1)


def test_variances_that_round_below_zero():
    # Far more than eps: the squares are about 1e6.
    a = torch.linspace(900, 1100, 64).reshape(1, 64, 1, 1).expand(1, 64, 7, 7).clone().requires_grad_()
    loss = MeanVarLoss(["x"])
    value = loss({"x": a}, loss.measure({"x": normal((1, 64, 5, 5), "b")}))
    value.backward()
    assert value.isfinite()
    assert a.grad.isfinite().all()


def test_bad_eps():
    with pytest.raises(InputError, match=r"^MeanVarLoss: eps is 0; give a number from 1e-30 to 1e30$"):
        MeanVarLoss(["x"], eps=0)
