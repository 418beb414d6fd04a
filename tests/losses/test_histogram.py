from typing import ClassVar

import numpy as np
import pytest
import torch

from lit_nst.functional.random import normal
from lit_nst.losses import HistogramLoss
from tests.contracts_loss import LossContract, StyleLossContract


class TestHistogramLoss(StyleLossContract, LossContract):
    loss = HistogramLoss
    init_args: ClassVar = {"layers": ["relu1_1", "conv2_1"]}
    union: ClassVar = False


def test_equals_numpys_order():
    a, b = normal((1, 3, 4, 5), "a"), 2 * normal((1, 3, 4, 5), "b").exp()
    ordered = [np.sort(x.numpy().reshape(3, 20), axis=1) for x in (a, b)]
    loss = HistogramLoss(["x"])
    value = loss.distance(loss.statistics(a), loss.statistics(b)).item()
    assert value == pytest.approx(((ordered[0] - ordered[1]) ** 2).mean(), rel=1e-5)


def test_the_gradient_is_that_towards_the_matched_map():
    a, b = normal((1, 1, 3, 3), "a"), normal((1, 1, 3, 3), "b")
    matched = torch.empty(9)
    matched[a.flatten().argsort()] = b.flatten().sort().values
    loss, x = HistogramLoss(["x"]), a.clone().requires_grad_()
    loss({"x": x}, loss.measure({"x": b})).backward()
    torch.testing.assert_close(x.grad, 2 * (a - matched.reshape(a.shape)) / 9)


def test_descent_takes_on_the_histogram():
    a, b = normal((1, 2, 4, 4), "a"), normal((1, 2, 4, 4), "b").abs()
    loss, x = HistogramLoss(["x"]), a.clone().requires_grad_()
    loss({"x": x}, loss.measure({"x": b})).backward()
    moved = a - 16 * x.grad
    torch.testing.assert_close(loss.statistics(moved), loss.statistics(b))


def test_a_blend_is_the_mean_of_the_quantiles():
    blended = HistogramLoss(["x"]).blend([torch.tensor([[[0.0, 4.0]]]), torch.tensor([[[2.0, 2.0]]])], [1, 1])
    torch.testing.assert_close(blended, torch.tensor([[[1.0, 3.0]]]))
