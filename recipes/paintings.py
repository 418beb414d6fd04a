"""The style pictures; here those in oils: strokes along a flow. Ink and pieces have files of their own."""

from collections.abc import Callable

import numpy as np
from canvas import SCALE, SIZE, Array, fractal, grid, mix, normal, ramp, reduce, sample, smooth, uniform
from inks import watercolour, woodcut
from strokes import Brush, Painting, scatter
from textures import mosaic, pebbles, weave

# x, y, radius, turning sense and strength, hue (0 = gold, 1 = white-green)
VORTICES = (
    (0.27, 0.30, 0.190, 1.0, 0.0),
    (0.72, 0.20, 0.125, -1.0, 0.75),
    (0.66, 0.62, 0.215, -1.0, 0.15),
    (0.16, 0.76, 0.120, -1.0, 0.9),
    (0.38, 0.93, 0.085, 1.0, 0.4),
    (0.95, 0.90, 0.100, 1.0, 0.6),
    (0.48, 0.06, 0.070, 1.0, 0.3),
    (0.97, 0.42, 0.080, 1.0, 0.2),
)


def swirls(seed: int = 3) -> Array:
    """Golden vortices in a blue stream."""
    side = SIZE * SCALE
    wander = fractal(side, 2.2, seed, "wander", high=5)
    shade = fractal(side, 1.5, seed, "shade", high=24)

    def flow(x: Array, y: Array) -> tuple[Array, Array]:
        angle = 0.35 * np.sin(2 * np.pi * (0.8 * x + 0.5 * y)) + 0.45 * sample(wander, x, y) + 0.15
        u, v = np.cos(angle), np.sin(angle)
        for cx, cy, radius, sense, _ in VORTICES:
            dx, dy = x - cx, y - cy
            r = np.hypot(dx, dy) + 1e-6
            pull = 7.0 * np.exp(-((r / radius) ** 2) * 1.3)
            u = u + pull * sense * (-dy / r) - 0.12 * pull * dx / r
            v = v + pull * sense * (dx / r) - 0.12 * pull * dy / r
        return u, v

    def sketch(x: Array, y: Array) -> Array:
        depth = 0.5 + 0.22 * sample(shade, x, y) + 0.18 * np.sin(2 * np.pi * (1.1 * y - 0.4 * x + 0.1))
        paint = ramp(
            depth, (0.0, "0c1445"), (0.25, "15307e"), (0.45, "1f52a8"), (0.62, "3f86c6"), (0.8, "86bcd8"), (1, "cfe3d4")
        )
        for cx, cy, radius, _, hue in VORTICES:
            dx, dy = x - cx, y - cy
            r = np.hypot(dx, dy) / radius
            warm = ramp(r, (0, "fff6c8"), (0.16, "ffdc4e"), (0.34, "f2a51c"), (0.5, "d9771f"), (0.66, "b9c08a"))
            cool = ramp(r, (0, "fffbe0"), (0.2, "f7ec8e"), (0.38, "a9d18e"), (0.6, "57a9a0"), (0.75, "6fb4cf"))
            arm = 0.12 * np.cos(np.arctan2(dy, dx) * 2 + 7 * r)
            paint = mix(paint, mix(warm, cool, np.full_like(r, hue)), 1 - smooth(0.45, 0.95, r + arm))
            paint = mix(paint, ramp(r, (0, "0e1a55")), 0.65 * np.exp(-(((r - 1.05 + arm) / 0.13) ** 2)))
        return paint

    x, y = grid(side)
    painting = Painting(sketch(x, y) * 0.55, seed)
    layers = (
        ("under", 2200, Brush(34, 7.0, dry=0.2, thick=0.7), 0.05),
        ("middle", 3600, Brush(26, 4.2, thick=0.9, rough=0.7), 0.07),
        ("over", 2600, Brush(19, 2.8, thick=1.1, rough=0.7), 0.10),
    )
    for name, count, brush, stray in layers:
        at = scatter(count, seed, name)
        painting.strokes(at, stray_colors(sketch, at, stray, seed, name), flow, brush, name)
    return reduce(painting.lit(0.6))


def stray_colors(sketch: Callable[[Array, Array], Array], at: Array, stray: float, *key: int | str) -> Array:
    """Colours of the sketch at ``at``, each looked up a little beside it and off in hue and lightness."""
    off = 0.008 * normal((len(at), 2), *key, "beside")
    paint = sketch(at[:, 0] + off[:, 0], at[:, 1] + off[:, 1])
    paint = paint + stray * normal((len(at), 1), *key, "light") + 0.5 * stray * normal((len(at), 3), *key, "hue")
    return np.clip(paint, 0.02, 0.99)


def waves(seed: int = 11) -> Array:
    """Undulating ribbons in orange and blue."""
    side = SIZE * SCALE
    x, y = grid(side)
    swell = fractal(side, 2.0, seed, "swell", high=4)
    stream = y - 0.28 * x + 0.052 * swell + 0.10 * np.sin(2 * np.pi * (0.9 * x + 0.3 * y))
    stream = stream + 0.05 * np.sin(2 * np.pi * (2.1 * x - 0.8 * y + 0.2))
    gy, gx = np.gradient(stream)
    field = np.stack([stream, gx * side, gy * side], -1)
    count = 64
    bands = uniform((count, 2), seed, "bands")
    edges = np.cumsum(0.35 + bands[:, 0])
    edges = (edges / edges[-1]) * 2.2 - 0.9
    tones = (0.5 + 0.5 * np.sin(np.arange(count) * 2.4 + 1.5 * bands[:, 1])) * 0.9 + 0.1 * bands[:, 1]

    def look(px: Array, py: Array) -> Array:
        return sample(field, np.clip(px, 0.002, 0.998), np.clip(py, 0.002, 0.998))

    def flow(px: Array, py: Array) -> tuple[Array, Array]:
        at = look(px, py)
        return at[..., 2], -at[..., 1]

    def sketch(px: Array, py: Array) -> Array:
        level = look(px, py)[..., 0]
        tone = tones[np.clip(np.searchsorted(edges, level), 0, count - 1)]
        place = level + 0.25 * (px - 0.5)
        warm = ramp(tone, (0, "a3240f"), (0.3, "d9480f"), (0.55, "f47b16"), (0.8, "ffae34"), (1, "ffe08a"))
        cool = ramp(tone, (0, "07173f"), (0.3, "103a7a"), (0.55, "1f6aa8"), (0.8, "4fa5c4"), (1, "b9dfd6"))
        share = 0.5 + 0.5 * np.tanh(6 * np.sin(2 * np.pi * 1.55 * place + 0.6))
        return mix(warm, cool, share)

    painting = Painting(sketch(x, y) * 0.5, seed)
    layers = (
        ("under", 1500, Brush(60, 6.5, dry=0.15, thick=0.8), 0.03),
        ("middle", 3200, Brush(52, 3.6, thick=0.9, rough=0.8, shimmer=0.05), 0.04),
        ("over", 2400, Brush(36, 2.0, thick=1.0, rough=0.8, shimmer=0.05), 0.07),
    )
    for name, number, brush, stray in layers:
        at = scatter(number, seed, name)
        painting.strokes(at, stray_colors(sketch, at, stray, seed, name), flow, brush, name)
    return reduce(painting.lit(0.55))


def pointillism(seed: int = 9) -> Array:
    """An evening by a river in dots of pure colour."""
    side = SIZE * SCALE
    x, y = grid(side)
    lumps = fractal(side, 1.7, seed, "lumps", low=4, high=60)
    clouds = fractal(side, 1.9, seed, "clouds", low=2, high=30, stretch=(1.5, 0.5))
    drawn = _riverside(x, y, lumps, clouds)
    painting = Painting(np.broadcast_to(np.array([0.90, 0.84, 0.70]), (side, side, 3)), seed)

    def flow(px: Array, py: Array) -> tuple[Array, Array]:
        angle = 3.0 * sample(lumps, px, py)
        return np.cos(angle), np.sin(angle)

    layers = (
        ("first", 6500, Brush(5.2, 4.8, taper=0.5, dry=0.0, rough=0.25, thick=0.8, shimmer=0.02), 0.5),
        ("second", 7500, Brush(4.2, 3.8, taper=0.5, dry=0.0, rough=0.25, thick=0.9, shimmer=0.02), 1.0),
    )
    for name, count, brush, strength in layers:
        at = scatter(count, seed, name)
        painting.strokes(at, _divide(sample(drawn, at[:, 0], at[:, 1]), strength, seed, name), flow, brush, name)
    return reduce(painting.lit(0.4, 0.06))


def _divide(paint: Array, strength: float, *key: int | str) -> Array:
    """Splits colours into purer ones that mix to them in the eye: some warmer, some cooler, some opposite."""
    count = len(paint)
    kind = uniform((count,), *key, "kind")
    gray = paint.mean(1, keepdims=True)
    pure = gray + (paint - gray) * 1.45
    warm, cool = np.array([0.17, 0.05, -0.17]), np.array([-0.14, 0.0, 0.17])
    shift = np.where((kind < 0.3)[:, None], warm, np.where((kind < 0.6)[:, None], cool, 0.0))
    opposite = gray - (paint - gray) * 1.1
    result = np.where((kind > 0.94)[:, None], opposite, pure + strength * shift)
    spread: Array = np.clip(result + 0.03 * normal((count, 3), *key, "hue"), 0.03, 0.98)
    return spread


def _riverside(x: Array, y: Array, lumps: Array, clouds: Array) -> Array:
    """Sky, far hills, poplars, a river with their reflection, a bank in flower."""
    level = 0.52
    mirrored = np.where(y < level, y, 2 * level - y) + 0.006 * np.sin(90 * y) * (y > level)
    sky = ramp(mirrored / level, (0, "5f8fd0"), (0.4, "a9b8d8"), (0.7, "f4cf9a"), (0.88, "f9a860"), (1, "ef7f50"))
    lining = ramp(mirrored / level, (0, "e8dcd8"), (0.6, "ffe2b0"), (1, "ffc48a"))
    sky = mix(sky, lining, 0.8 * smooth(0.2, 1.2, clouds))
    sun = np.hypot(x - 0.66, mirrored - 0.37)
    image = mix(sky, np.array([1.0, 0.93, 0.62]), np.exp(-((sun / 0.13) ** 2)) * 0.75)
    image = mix(image, np.array([1.0, 0.97, 0.80]), smooth(0.066, 0.060, sun))
    hills = 0.45 - 0.035 * np.sin(6 * x + 1) - 0.015 * np.sin(15 * x)
    image = mix(image, ramp(y, (0.4, "7f7fc0"), (0.6, "6a6fb4")), smooth(0, 0.004, mirrored - hills))
    for px, top, wide in ((0.10, 0.05, 0.052), (0.20, 0.14, 0.044), (0.29, 0.10, 0.047), (0.375, 0.24, 0.036),
                          (0.90, 0.19, 0.045), (0.98, 0.12, 0.05)):  # fmt: skip
        t = np.clip((mirrored - top) / (level - top), 0, 1)
        outline = np.abs(x - px) + 0.006 * lumps - wide * np.sqrt(np.sin(np.pi * np.clip(t, 0.0, 0.97))) * (t > 0)
        side = np.clip((x - px) / wide * 0.5 + 0.5 + 0.25 * lumps, 0, 1)
        leaves = ramp(side, (0, "14423f"), (0.35, "1f6a45"), (0.7, "6f9a3c"), (1, "d8b84a"))
        image = mix(image, leaves, smooth(0.004, -0.004, outline) * (t > 0))
    water = smooth(level, level + 0.004, y)
    image = mix(image, image * np.array([0.72, 0.80, 0.98]) + 0.02, 0.9 * water)
    glint = np.exp(-(((x - 0.66) / 0.05) ** 2)) * (0.5 + 0.5 * np.sin(240 * y + 5 * lumps))
    image = mix(image, np.array([1.0, 0.82, 0.45]), 0.75 * glint * water)
    bank = y - (0.80 + 0.05 * np.sin(3.1 * x + 2.2) - 0.10 * x + 0.008 * lumps)
    grass = ramp(0.5 + 0.22 * lumps + 1.6 * (y - 0.88), (0, "1d5a3a"), (0.4, "4f8f35"), (0.75, "a9b83c"), (1, "e6cf55"))
    image = mix(image, grass, smooth(-0.003, 0.003, bank))
    flowers = smooth(0.55, 0.8, np.sin(90 * x + 4 * lumps) * np.sin(80 * y + 3 * clouds)) * smooth(0.02, 0.06, bank)
    return mix(image, ramp(0.5 + 0.5 * np.sin(17 * x + 9 * y), (0, "d8336a"), (0.5, "ff6a3d"), (1, "f6e6e0")), flowers)


STYLES: dict[str, Callable[[], Array]] = {
    "mosaic": mosaic,
    "pebbles": pebbles,
    "pointillism": pointillism,
    "swirls": swirls,
    "watercolour": watercolour,
    "waves": waves,
    "weave": weave,
    "woodcut": woodcut,
}
