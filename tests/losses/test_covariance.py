from typing import ClassVar

import torch

from lit_nst.functional.random import normal
from lit_nst.losses import CovarianceLoss
from tests.contracts_loss import LossContract, StyleLossContract


class TestCovarianceLoss(StyleLossContract, LossContract):
    loss = CovarianceLoss
    init_args: ClassVar = {"layers": ["relu1_1", "conv2_1"]}


def test_covariances_are_torchs():
    a, b = normal((2, 5, 7, 6), "a"), 1 + 2 * normal((2, 5, 4, 9), "b")
    loss, expected = CovarianceLoss(["x"]), []
    for x, y in zip(a, b, strict=True):
        covariances = torch.cov(x.flatten(1), correction=0) - torch.cov(y.flatten(1), correction=0)
        means = x.flatten(1).mean(1) - y.flatten(1).mean(1)
        expected.append((covariances**2).sum() / 25 + (means**2).sum() / 5)
    torch.testing.assert_close(loss.distance(loss.statistics(a), loss.statistics(b)), torch.stack(expected))


def test_brightness_does_not_count_as_contrast():
    x = normal((1, 3, 8, 8), "a")
    loss = CovarianceLoss(["x"])
    value = loss.distance(loss.statistics(x + 2), loss.statistics(x))
    torch.testing.assert_close(value, torch.tensor([4.0]))
