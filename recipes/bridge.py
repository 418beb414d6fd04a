"""A suspension bridge over a sound, in the morning."""

from collections.abc import Callable

import numpy as np
from canvas import SCALE, SIZE, Array, color, fractal, grid, lay, mix, reduce, smooth
from outdoors import clouds, graded, mirror, ripples
from pen import Pen

LEVEL = 0.66
LENS = 1.15
EYE = 0.20
# Place along the bridge 0..1: the near anchor, the towers, the far anchor.
START, END = np.array([-2.05, 1.72]), np.array([3.9, 10.2])
TOWERS = (0.17, 0.66)
DECK, TOP, BREADTH = 0.52, 1.62, 0.20
AIR = "ecd6c4"

_Paint = Callable[[str, float], Array]


def bridge(seed: int = 5) -> Array:
    """A suspension bridge over a sound, seen from the shore in the morning."""
    side = SIZE * SCALE
    x, y = grid(side)
    image = graded(y, LEVEL, (0, "3a6fb0"), (0.35, "7aa5d2"), (0.65, "d3cdd0"), (0.85, "f9cfa4"), (1, "fcd9ae"))
    sun = np.hypot(x - 0.80, (y - 0.56) * 1.3)
    lay(image, 0.75 * np.exp(-((sun / 0.16) ** 2)), color("fff0cf"))
    lay(image, 0.9 * np.exp(-((sun / 0.035) ** 2)), color("fffdf0"))
    cloud, bright = clouds(x, LEVEL - y, (seed, "clouds"), 0.25, 0.34)
    lay(image, 0.75 * cloud, mix(color("b5adba"), color("fff4e4"), 0.55 + 0.45 * bright))
    _hills(image, x, y, seed)
    _span(image)
    _headland(image, x, y, seed)
    waves = ripples(x, y, LEVEL, seed, "waves")
    fall = np.clip((y - LEVEL) / (1 - LEVEL), 0, 1)
    water = mirror(image, x, y, LEVEL, waves, 0.05) * np.array([0.70, 0.80, 0.84])
    water = mix(water, color("1f4a5c") * (1 + 0.18 * waves)[..., None], 0.18 + 0.42 * fall)
    glint = np.exp(-(((x - 0.80) / (0.05 + 0.10 * fall)) ** 2)) * smooth(0.2, 1.5, waves)
    lay(water, 0.85 * glint, color("fff0d0"))
    lay(image, smooth(LEVEL - 0.001, LEVEL + 0.001, y), water)
    _rocks(image, x, y, seed)
    return reduce(image)


def _hills(image: Array, x: Array, y: Array, seed: int) -> None:
    """Ranges of hills, each paler than the one before it, with mist at their feet."""
    paints = ("a9a9bd", "8593a6", "5f7a86", "41635f")
    for k, paint in enumerate(paints):
        rough = fractal(1024, 1.6, seed, "hills", k, low=1)[k * 37 % 1024]
        grain = fractal(1024, 1.2, seed, "woods", k, low=10, stretch=(1.0, 0.7))
        aside = np.abs(x[0] - (0.55, 0.75, 0.62, 0.66)[k])
        lift = (0.145, 0.105, 0.075, 0.05)[k] * (0.75 + 0.9 * smooth(0.2, 1.0, aside))
        top = LEVEL - lift - 0.016 * (1 - 0.15 * k) * rough
        inside = smooth(-0.0012, 0.0012, y - top[None])
        look = color(paint) * (1 + (0.02 + 0.035 * k) * grain)[..., None]
        mist = 0.75 * smooth(0.06, 0.0, LEVEL - y)
        lay(image, inside, mix(look, color(AIR), mist))


def _headland(image: Array, x: Array, y: Array, seed: int) -> None:
    """The wooded cape on which the bridge ends."""
    grain = fractal(1024, 1.3, seed, "cape", low=6)
    rise = 0.125 * smooth(0.84, 0.97, x) + 0.02 * np.sin(9 * x)
    edge = y - (LEVEL - rise + 0.006 * grain)
    light = 0.5 + 12 * (np.gradient(grain, axis=1) - np.gradient(grain, axis=0))
    look = mix(color("2c4238"), color("8b8a5c"), np.clip(light, 0, 1))
    mist = 0.22 + 0.4 * smooth(0.03, 0.0, LEVEL - y)
    lay(image, smooth(-0.001, 0.001, edge) * (x > 0.8), mix(look, color(AIR), mist))


def _place(t: float, height: float, across: float = 0.0) -> tuple[float, float, float]:
    """A point of the bridge on the picture, and its distance."""
    along = END - START
    aside = np.array([-along[1], along[0]]) / np.hypot(*along)
    px, pz = START + t * along + across * aside
    return 0.5 + LENS * px / pz, LEVEL - LENS * (height - EYE) / pz, float(pz)


def _cable(t: float) -> float:
    """Height of the main cable."""
    a, b = TOWERS
    if a <= t <= b:
        return DECK + 0.06 + (TOP - DECK - 0.06) * ((2 * t - a - b) / (b - a)) ** 2
    reach = 0.20 if t < a else 0.34
    out = (a - t if t < a else t - b) / reach
    return TOP + (DECK - TOP) * min(out, 1.0)


def _span(image: Array) -> None:
    """The whole bridge, the far side first."""
    pen = Pen(image)

    def paint(code: str, z: float) -> Array:
        return mix(color(code), color(AIR), 1 - np.exp(-0.085 * (z - 1.5)))

    def bar(t0: float, h0: float, t1: float, h1: float, across: float, wide: float, code: str) -> None:
        (ax, ay, az), (bx, by, bz) = _place(t0, h0, across), _place(t1, h1, across)
        pen.stroke((ax, ay), (bx, by), LENS * wide / az, LENS * wide / bz, paint(code, 0.5 * (az + bz)))

    ts = np.linspace(-0.02, 1.0, 205)
    for across, main, bright in ((BREADTH / 2, "7e2f25", "8d3b2e"), (-BREADTH / 2, "a83c2a", "c9543a")):
        if across < 0:
            _deck(pen, paint, ts)
        for i, t in enumerate(ts[:-1]):
            u = float(ts[i + 1])
            bar(t, _cable(t), u, _cable(u), across, 0.0135, main)
            if i % 2 == 0 and _cable(t) > DECK + 0.03:
                bar(t, DECK, t, _cable(t), across, 0.0035, bright)
            if across < 0:
                bar(t, DECK, u, DECK, across, 0.012, bright)
                bar(t, DECK - 0.085, u, DECK - 0.085, across, 0.011, main)
                low, high = (DECK - 0.085, DECK) if i % 2 else (DECK, DECK - 0.085)
                bar(t, low, u, high, across, 0.006, main)
        if across > 0:
            for t in TOWERS:
                _leg(pen, paint, t, across, ("6b261d", "80352a"))
    for t in reversed(TOWERS):
        _braces(pen, paint, t)
        _leg(pen, paint, t, -BREADTH / 2, ("9c3524", "d0593c"))


def _deck(pen: Pen, paint: _Paint, ts: Array) -> None:
    """Road and underside."""
    for t, u in zip(ts[:-1][::-1], ts[1:][::-1], strict=True):
        near = [_place(t, DECK - 0.04, -BREADTH / 2), _place(u, DECK - 0.04, -BREADTH / 2)]
        far = [_place(t, DECK - 0.06, BREADTH / 2), _place(u, DECK - 0.06, BREADTH / 2)]
        code = "4a2a26"
        quad = [(near[0][0], near[0][1]), (far[0][0], far[0][1]), (far[1][0], far[1][1]), (near[1][0], near[1][1])]
        pen.shape(quad, paint(code, near[0][2]))
        pen.shape(quad[::-1], paint(code, near[0][2]))
        low = [_place(t, DECK - 0.085, -BREADTH / 2), _place(u, DECK - 0.085, -BREADTH / 2)]
        top = [_place(t, DECK, -BREADTH / 2), _place(u, DECK, -BREADTH / 2)]
        web = [(top[0][0], top[0][1]), (top[1][0], top[1][1]), (low[1][0], low[1][1]), (low[0][0], low[0][1])]
        pen.shape(web, paint("6d3128", near[0][2]))


def _leg(pen: Pen, paint: _Paint, t: float, across: float, codes: tuple[str, str]) -> None:
    """One leg of a tower in four steps, each narrower than the one below, on a pier."""
    levels = (-0.02, DECK + 0.02, 0.95, 1.3, TOP + 0.05)
    for k in range(4):
        wide = 0.058 - 0.008 * k
        for part, code in ((1.0, codes[0]), (0.45, codes[1])):
            bottom, top = _place(t, levels[k], across), _place(t, levels[k + 1], across)
            half, shift = part * wide * LENS / bottom[2], (1 - part) * wide * LENS / bottom[2]
            x0, x1 = bottom[0] + shift, top[0] + shift
            quad = [(x1 - half, top[1]), (x1 + half, top[1]), (x0 + half, bottom[1]), (x0 - half, bottom[1])]
            pen.shape(quad, paint(code, bottom[2]))
    foot, high = _place(t, -0.03, across), _place(t, 0.10, across)
    half = 0.10 * LENS / foot[2]
    quad = [(high[0] - half, high[1]), (high[0] + half, high[1]), (foot[0] + half, foot[1]), (foot[0] - half, foot[1])]
    pen.shape(quad, paint("8c8178", foot[2]))


def _braces(pen: Pen, paint: _Paint, t: float) -> None:
    """Struts between the legs."""
    for height, thick in ((TOP - 0.02, 0.05), (1.27, 0.042), (0.94, 0.045), (DECK - 0.06, 0.05), (0.22, 0.03)):
        a, b = _place(t, height, -BREADTH / 2), _place(t, height, BREADTH / 2)
        pen.stroke((a[0], a[1]), (b[0], b[1]), LENS * thick / a[2], LENS * thick / b[2], paint("8f3324", a[2]))


def _rocks(image: Array, x: Array, y: Array, seed: int) -> None:
    """A rocky shore in the near corner."""
    lumps = fractal(len(x), 1.5, seed, "rocks", low=3)
    fine = fractal(len(x), 1.0, seed, "stone", low=16)
    edge = y - (0.86 + 0.42 * np.clip(x, 0, 1) ** 1.15 + 0.016 * lumps)
    gx = np.gradient(lumps, axis=1) * 22 + np.gradient(fine, axis=1) * 1.2
    gy = np.gradient(lumps, axis=0) * 22 + np.gradient(fine, axis=0) * 1.2
    light = np.clip(0.55 + 0.45 * gx - 0.5 * gy, 0.05, 1.4)
    look = mix(color("231f22"), color("a08a78"), np.clip(light, 0, 1))
    grass = smooth(0.02, 0.08, edge) * smooth(-0.2, 0.6, fine + lumps)
    look = mix(look, mix(color("26301a"), color("7f8a3c"), np.clip(light, 0, 1)), grass)
    lay(image, smooth(-0.001, 0.001, edge), look)
    lay(image, 0.7 * np.exp(-(((edge + 0.004) / 0.0035) ** 2)) * smooth(-0.8, 0.6, fine), color("efe6dc"))
