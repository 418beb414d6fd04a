"""Mountains behind a lake; a suspension bridge."""

import numpy as np
from canvas import (
    SCALE,
    SIZE,
    Array,
    color,
    fractal,
    grid,
    lay,
    mix,
    ramp,
    reduce,
    sample,
    smooth,
    uniform,
)
from numpy.typing import NDArray
from outdoors import clouds, graded, mirror, ripples
from pen import Pen

EYE = 0.16
LEVEL = 0.60
LENS = 1.2


class _Terrain:
    """Heights over a plane: ridged noise, higher towards the back and both sides, a lake in the middle."""

    def __init__(self, seed: int) -> None:
        total = np.zeros((1024, 1024))
        ridge = np.ones((1024, 1024))
        for octave in range(7):
            low = 4.0 * 2**octave
            band = fractal(1024, 0.6, seed, "terrain", octave, low=low * 0.5, high=low)
            part = np.maximum(1 - np.hypot(band / 2.2, 0.08), 0) ** 1.5
            total += part * ridge * 0.5**octave
            ridge = np.clip(part * 1.5, 0.15, 1)
        self.rough = total / 1.25

    def height(self, x: Array, z: Array) -> Array:
        """Height over the lake at x to the right and z away."""
        rough = sample(self.rough, x / 16 + 0.37, z / 16 + 0.12)
        far = smooth(4.2, 9.5, z)
        banks = smooth(0.30, 1.0, np.abs(x + 0.22 * z - 1.0) / (0.5 + 0.22 * z))
        main = 1.75 * np.exp(-(((x + 1.6) / 1.9) ** 2) - ((z - 9.6) / 1.9) ** 2)
        second = 1.15 * np.exp(-(((x - 2.9) / 1.5) ** 2) - ((z - 8.6) / 1.6) ** 2)
        hills = 0.62 * np.exp(-(((x + 2.6) / 1.2) ** 2) - ((z - 6.0) / 1.0) ** 2)
        hills = hills + 0.42 * np.exp(-(((x - 2.7) / 1.1) ** 2) - ((z - 5.4) / 0.9) ** 2)
        lift = hills + 0.30 * banks * smooth(2.4, 6.0, z) + 0.80 * far + main + second
        result: Array = lift * (0.42 + 0.86 * rough) + 0.22 * banks * rough * smooth(2.0, 4.0, z) - 0.10
        return result


def mountains(seed: int = 7) -> Array:
    """Snowy ridges over a lake in the evening sun, firs on the shore."""
    side = SIZE * SCALE
    x, y = grid(side)
    sky = graded(y, LEVEL, (0, "2f66ad"), (0.35, "5f93c8"), (0.7, "b4cde0"), (0.9, "f3dfc4"), (1, "f8dcb4"))
    cloud, bright = clouds(x, LEVEL - y, (seed, "clouds"), 1.15, 0.30)
    image = mix(sky, mix(color("a9afc4"), color("fff3e0"), 0.6 + 0.4 * bright), 0.85 * cloud)
    ground, there = _slopes(x, seed)
    image[there] = ground
    waves = ripples(x, y, LEVEL, seed, "waves")
    fall = np.clip((y - LEVEL) / (1 - LEVEL), 0, 1)
    lake = mirror(image, x, y, LEVEL, waves, 0.022) * np.array([0.74, 0.83, 0.90])
    lake = mix(lake, color("17384f") * (1 + 0.05 * waves)[..., None], 0.12 + 0.45 * fall)
    image = mix(image, lake, smooth(LEVEL - 0.001, LEVEL + 0.001, y))
    shore = np.exp(-(((y - LEVEL) / 0.0035) ** 2))
    lay(image, 0.5 * shore, color("e8dfcf"))
    _shore(image, x, y, seed)
    return reduce(image)


def _slopes(x: Array, seed: int) -> tuple[Array, NDArray[np.bool_]]:
    """Colours of the mountains, N×3, and the pixels where they are, H×W."""
    side = len(x)
    terrain = _Terrain(seed)
    z = np.geomspace(2.2, 13.0, 900)[:, None]
    across = (x[:1] - 0.5) * z / LENS
    height = terrain.height(across, z)
    screen = np.where(height > 0, LEVEL - (height - EYE) * LENS / z, 2.0)
    crest = np.minimum.accumulate(screen, 0)
    rows = (np.arange(side) + 0.5) / side
    hit = np.stack([np.searchsorted(-crest[:, i], -rows) for i in range(side)], -1)
    there = hit < len(z)
    row, column = np.nonzero(there)
    k = np.maximum(hit[there], 1)
    # Between two samples of depth the slope is taken to be straight.
    before, after = screen[k - 1, column], screen[k, column]
    share = np.clip((before - rows[row]) / np.maximum(before - after, 1e-9), 0, 1)
    share = np.where(before > 1.5, 1.0, share)
    away = z[k, 0] * share + z[k - 1, 0] * (1 - share)
    px = (rows[column] - 0.5) * away / LENS
    step = 0.012
    h = terrain.height(px, away)
    nx = (h - terrain.height(px + step, away)) / step
    nz = (h - terrain.height(px, away + step)) / step
    size = np.sqrt(nx**2 + nz**2 + 1)
    sun = np.array([-0.80, 0.42, -0.36])
    diffuse = np.maximum((nx * sun[0] + sun[1] + nz * sun[2]) / size, 0)
    lit = np.ones_like(h)
    for t in np.geomspace(0.03, 1.6, 14):
        rise = terrain.height(px + sun[0] * t, away + sun[2] * t) - (h + sun[1] * t)
        lit = np.minimum(lit, smooth(0.05 * t + 0.01, -0.02, rise))
    steep = 1 - 1 / size
    speck = sample(fractal(1024, 0.9, seed, "speck", low=8), px / 3, away / 3)
    rock = ramp(0.5 + 0.2 * speck, (0, "4d4a4f"), (0.5, "7a736f"), (1, "a39a90"))
    woods = ramp(0.5 + 0.25 * speck, (0, "14301f"), (0.6, "2f4f2a"), (1, "5c6f38"))
    meadow = ramp(0.5 + 0.25 * speck, (0, "4c6b2f"), (1, "93994a"))
    paint = mix(woods, meadow, smooth(0.16, 0.10, h + 0.03 * speck) * smooth(0.35, 0.2, steep))
    paint = mix(paint, rock, smooth(0.46, 0.66, h + 0.06 * speck + 0.25 * (steep - 0.3)))
    snow = smooth(0.95, 1.25, h + 0.10 * speck - 1.5 * (steep - 0.42))
    paint = mix(paint, color("f6f8fc"), snow)
    warm, cool = np.array([1.22, 1.05, 0.84]), np.array([0.42, 0.50, 0.66])
    look = paint * (warm * (1.25 * diffuse * lit)[..., None] + cool * (0.62 + 0.25 / size)[..., None] * 0.8)
    air = mix(color("aebfd6"), color("f2d9b8"), smooth(0.9, 0.0, rows[column]) * 0.7)
    look = mix(look, air, 1 - np.exp(-0.075 * (away - 2.0)))
    return look, there


def _shore(image: Array, x: Array, y: Array, seed: int) -> None:
    """The near bank with its firs, back to front."""
    blades = fractal(len(x), 1.1, seed, "blades", low=6, stretch=(0.5, 2.0))
    rise = 0.10 * np.exp(-((x / 0.33) ** 2)) + 0.085 * np.exp(-(((x - 1.02) / 0.22) ** 2))
    bank = y - (0.955 - rise + 0.004 * blades)
    grass = ramp(0.45 + 0.18 * blades - 1.5 * bank, (0, "10180c"), (0.35, "2c3a18"), (0.7, "66702c"), (1, "b3a24c"))
    lay(image, smooth(-0.001, 0.002, bank), grass)
    draw = uniform((24, 4), seed, "firs")
    for k in np.argsort(draw[:, 1]):
        left = k % 2 == 0
        px = 0.30 * draw[k, 0] - 0.02 if left else 1.02 - 0.19 * draw[k, 0]
        rise = 0.10 * np.exp(-((px / 0.33) ** 2)) + 0.085 * np.exp(-(((px - 1.02) / 0.22) ** 2))
        tall = (0.17 + 0.26 * draw[k, 2] ** 1.5) * (1.0 - (0.75 * px if left else 0.8 * (1 - px)))
        _fir(image, px, 0.965 - rise + 0.04 * draw[k, 1], tall, (seed, int(k)), 0.55 + 0.45 * draw[k, 1])


def _fir(image: Array, px: float, foot: float, tall: float, key: tuple[int, int], near: float) -> None:
    """A fir of many drooping twigs, lit from the left."""
    side = len(image)
    pen = Pen(image)
    pen.stroke((px, foot), (px, foot - tall), 0.010 * tall + 0.0012, 0.0004, color("2a1d14"))
    count = 210
    draw = uniform((count, 5), *key, "twigs")
    for i, t in enumerate(np.linspace(0.08, 0.995, count)):
        way = np.sin(6.28 * draw[i, 0])
        reach = 0.21 * tall * (1 - t) ** 0.85 * (0.65 + 0.5 * draw[i, 1]) + 0.004 * tall
        start = (px, foot - tall * t)
        end = (px + way * reach, foot - tall * t + reach * (0.30 + 0.25 * draw[i, 2]) * (0.5 + 0.5 * abs(way)))
        light = 0.42 - 0.40 * way + 0.25 * (draw[i, 3] - 0.5)
        paint = ramp(np.array(light), (0, "0a1610"), (0.4, "17301c"), (0.75, "3f5a26"), (1, "8a8a3a"))
        pen.stroke(start, end, 0.012 * tall + 0.5 / side, 0.004 * tall + 0.5 / side, paint * (0.6 + 0.4 * near))
