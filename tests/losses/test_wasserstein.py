from typing import ClassVar

import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.functional.random import normal
from lit_nst.losses import WassersteinLoss
from tests.contracts_loss import LossContract, StyleLossContract, assert_rounding_is_the_same_in_a_batch


class TestWassersteinLoss(StyleLossContract, LossContract):
    loss = WassersteinLoss
    init_args: ClassVar = {"layers": ["relu1_1", "conv2_1"]}
    shape: ClassVar = (2, 3, 4, 3)
    atol: ClassVar = 1e-9


def independent(deviations, means):
    """A map whose channels have exactly these moments and no covariance."""
    signs = torch.tensor([[1.0, 1, 1, 1, -1, -1, -1, -1], [1, 1, -1, -1, 1, 1, -1, -1], [1, -1] * 4])
    return (signs * torch.tensor(deviations)[:, None] + torch.tensor(means)[:, None])[None, :, None]


def test_closed_form_of_independent_channels():
    loss = WassersteinLoss(["x"], eps=1e-9)
    a, b = independent([1.0, 0.5, 3.0], [0.0, 1.0, 2.0]), independent([2.0, 0.5, 0.1], [0.0, 0.5, 1.0])
    expected = (1**2 + 2.9**2 + 0.5**2 + 1) / 3
    assert loss.distance(loss.statistics(a), loss.statistics(b)).item() == pytest.approx(expected, abs=1e-4)


def test_a_shift_costs_its_square():
    x, loss = normal((1, 6, 8, 9), "a"), WassersteinLoss(["x"])
    torch.testing.assert_close(
        loss.distance(loss.statistics(x + 3), loss.statistics(x)), torch.tensor([9.0]), atol=1e-4, rtol=0
    )


def test_fewer_positions_than_channels():
    # Both covariances are singular, and all that float32 leaves of their kernels is noise.
    a, b = 1 + normal((1, 96, 3, 3), "a"), 1 + normal((1, 96, 4, 4), "b")
    loss, x = WassersteinLoss(["x"]), a.requires_grad_()
    value = loss({"x": x}, loss.measure({"x": b}))
    value.backward()
    precise = loss({"x": a.detach().double()}, loss.measure({"x": b.double()}))
    torch.testing.assert_close(value.double(), precise, atol=0, rtol=1e-3)
    assert x.grad.isfinite().all()
    y = a.detach().double().requires_grad_()
    loss({"x": y}, loss.measure({"x": b.double()})).backward()
    torch.testing.assert_close(x.grad.double(), y.grad, atol=1e-3 * y.grad.abs().max().item(), rtol=0)


def test_a_row_without_finite_features_leaves_the_others_alone():
    a, b, loss = normal((3, 4, 5, 5), "a"), normal((3, 4, 5, 5), "b"), WassersteinLoss(["x"])
    fine = loss({"x": a}, loss.measure({"x": b}))
    a[1, 2, 3, 3] = torch.inf
    a.requires_grad_()
    value = loss({"x": a}, loss.measure({"x": b}))
    assert not value[1].isfinite()
    assert torch.equal(value[[0, 2]], fine[[0, 2]])
    value[[0, 2]].sum().backward()
    assert a.grad[[0, 2]].isfinite().all()


def test_bad_eps():
    with pytest.raises(InputError, match=r"^WassersteinLoss: eps is -1; give a number from 1e-30 to 1e30$"):
        WassersteinLoss(["x"], eps=-1)


def test_a_row_rounds_alone_as_among_others():
    a = [(normal((4, 24, 16, 16), "a", i).relu() + 0.1).contiguous(memory_format=torch.channels_last) for i in range(2)]
    loss = WassersteinLoss(["x"])

    def evaluate(own, other):
        return loss({"x": own}, loss.measure({"x": other}))

    assert_rounding_is_the_same_in_a_batch(evaluate, *a)
