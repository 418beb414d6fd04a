import math

import pytest
import torch

from lit_nst.functional.random import normal
from lit_nst.samplers import Level

LEVELS = {
    "vp": Level(0.6, 0.8),
    "vp, little noise": Level(math.sqrt(1 - 1e-4), 1e-2),
    "vp, little picture": Level(math.sqrt(1 - 0.998**2), 0.998),
    "ve": Level(1.0, 14.6),
    "ve, little noise": Level(1.0, 3e-4),
    "flow": Level(0.25, 0.75),
}
PREDICTIONS = ("epsilon", "v_prediction", "flow_prediction", "sample")
EXACT = {"rtol": 1e-12, "atol": 1e-12}


def pair():
    return normal((2, 4, 3, 3), "x0").double(), normal((2, 4, 3, 3), "noise").double()


def truth(level, x0, noise, prediction):
    """What a perfect network says, from the definitions."""
    c = math.sqrt(level.alpha**2 + level.sigma**2)
    return {
        "epsilon": noise,
        "v_prediction": (level.alpha * noise - level.sigma * x0) / c,
        "flow_prediction": noise - x0,
        "sample": x0,
    }[prediction]


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name", LEVELS)
def test_a_perfect_network_gives_the_picture(name, prediction):
    level, (x0, noise) = LEVELS[name], pair()
    x, output = level.alpha * x0 + level.sigma * noise, truth(level, x0, noise, prediction)
    scale = max(1.0, level.sigma / level.alpha)
    torch.testing.assert_close(level.clean(output, x, prediction), x0, rtol=1e-12, atol=1e-12 * scale)
    torch.testing.assert_close(level.output(x0, x, prediction), output, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", LEVELS)
def test_one_guidance_for_all_predictions(name):
    level, (x, output) = LEVELS[name], pair()
    g_vp = normal((2, 4, 3, 3), "g").double()
    g, s = g_vp * level.unit, level.sigma * level.unit
    change = level.x0_change(s * g_vp)
    torch.testing.assert_close(change, -level.tweedie * g, **EXACT)
    for prediction in PREDICTIONS:
        moved = level.clean(output + level.output_change(change, prediction), x, prediction)
        torch.testing.assert_close(moved - level.clean(output, x, prediction), change, rtol=1e-12, atol=1e-10)
    torch.testing.assert_close(level.output_change(change, "epsilon"), s * g_vp, **EXACT)


def test_velocity_moves_by_the_ratio():
    level, g = LEVELS["vp"], normal((8,), "g").double()
    change = level.output_change(-level.tweedie * g, "v_prediction")
    torch.testing.assert_close(change, 0.8 / 0.6 * g, **EXACT)


def test_float32_tables_still_count_as_variance_preserving():
    share = torch.tensor(0.3, dtype=torch.float32)
    level = Level(float(share**0.5), float((1 - share) ** 0.5))
    assert level.alpha**2 + level.sigma**2 != 1
    assert level.unit == 1
    assert level.coefficients("v_prediction") == (level.alpha, -level.sigma)
    assert Level(1.0, 3e-4).unit == pytest.approx(1 / math.sqrt(1 + 9e-8), rel=1e-15)


def test_no_picture_at_all():
    level, (x, output) = Level(0.0, 1.0), pair()
    assert level.tweedie == math.inf
    assert torch.equal(level.clean(output, x, "v_prediction"), -output)
    with pytest.raises(ZeroDivisionError):
        level.clean(output, x, "epsilon")


@pytest.mark.parametrize(("lower", "upper"), [("vp, little noise", "vp"), ("ve, little noise", "ve")])
def test_noise_brings_back_the_level(lower, upper):
    lower, upper, (x0, noise) = LEVELS[lower], LEVELS[upper], pair()
    fresh = torch.zeros_like(x0)
    fresh[0] = 1
    up = upper.renoise(lower.alpha * x0 + lower.sigma * noise, lower, fresh)
    kept = upper.alpha / lower.alpha * lower.sigma
    torch.testing.assert_close(up[1], upper.alpha * x0[1] + kept * noise[1], **EXACT)
    added = up[0] - upper.alpha * x0[0] - kept * noise[0]
    torch.testing.assert_close(added**2 + kept**2, torch.full_like(added, upper.sigma**2), rtol=1e-11, atol=1e-12)


def test_a_level_without_more_noise_adds_none():
    (x, noise), level = pair(), LEVELS["vp"]
    torch.testing.assert_close(level.renoise(x, level, noise), x, rtol=1e-7, atol=1e-7)
    assert torch.equal(Level(1.0, 0.5).renoise(x, Level(1.0, 0.7), noise), x)


def test_gradients_pass():
    x, output = (value.requires_grad_() for value in pair())
    level = LEVELS["ve"]
    level.clean(output, x, "v_prediction").sum().backward()
    p, q = level.coefficients("v_prediction")
    assert torch.equal(x.grad, torch.full_like(x, p))
    assert torch.equal(output.grad, torch.full_like(output, q))
