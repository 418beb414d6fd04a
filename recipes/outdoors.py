"""Sky, clouds and water, shared by the landscapes."""

import numpy as np
from canvas import Array, fractal, ramp, sample, smooth


def clouds(
    x: Array, height: Array, key: tuple[int | str, ...], amount: float, scale: float = 0.35
) -> tuple[Array, Array]:
    """A layer of clouds seen from below.

    Args:
        x: Place across the picture.
        height: Height above the horizon, in units of the picture.
        key: Key of the random numbers.
        amount: Share of the sky they take, about -1 to 1.
        scale: How fast the layer passes; smaller gives larger clouds.

    Returns:
        Coverage in [0, 1], and how bright its side towards the light is, about -1 to 1.
    """
    field = fractal(1024, 1.75, *key, low=1)
    detail = fractal(1024, 1.2, *key, "detail", low=12)
    away = 1 / (np.maximum(height, 0) + 0.16)
    u, v = (x - 0.5) * away * scale * 0.5 + 0.31, away * scale * 0.55
    body = sample(field, u, v) + 0.16 * sample(detail, u, v)
    toward = sample(field, u - 0.012, v + 0.010)
    return smooth(-amount, 1.3 - amount, body), np.clip((body - toward) * 1.6, -1, 1)


def mirror(image: Array, x: Array, y: Array, level: float, waves: Array, rough: float) -> Array:
    """What still water below ``level`` reflects of the picture above it.

    Args:
        image: The picture.
        x: Place across.
        y: Place downwards.
        level: The shore line.
        waves: Noise of variance 1, drawn out along x.
        rough: How far the waves throw the reflection, in units of the picture, at the lower edge.
    """
    depth = np.clip((y - level) / (1 - level), 0, 1)
    throw = rough * (0.06 + depth)
    side = np.clip(x + 0.12 * throw * waves, 0.002, 0.998)
    total = np.zeros_like(image)
    # Facets too small to see smear the reflection upright.
    for k in (-2, -1, 0, 1, 2):
        up = np.clip(2 * level - y + throw * (waves + 0.16 * k), 0.002, level - 0.002)
        total += sample(image, side, up)
    return total / 5


def ripples(x: Array, y: Array, level: float, *key: int | str) -> Array:
    """Waves on water that get smaller towards the horizon, of variance about 1."""
    field = fractal(1024, 1.5, *key, low=2, high=160, stretch=(2.6, 0.8))
    away = 0.10 / (np.maximum(y - level, 0) + 0.035)
    result: Array = sample(field, (x - 0.5) * (0.35 + 0.65 * away) + 0.5, 1.6 * away)
    return result


def graded(y: Array, level: float, *stops: tuple[float, str]) -> Array:
    """A sky whose colours run from the top (0) to the horizon (1)."""
    return ramp(np.clip(y / level, 0, 1), *stops)
