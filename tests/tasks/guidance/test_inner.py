import math

import pytest
import torch

from lit_nst.tasks.guidance.inner import by_adam, descent

CLEAN = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
GOAL = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def column(*values):
    return torch.tensor(values, dtype=torch.float64).view(-1, 1, 1, 1)


def distance(x):
    return (x - GOAL).square().flatten(1).sum(1)


def scaled(factor):
    return lambda x: {"style": factor * distance(x)}


def spoilt(row, value, at=(0,)):
    """Not finite in a row, at some of the calls."""
    calls = []

    def terms(x):
        calls.append(x)
        found = distance(x)
        factor = torch.ones_like(found)
        factor[row] = value if len(calls) - 1 in at else 1.0
        return {"style": found * factor}

    return terms


def test_the_first_step_of_adam_has_the_length_of_the_rate_in_every_value():
    way, values, lost = by_adam(CLEAN, scaled(1.0), {"style": column(1.0, 3.0)}, 0.1, 1)
    expected = -0.1 * column(1.0, 3.0) * (CLEAN - GOAL).sign()
    torch.testing.assert_close(way, expected, rtol=1e-9, atol=0)
    assert torch.equal(values["style"], distance(CLEAN))
    assert not lost.any()


def test_several_steps_of_adam_are_adams():
    way, _, _ = by_adam(CLEAN, scaled(1.0), {"style": column(2.0, 2.0)}, 0.05, 5)
    moved = torch.zeros_like(CLEAN, requires_grad=True)
    # Steps of the length 0.1, on a way that has no other scale.
    optimizer = torch.optim.Adam([moved], lr=0.1, eps=1e-30)
    for _ in range(5):
        gradient = 2 * (CLEAN + moved.detach() - GOAL)
        moved.grad = gradient / gradient.square().mean((1, 2, 3), keepdim=True).sqrt()
        optimizer.step()
    torch.testing.assert_close(way, moved.detach(), rtol=1e-9, atol=1e-12)
    assert (distance(CLEAN + way) < 0.9 * distance(CLEAN)).all()


def test_terms_share_the_way_of_adam_by_their_weights():
    def terms(x):
        return {"left": 1e6 * x[..., 0].flatten(1).sum(1), "right": x[..., 3].flatten(1).sum(1)}

    way, _, _ = by_adam(CLEAN, terms, {"left": column(1.0, 0.0), "right": column(1.0, 2.0)}, 0.1, 1)
    assert way[0, ..., 0].add(0.2).abs().max() < 1e-12
    assert way[0, ..., 3].add(0.2).abs().max() < 1e-12
    assert way[0, ..., 1:3].eq(0).all()
    assert way[1, ..., :3].eq(0).all()
    assert way[1, ..., 3].add(0.2).abs().max() < 1e-12


@pytest.mark.parametrize("scale", [1e-8, 1e-4, 1e4])
def test_the_scale_of_a_loss_does_not_move_adam(scale):
    way, _, _ = by_adam(CLEAN.float(), scaled(scale), {"style": column(1.0, 1.0).float()}, 0.1, 4)
    expected, _, _ = by_adam(CLEAN.float(), scaled(1.0), {"style": column(1.0, 1.0).float()}, 0.1, 4)
    torch.testing.assert_close(way, expected, rtol=1e-5, atol=1e-6)


def test_a_row_of_weight_0_does_not_move():
    amounts = {"style": column(1.0, 0.0)}
    for way in (by_adam(CLEAN, scaled(1.0), amounts, 0.1, 3)[0], descent(CLEAN, scaled(1.0), amounts, 1.0, True, 3)[0]):
        assert way[0].abs().amax() > 0
        assert way[1].eq(0).all()


def test_plain_descent_is_the_sum_of_its_steps():
    way, lost = descent(CLEAN, scaled(1.0), {"style": column(0.02, 0.03)}, 2.0, False, 3)
    rate = 2 * 2.0 * column(0.02, 0.03)
    torch.testing.assert_close(CLEAN + way - GOAL, (1 - rate) ** 3 * (CLEAN - GOAL))
    assert not lost.any()


def test_descent_by_directions_has_steps_of_the_size():
    size = column(0.1, 0.2)
    way, _ = descent(CLEAN, scaled(1e4), {"style": column(1.0, 0.5)}, size, True, 1)
    torch.testing.assert_close(way.square().mean((1, 2, 3), keepdim=True).sqrt(), column(0.1, 0.1))
    expected, _ = descent(CLEAN, scaled(1e-4), {"style": column(1.0, 0.5)}, size, True, 4)
    torch.testing.assert_close(descent(CLEAN, scaled(1e4), {"style": column(1.0, 0.5)}, size, True, 4)[0], expected)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("at", [(0,), (1,), (0, 1, 2)])
def test_a_lost_gradient_costs_its_row_that_step_alone(at, value):
    amounts = {"style": column(0.1, 0.1)}
    plain, _, _ = by_adam(CLEAN, scaled(1.0), amounts, 0.1, 3)
    way, _, lost = by_adam(CLEAN, spoilt(1, value, at), amounts, 0.1, 3)
    assert lost.tolist() == [False, True]
    assert torch.equal(way[0], plain[0])
    assert way.isfinite().all()
    plain, _ = descent(CLEAN, scaled(1.0), amounts, 1.0, False, 3)
    way, lost = descent(CLEAN, spoilt(1, value, at), amounts, 1.0, False, 3)
    assert lost.tolist() == [False, True]
    assert torch.equal(way[0], plain[0])
    done = 3 - len(at)
    torch.testing.assert_close(CLEAN[1] + way[1] - GOAL[1], 0.8**done * (CLEAN[1] - GOAL[1]))


def test_a_step_that_overflows_is_left_out():
    amounts = {"style": column(1.0, 1e30).float()}
    way, lost = descent(CLEAN.float(), lambda x: {"style": 1e20 * x.flatten(1).sum(1)}, amounts, 1e-20, False, 2)
    assert lost.tolist() == [False, True]
    assert way[1].eq(0).all()
    torch.testing.assert_close(way[0], torch.full_like(way[0], -2))
