"""Pictures on paper: a woodcut and a watercolour."""

import numpy as np
from canvas import SCALE, SIZE, Array, blur, color, fractal, grid, mix, reduce, relief, smooth, uniform
from strokes import scatter


def woodcut(seed: int = 4) -> Array:
    """Black ink on cream: a sun, peaks, firs and a river, in lines cut along the forms."""
    side = SIZE * SCALE
    x, y = grid(side)
    sx, sy = 0.33, 0.26
    shake = fractal(side, 1.8, seed, "shake", low=3, high=80)
    # Sky: rays round the sun, broken into rings of clouds further out.
    r, angle = np.hypot(x - sx, y - sy), np.arctan2(y - sy, x - sx)
    clouds = fractal(side, 1.9, seed, "clouds", low=2, high=30, stretch=(1.6, 0.45))
    # The number of rays doubles as they spread, so that their spacing stays about the same.
    turns = 2.0 ** np.clip(np.floor(np.log2(np.maximum(r, 0.03) / 0.03)), 0, 5) * 14
    rays = _lines(angle * turns / (2 * np.pi) + 0.05 * shake, 0.18 + 0.26 * smooth(0.1, 0.75, r))
    streaks = _lines(y * 58 + 1.4 * clouds + 0.2 * shake, 0.30 - 0.20 * np.clip(clouds, -1, 1))
    cloud = clouds > 0.75
    ink = np.where(cloud, streaks, rays)
    ink = np.where(np.abs(clouds - 0.75) < 0.07, 1.0, ink)
    ink = np.where(r < 0.105, 0.0, ink)
    ink = np.where(np.abs(r - 0.105) < 0.004, 1.0, ink)
    for k, peak in enumerate(PEAKS):
        ink = _peak(ink, x, y, peak, 66 - 4 * (k % 3), shake, fractal(side, 1.6, seed, "rock", k, low=3, high=120))
    ink = _river(ink, x, y, seed, shake, sx)
    ink = _firs(ink, x, y, seed)
    edge = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y)) + 0.0012 * shake
    ink = np.where(edge < 0.022, 1.0, ink)
    ink = np.where(edge < 0.012, 0.0, ink)
    return _print(ink, seed)


def _print(ink: Array, seed: int) -> Array:
    """The block on paper: two colours and a few steps between them."""
    side = len(ink)
    # Wood takes ink unevenly, and the press rounds the corners.
    press = blur(ink, 1.3) + 0.09 * fractal(side, 0.9, seed, "press", low=20)
    grain = fractal(side, 1.0, seed, "wood", low=6, stretch=(1.0, 0.08))
    bare = 0.55 * smooth(1.9, 2.8, grain + 0.6 * fractal(side, 0.6, seed, "flecks", low=40))
    left = np.repeat((1 - smooth(0.40, 0.60, press) * (1 - bare))[..., None], 3, -1)
    return mix(color("f3e6c8"), color("1a1614"), np.round(24 * (1 - reduce(left).mean(-1))) / 24)


def _lines(phase: Array, share: Array) -> Array:
    """Cut lines at every whole ``phase``; ``share`` of each period is ink."""
    return (np.abs(np.mod(phase, 1) - 0.5) < 0.5 * share).astype(float)


# x and y of the summit, slopes to the left and right, share of the shaded side that is ink
PEAKS = (
    (0.10, 0.33, 0.75, 0.85, 0.52), (0.90, 0.28, 0.80, 0.70, 0.52), (0.63, 0.21, 0.95, 1.05, 0.55),
    (0.38, 0.42, 0.60, 0.65, 0.58), (0.78, 0.40, 0.85, 0.80, 0.60), (0.18, 0.50, 0.50, 0.55, 0.64),
    (0.55, 0.55, 0.42, 0.40, 0.66), (0.96, 0.55, 0.40, 0.40, 0.68), (0.02, 0.60, 0.30, 0.28, 0.72),
)  # fmt: skip


Peak = tuple[float, float, float, float, float]


def _peak(ink: Array, x: Array, y: Array, peak: Peak, pitch: int, shake: Array, rock: Array) -> Array:
    """One mountain: few lines on the side of the sun, close ones beyond the crest, all down the slope."""
    px, py, left, right, dark = peak
    dx, below = x - px, y - py
    top = np.where(dx < 0, -dx * left, dx * right) + 0.010 * rock * smooth(0.0, 0.06, np.abs(dx))
    depth = below - top
    crest = 0.055 * below * np.sin(19 * below + 7 * px) / 0.3 + 0.035 * rock * smooth(0.0, 0.25, below) + 0.10 * below
    shaded = dx > crest
    # Spurs carry the shade over to the sunny side and back.
    spur = np.sin(26 * (dx - crest) + 16 * below + 1.3 * rock) > 0.72 - 0.9 * below
    slope = np.where(shaded, -0.85 * right, 0.85 * left)
    phase = (y + slope * x) / np.sqrt(1 + slope**2) * pitch + 0.10 * shake
    reach = np.abs(dx - crest)
    share = np.where(shaded, dark * (1 - 0.30 * smooth(0.0, 0.30, reach)), 0.30 * smooth(0.02, 0.22, below))
    share = np.where(spur & (below > 0.03), np.where(shaded, 0.25 * share, share + 0.28), share)
    lines = _lines(phase, np.clip(share, 0, 0.85) * (share > 0.07))
    lines = np.where(np.abs(dx - crest) < 0.0016, 1.0, lines)
    return np.where(depth > 0, np.where(depth < 0.0042, 1.0, lines), ink)


def _river(ink: Array, x: Array, y: Array, seed: int, shake: Array, sun: float) -> Array:
    """Water in lens-shaped waves, bright below the sun."""
    top = 0.735 + 0.012 * np.sin(7 * x)
    depth = np.clip((y - top) / (1 - top), 0, 1)
    waves = fractal(len(x), 1.9, seed, "waves", low=2, high=40, stretch=(1.7, 0.35))
    glint = np.exp(-(((x - sun) / (0.05 + 0.16 * depth)) ** 2))
    tone = np.clip(0.62 + 0.12 * waves - 0.50 * glint, 0.1, 0.85)
    phase = 26 * np.log1p(2.4 * depth) / np.log(3.4) + 0.35 * waves + 0.05 * shake + 0.13 * np.sin(38 * x + 9 * depth)
    return np.where(y > top, np.where(y < top + 0.006, 1.0, _lines(phase, tone)), ink)


def _firs(ink: Array, x: Array, y: Array, seed: int) -> Array:
    """Firs on both banks, black, with light cuts on the sun's side."""
    draw = uniform((22, 3), seed, "firs")
    order = np.argsort(draw[:, 1])
    for k in order:
        left = k % 2 == 0
        px = 0.03 + 0.22 * draw[k, 0] ** 1.5 if left else 0.97 - 0.30 * draw[k, 0] ** 1.5
        foot, tall = 0.79 + 0.19 * draw[k, 1], 0.13 + 0.10 * draw[k, 2] + 0.12 * draw[k, 1]
        t = (foot - y) / tall
        tier = np.mod(t * 8.5, 1)
        half = tall * 0.24 * (1 - t) * (0.55 + 0.75 * (1 - tier)) * (t < 1)
        off = np.abs(x - px)
        inside = (t > 0) & (off < half)
        rim = (t > -0.01) & (off < half + 0.005) & (t < 1.03)
        cuts = (np.mod(t * 8.5 + off * 26, 1) < 0.24) & ((x < px) if not left else (x > px)) & (off > 0.12 * half)
        ink = np.where(rim, 0.0, ink)
        ink = np.where(inside, np.where(cuts, 0.0, 1.0), ink)
    return ink


PIGMENTS = {
    "rose": "c8325a", "poppy": "e0402a", "gold": "f0b020", "violet": "6a3fa0", "ultramarine": "2a4fb0",
    "sky": "4fa8d8", "sap": "5c8f2a", "viridian": "1f7f6a", "plum": "8a2f6f",
}  # fmt: skip


class _Wash:
    """Pigment on paper: each wash multiplies the light by its colour to the power of its density."""

    def __init__(self, seed: int) -> None:
        self.side = SIZE * SCALE
        self.x, self.y = grid(self.side)
        self.light = np.ones((self.side, self.side, 3))
        self.tooth = fractal(self.side, 0.8, seed, "tooth", low=30, high=230)
        self.bleed = np.stack([fractal(self.side, 1.75, seed, "bleed", k, low=3, high=140) for k in range(2)], -1)
        self.cloud = fractal(self.side, 1.8, seed, "cloud", low=2)

    def lay(self, distance: Array, window: tuple[slice, slice], pigment: str, load: float, rim: float) -> None:
        """A wash where ``distance`` (in units of the picture) is negative; pigment gathers at its rim."""
        inside = smooth(0.0012, -0.0012, distance)
        dried = np.exp(distance / 0.0045)
        pool = 0.68 + 0.30 * self.cloud[window] + rim * dried + 0.10 * self.tooth[window]
        density = load * np.clip(pool, 0.12, 3) * inside
        self.light[window] *= np.clip(color(PIGMENTS[pigment]), 0.03, 1) ** density[..., None]

    def window(self, cx: float, cy: float, reach: float) -> tuple[slice, slice]:
        """The pixels round a place."""
        rows, columns = (
            slice(max(int((c - reach) * self.side), 0), max(int((c + reach) * self.side), 1)) for c in (cy, cx)
        )
        return rows, columns

    def petal(self, at: tuple[float, float], turn: float, size: tuple[float, float], pigment: str, load: float) -> None:
        """A drop-shaped touch of the brush that starts at ``at`` and points along ``turn``."""
        length, width = size
        window = self.window(at[0], at[1], 1.35 * length)
        x, y = self.x[window] - at[0], self.y[window] - at[1]
        if min(x.shape) < 2:
            return
        bend = self.bleed[window] * 0.05 * length
        x, y = x + bend[..., 0], y + bend[..., 1]
        u = (x * np.cos(turn) + y * np.sin(turn)) / length
        v = (y * np.cos(turn) - x * np.sin(turn)) / length
        broad = width / length * np.sqrt(np.clip(u, 0, 1)) * np.sqrt(np.clip(1 - u * u, 0, 1)) * 1.6
        distance = np.maximum(np.abs(v) - broad, np.maximum(-u, u - 1)) * length
        self.lay(distance, window, pigment, load, 0.75)


def watercolour(seed: int = 6) -> Array:
    """Flowers and leaves in transparent washes on rough paper."""
    wash = _Wash(seed)
    everywhere = (slice(None), slice(None))
    for k, (pigment, level) in enumerate((("sky", 0.15), ("gold", 0.35), ("rose", 0.45), ("viridian", 0.4))):
        field = fractal(wash.side, 2.1, seed, "ground", k, low=1, high=60)
        wash.lay((level - field) * 0.05, everywhere, pigment, 0.26, 0.5)
    for k, (at, draw) in enumerate(zip(scatter(95, seed, "leaves"), uniform((95, 6), seed, "leaf"), strict=True)):
        pigment = ("sap", "viridian", "sap", "ultramarine", "viridian")[k % 5]
        size = 0.10 + 0.13 * draw[0]
        wash.petal((at[0], at[1]), 6.28 * draw[1], (size, size * (0.11 + 0.10 * draw[2])), pigment, 0.5 + 0.6 * draw[3])
    for k, (at, draw) in enumerate(zip(scatter(24, seed, "flowers"), uniform((24, 6), seed, "flower"), strict=True)):
        pair = (("poppy", "rose"), ("violet", "ultramarine"), ("gold", "poppy"), ("rose", "plum"))[k % 4]
        count, size = 5 + int(3 * draw[0]), 0.065 + 0.065 * draw[1]
        for i in range(count):
            turn = 6.28 * (i + 0.35 * np.sin(9 * i + 6 * draw[3])) / count + 6.28 * draw[2]
            long = size * (0.85 + 0.3 * np.sin(5 * i + 9 * draw[4]) ** 2)
            wash.petal((at[0], at[1]), turn, (long, long * 0.48), pair[i % 2 if draw[5] < 0.4 else 0], 0.75)
            wash.petal((at[0], at[1]), turn, (0.5 * long, 0.17 * long), pair[1], 0.6)
        window = wash.window(at[0], at[1], 0.03)
        x, y = wash.x[window] - at[0], wash.y[window] - at[1]
        wash.lay(np.hypot(x, y) - 0.011 + 0.004 * wash.bleed[window][..., 0], window, "plum", 1.6, 0.2)
    for k, (at, draw) in enumerate(zip(scatter(130, seed, "drops"), uniform((130, 2), seed, "drop"), strict=True)):
        window = wash.window(at[0], at[1], 0.02)
        x, y = wash.x[window] - at[0], wash.y[window] - at[1]
        radius = 0.002 + 0.006 * draw[0] ** 3
        wash.lay(np.hypot(x, y) - radius, window, tuple(PIGMENTS)[k % len(PIGMENTS)], 0.9, 0.6)
    shade, _ = relief(0.8 * wash.tooth)
    paper = color("fbf8ef") * (1 + 0.07 * (np.clip(shade, 0.4, 1.6) - 1))[..., None]
    return reduce(paper * wash.light)
