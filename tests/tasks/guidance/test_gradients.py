import math

import pytest
import torch

from lit_nst.tasks.guidance.gradients import combined, gradients, like, limited, normalised

SHAPE = (3, 2, 4, 4)


def draw(seed, shape=SHAPE):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def column(*values):
    return torch.tensor(values, dtype=torch.float64).view(-1, 1, 1, 1)


def test_each_term_has_its_own_gradient():
    at = draw(0).requires_grad_()
    shared = at.sin()
    values = {"a": shared.flatten(1).sum(1), "b": (shared**2).flatten(1).sum(1)}
    found, lost = gradients(values, at, ["a", "b"])
    torch.testing.assert_close(found["a"], at.detach().cos())
    torch.testing.assert_close(found["b"], (2 * at).detach().sin())
    assert not lost.any()
    assert not any(gradient.requires_grad for gradient in found.values())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["gradient", "value"])
def test_a_gradient_or_a_value_that_is_not_finite_is_left_out_of_its_term_and_row(where, value):
    class Spoilt(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            gradient = gradient.clone()
            gradient[1, 0, 2, 3] = value
            return gradient

    at = draw(0).requires_grad_()
    bad = Spoilt.apply(at).flatten(1).sum(1)
    if where == "value":
        bad = at.flatten(1).sum(1) + torch.tensor([0.0, value, 0.0])
    found, lost = gradients({"bad": bad, "good": 2 * at.flatten(1).sum(1)}, at, ["bad", "good"])
    assert lost.tolist() == [False, True, False]
    assert found["bad"].flatten(1).mean(1).tolist() == [1, 0, 1]
    assert found["good"].eq(2).all()


def test_a_term_that_does_not_guide_is_not_differentiated():
    at = draw(0).requires_grad_()
    values = {"shown": torch.full((3,), math.nan), "guides": at.flatten(1).sum(1)}
    found, lost = gradients(values, at, ["guides"])
    assert found.keys() == {"guides"}
    assert not lost.any()


def test_sums_with_the_weights_of_each_row():
    found = {"a": draw(1), "b": 1e6 * draw(2)}
    amounts = {"a": column(1.0, 2.0, 0.0), "b": column(0.5, 0.0, 0.0)}
    plain = combined(found, amounts, unit=False)
    torch.testing.assert_close(plain[0], found["a"][0] + 0.5 * found["b"][0])
    torch.testing.assert_close(plain[1], 2 * found["a"][1])
    directions = {name: value / value.square().mean((1, 2, 3), keepdim=True).sqrt() for name, value in found.items()}
    unit = combined(found, amounts, unit=True)
    torch.testing.assert_close(unit[0], directions["a"][0] + 0.5 * directions["b"][0])
    torch.testing.assert_close(unit[1], 2 * directions["a"][1])
    assert plain[2].eq(0).all()
    assert unit[2].eq(0).all()


@pytest.mark.parametrize("scale", [1e-30, 1e-4, 1e4, 1e30])
def test_directions_have_no_scale_and_nothing_has_no_direction(scale):
    gradient = draw(3).float()
    gradient[1] = 0
    unit = normalised(gradient * scale)
    torch.testing.assert_close(unit, normalised(gradient))
    torch.testing.assert_close(unit[[0, 2]].square().mean((1, 2, 3)), torch.ones(2))
    assert unit[1].eq(0).all()


def test_rows_above_the_limit_are_shrunk_to_it():
    change = draw(4)
    change[0] *= 10
    change[1] *= 0.01
    change[2] = 0
    assert limited(change, None) is change
    limit = limited(change, 0.5)
    assert limit[0].square().mean().sqrt().item() == pytest.approx(0.5)
    torch.testing.assert_close(limit[0] / limit[0].norm(), change[0] / change[0].norm())
    assert torch.equal(limit[1:], change[1:])


def test_a_value_per_row_is_spread_over_it():
    assert like(torch.tensor([1, 2]), torch.zeros(2, 3, 4)).shape == (2, 1, 1)
