from typing import ClassVar

import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.functional.random import normal
from lit_nst.losses import SlicedWassersteinLoss
from tests.contracts_loss import LossContract, StyleLossContract


class TestSlicedWassersteinLoss(StyleLossContract, LossContract):
    loss = SlicedWassersteinLoss
    init_args: ClassVar = {"layers": ["relu1_1", "conv2_1"], "directions": 16, "seed": 3}
    union: ClassVar = False


def test_statistics_are_ascending_projections_to_unit_vectors():
    loss = SlicedWassersteinLoss(["x"], directions=7)
    directions = loss.statistics(torch.eye(5)[:, :, None, None])[:, :, 0].T
    torch.testing.assert_close(directions.norm(dim=1), torch.ones(7))
    x = normal((2, 5, 4, 3), "x")
    expected = torch.einsum("dc,bchw->bdhw", directions, x).flatten(2).sort(-1).values
    torch.testing.assert_close(loss.statistics(x), expected)


def test_directions_are_drawn_by_seed():
    x = normal((1, 5, 4, 3), "x")
    first, again, other = (SlicedWassersteinLoss(["x"], seed=seed).statistics(x) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_shift_of_one_channel_by_hand():
    x, shift = normal((1, 5, 4, 3), "x"), torch.zeros(5, 1, 1)
    shift[2] = 3
    loss = SlicedWassersteinLoss(["x"], directions=4096)
    value = loss.distance(loss.statistics(x + shift), loss.statistics(x)).item()
    # The mean over unit vectors of (3·θ₂)² is 9/C.
    assert value == pytest.approx(9 / 5, rel=0.05)


def test_it_sees_more_than_two_moments():
    ends, centre = torch.tensor([-1.0, 1.0]).repeat(8), torch.tensor([-2.0, 2.0, *[0.0] * 6]).repeat(2)
    loss = SlicedWassersteinLoss(["x"])
    a, b = (loss.statistics(x.reshape(1, 1, 4, 4)) for x in (ends, centre))
    assert loss.distance(a, b).item() == pytest.approx((4 * 1 + 12 * 1) / 16)


def test_a_blend_is_the_mean_of_the_quantiles():
    loss = SlicedWassersteinLoss(["x"], directions=2)
    blended = loss.blend([torch.tensor([[[0.0, 4.0]]]), torch.tensor([[[1.0, 1.0, 2.0, 2.0]]])], [1, 3])
    torch.testing.assert_close(blended, torch.tensor([[[0.75, 1.0, 2.25, 2.5]]]))


def test_a_direction_at_least():
    with pytest.raises(InputError, match=r"^SlicedWassersteinLoss: directions is 0; give 1 to 10000$"):
        SlicedWassersteinLoss(["x"], directions=0)
