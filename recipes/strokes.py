"""Brush strokes: paint laid along a flow, back to front, with bristle marks that catch the light.

A stroke is a curve with a width. It is sampled densely along its length and across its width, and each
sample is written to the pixel it falls on: its colour, and its height of paint. The light comes last, over
all heights together.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from canvas import SCALE, SIZE, Array, blur, normal, relief, uniform

Flow = Callable[[Array, Array], tuple[Array, Array]]

BRISTLES = 4096


@dataclass(frozen=True)
class Brush:
    """How one layer of strokes looks.

    Attributes:
        length: Length of a stroke in pixels of the finished picture.
        width: Its width there.
        taper: Share of the length over which either end narrows.
        rough: Depth of the bristle marks, 0 to 1.
        dry: Share of the far end that is broken up by dry bristles.
        thick: Height of paint, in pixels of the finished picture.
        shimmer: How much the bristles differ in lightness.
    """

    length: float
    width: float
    taper: float = 0.3
    rough: float = 0.6
    dry: float = 0.4
    thick: float = 1.0
    shimmer: float = 0.06


class Painting:
    """The colour and height of paint so far, ``SCALE`` times too large."""

    def __init__(self, ground: Array, seed: int) -> None:
        self.side = SIZE * SCALE
        self.image = ground.copy()
        self.height = np.zeros((self.side, self.side))
        self.bristles = normal((BRISTLES, 2), seed, "bristles")
        self.seed = seed

    def strokes(self, at: Array, colors: Array, flow: Flow, brush: Brush, name: str) -> None:
        """Paints one stroke per row of ``at``, in order.

        Args:
            at: Middles of the strokes, N×2, in units of the picture.
            colors: N×3.
            flow: Direction at any place.
            brush: The brush.
            name: Purpose of the random numbers.
        """
        count = len(at)
        vary = uniform((count, 4), self.seed, name, "vary")
        length = brush.length * SCALE * (0.65 + 0.7 * vary[:, 0])
        width = brush.width * SCALE * (0.7 + 0.6 * vary[:, 1])
        curves = trace(at, length / self.side, flow, 12)
        for i in range(count):
            self.stroke(curves[i] * self.side, float(width[i]), colors[i], brush, vary[i, 2:])

    def stroke(self, curve: Array, width: float, paint: Array, brush: Brush, vary: Array) -> None:
        """Paints one stroke along ``curve``, K×2 in pixels of the large picture."""
        steps = np.diff(curve, axis=0)
        span = np.concatenate([[0.0], np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))])
        s = np.linspace(0, 1, int(span[-1] / 0.6) + 2)
        t = np.linspace(-1, 1, int(width / 0.6) + 3)
        x, y = (np.interp(s * span[-1], span, curve[:, i]) for i in (0, 1))
        dx, dy = np.gradient(x), np.gradient(y)
        norm = np.hypot(dx, dy) + 1e-9
        ends = np.minimum(s / brush.taper, (1 - s) / brush.taper).clip(0, 1)
        half = 0.5 * width * np.sqrt(ends * (2 - ends)).clip(0.08, 1)
        across = half[:, None] * t[None]
        px = (x[:, None] - dy[:, None] / norm[:, None] * across).round().astype(int)
        py = (y[:, None] + dx[:, None] / norm[:, None] * across).round().astype(int)
        marks = self.marks(t, width, vary)
        profile = np.sqrt(np.clip(1 - t * t, 0, 1)) * (1 - 0.35 * brush.rough) + 0.35 * brush.rough * marks[:, 0]
        load = 1 - 0.45 * s
        high = brush.thick * SCALE * load[:, None] * profile[None]
        tint = paint + (brush.shimmer * marks[:, 1])[:, None]
        dryness = (s - 1 + brush.dry) / max(brush.dry, 1e-9) * 1.1
        kept = marks[None, :, 0] > (2.2 * dryness - 1.6)[:, None]
        kept &= (px >= 0) & (px < self.side) & (py >= 0) & (py < self.side)
        px, py = px[kept], py[kept]
        self.image[py, px] = np.broadcast_to(tint[None], (len(s), len(t), 3))[kept]
        self.height[py, px] = high[kept] + 0.25 * self.height[py, px]

    def marks(self, t: Array, width: float, vary: Array) -> Array:
        """Two rows of bristle noise across the stroke, one bristle about every 0.7 finished pixels."""
        place = (t + 1) * width / (1.4 * SCALE) + vary[0] * (BRISTLES - 64)
        left = np.floor(place).astype(int)
        a = (place - left)[:, None]
        a = a * a * (3 - 2 * a)
        result: Array = self.bristles[left] * (1 - a) + self.bristles[left + 1] * a
        return result

    def lit(self, strength: float = 0.55, gloss: float = 0.12) -> Array:
        """The picture with light from the upper left on its ridges."""
        height = blur(self.height, 0.3 * SCALE)
        diffuse, shine = relief(height)
        shade = 1 + strength * (np.clip(diffuse, 0.2, 1.7) - 1)
        return self.image * shade[..., None] + gloss * (shine**40)[..., None] * 0.5


def trace(at: Array, length: Array, flow: Flow, steps: int) -> Array:
    """Curves through ``at`` along the flow, half of the length to each side, N×(2·steps + 1)×2."""
    sides = []
    for sign in (-1.0, 1.0):
        x, y = at[:, 0].copy(), at[:, 1].copy()
        points = []
        for _ in range(steps):
            u, v = flow(x, y)
            size = np.hypot(u, v) + 1e-9
            x = x + sign * 0.5 * length / steps * u / size
            y = y + sign * 0.5 * length / steps * v / size
            points.append(np.stack([x, y], -1))
        sides.append(points)
    return np.stack([*sides[0][::-1], at, *sides[1]], 1)


def scatter(count: int, *key: int | str, margin: float = 0.04) -> Array:
    """``count`` places, evenly spread (the jittered R2 sequence), in random order, N×2."""
    step = np.array([0.7548776662466927, 0.5698402909980532])
    places = (np.arange(1, count + 1)[:, None] * step + 0.5) % 1
    order = np.argsort(uniform((count,), *key, "order"))
    jitter = 0.6 * normal((count, 2), *key, "jitter") / np.sqrt(count)
    result: Array = (places[order] + jitter) * (1 + 2 * margin) - margin
    return result
