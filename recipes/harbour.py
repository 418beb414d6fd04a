"""A row of old houses on a quay, boats before them, all seen again in the water."""

from dataclasses import dataclass

import numpy as np
from canvas import SCALE, SIZE, Array, box, color, cover, fractal, grid, lay, mix, ramp, reduce, smooth, uniform
from numpy.typing import NDArray
from outdoors import clouds, graded, mirror, ripples
from pen import Pen

QUAY = 0.655
LEVEL = 0.70


@dataclass(frozen=True)
class House:
    """One house: its left and right wall, the eaves, the gable's height and kind, colours, windows."""

    left: float
    right: float
    eaves: float
    gable: float
    kind: str
    wall: str
    roof: str
    columns: int
    rows: int
    shutters: str = ""


HOUSES = (
    House(-0.03, 0.095, 0.300, 0.080, "hip", "c9553d", "5a4a48", 3, 4),
    House(0.095, 0.215, 0.345, 0.105, "step", "e3b04b", "7a3f30", 3, 4),
    House(0.215, 0.325, 0.275, 0.085, "gable", "4f86a8", "6e4438", 2, 5, "f0ece0"),
    House(0.325, 0.470, 0.375, 0.085, "hip", "efe2c8", "a04d36", 4, 3, "3d6b57"),
    House(0.470, 0.575, 0.310, 0.110, "bell", "b8433a", "54464a", 2, 4),
    House(0.575, 0.700, 0.335, 0.080, "hip", "6f9a7a", "93503c", 3, 4),
    House(0.700, 0.800, 0.285, 0.105, "step", "d98a4a", "6b4238", 2, 5, "35507a"),
    House(0.800, 0.925, 0.360, 0.095, "gable", "d9a7a0", "8a4a3c", 3, 3, "6b3a44"),
    House(0.925, 1.040, 0.315, 0.080, "hip", "e8cf86", "5b4c4c", 3, 4),
)


def harbour(seed: int = 12) -> Array:
    """Old houses and boats in a harbour, and again in its water."""
    side = SIZE * SCALE
    x, y = grid(side)
    image = graded(y, LEVEL, (0, "3c7cc0"), (0.35, "7fb2dc"), (0.7, "cfe3ee"), (1, "f2ead8"))
    cloud, bright = clouds(x, LEVEL - y, (seed, "clouds"), 0.35, 0.32)
    lay(image, 0.9 * cloud, mix(color("b9c4d2"), color("fffdf6"), 0.65 + 0.35 * bright))
    stain = fractal(side, 1.5, seed, "stain", low=3, stretch=(0.7, 1.4))
    fine = fractal(side, 0.8, seed, "plaster", low=30)
    for k, house in enumerate(HOUSES):
        _house(image, house, (stain, fine), (seed, k))
    _quay(image, x, y, stain, fine)
    _boats(image)
    waves = ripples(x, y, LEVEL, seed, "waves")
    fall = np.clip((y - LEVEL) / (1 - LEVEL), 0, 1)
    water = mirror(image, x, y, LEVEL, waves, 0.055) * np.array([0.76, 0.86, 0.88])
    water = mix(water, color("1d4c57") * (1 + 0.15 * waves)[..., None], 0.10 + 0.35 * fall)
    lay(water, 0.30 * smooth(1.1, 2.2, waves) * fall, color("d7ecf2"))
    lay(image, smooth(LEVEL - 0.001, LEVEL + 0.001, y), water)
    return reduce(image)


def _house(image: Array, house: House, textures: tuple[Array, Array], key: tuple[int, int]) -> None:
    """Roof, wall, windows, door."""
    pen = Pen(image)
    top = house.eaves - house.gable
    found = pen.window([house.left - 0.02, house.right + 0.02], [top - 0.06, QUAY + 0.003])
    if not found:
        return
    window, x, y = found
    part = image[window]
    stain, fine = (t[window] for t in textures)
    pixel = 1 / pen.side
    middle, half = 0.5 * (house.left + house.right), 0.5 * (house.right - house.left)
    _roof(part, house, x, y, pixel, stain)
    wall = color(house.wall) * (1 + 0.045 * stain + 0.035 * fine)[..., None]
    courses = np.abs(np.mod(y * 190, 1) - 0.5) > 0.40
    joints = np.abs(np.mod(x * 95 + 0.5 * np.mod(np.floor(y * 190 + 0.5), 2), 1) - 0.5) > 0.45
    wall = wall * (1 - 0.10 * (courses | joints))[..., None]
    outline = np.maximum(np.abs(x - middle) - half, np.maximum(house.eaves - y, y - QUAY))
    front = np.minimum(outline, _gable(house, x, y)) if house.kind != "hip" else outline
    shade = 1.04 - 0.10 * (x - house.left) / (2 * half)
    shade = shade * (1 - 0.30 * smooth(0.022, 0.0, y - house.eaves) * (house.kind == "hip"))
    shade = shade * (1 - 0.25 * smooth(0.010, 0.0, x - house.left)) * (1 - 0.22 * smooth(QUAY - 0.05, QUAY, y))
    lay(part, cover(front, pixel), wall * shade[..., None] * np.array([1.03, 1.0, 0.95]))
    trim = color("f3ead8") if house.wall not in ("efe2c8", "e8cf86") else color("b98d5a")
    if house.kind != "hip":
        lay(part, cover(np.abs(front + 0.0022) - 0.0022, pixel) * (y < house.eaves + 0.01), trim * 0.96)
    lay(part, cover(box(x - middle, y - house.eaves, half + 0.002, 0.0028), pixel), trim * 0.92)
    _windows(part, house, x, y, pixel, trim, key)
    _ground_floor(part, house, x, y, pixel, trim, key)


def _gable(house: House, x: Array, y: Array) -> Array:
    """Outline of the wall above the eaves."""
    middle, half = 0.5 * (house.left + house.right), 0.5 * (house.right - house.left)
    t = np.clip((house.eaves - y) / house.gable, 0, 1.2)
    if house.kind == "step":
        broad = half * (1 - np.floor(t * 5) / 5.6)
    elif house.kind == "bell":
        broad = half * (0.36 + 0.64 * (0.5 + 0.5 * np.cos(np.pi * np.clip(t * 1.15, 0, 1))) ** 0.8)
    else:
        broad = half * (1 - t) + 0.004
    level = np.maximum(house.eaves - house.gable - y, y - house.eaves - 0.01)
    result: Array = np.maximum(np.abs(x - middle) - broad, level)
    return result


def _roof(part: Array, house: House, x: Array, y: Array, pixel: float, stain: Array) -> None:
    """Tiles behind the gable or over the eaves, dormers, a chimney."""
    middle, half = 0.5 * (house.left + house.right), 0.5 * (house.right - house.left)
    low = house.eaves - house.gable
    stack = low + (0.0 if house.kind == "hip" else 0.42 * house.gable)
    chimney = box(x - middle - 0.62 * half, y - stack - 0.012, 0.008, 0.034)
    lay(part, cover(chimney, pixel), color("8a5444") * (0.85 + 0.3 * (x < middle + 0.62 * half))[..., None])
    lay(part, cover(box(x - middle - 0.62 * half, y - stack + 0.022, 0.0105, 0.004), pixel), color("4a3834"))
    tiles = np.abs(np.mod(y * 150, 1) - 0.5)
    scallop = np.abs(np.sin(np.pi * (x * 120 + 0.5 * np.floor(y * 150))))
    paint = color(house.roof) * (0.86 + 0.24 * tiles + 0.10 * scallop + 0.09 * stain)[..., None]
    steep = np.clip((y - low) / house.gable, 0, 1)
    if house.kind == "hip":
        shape = np.maximum(np.abs(x - middle) - half * (0.80 + 0.20 * steep), np.maximum(low - y, y - house.eaves))
        lay(part, cover(shape, pixel), paint * (0.92 + 0.2 * (1 - steep))[..., None])
        for way in (-0.45, 0.45):
            px, py = x - middle - way * half, y - low - 0.55 * house.gable
            lay(part, cover(box(px, py, 0.0135, 0.019), pixel), color("efe6d4"))
            lay(part, cover(box(px, py + 0.001, 0.0095, 0.013), pixel), color("33414e"))
            cap = np.maximum(np.abs(px) - 0.018 + 0.0, np.abs(py + 0.021 - 0.5 * np.abs(px)) - 0.0035)
            lay(part, cover(cap, pixel), color(house.roof) * 0.75)
    elif house.kind == "gable":
        shape = np.maximum(np.abs(x - middle) - half * steep - 0.008, np.maximum(low - 0.006 - y, y - house.eaves))
        lay(part, cover(shape, pixel), paint * 0.9)


def _windows(part: Array, house: House, x: Array, y: Array, pixel: float, trim: Array, key: tuple[int, int]) -> None:
    """Rows of windows, all at once in the coordinates of their cell."""
    wide = (house.right - house.left) * 0.92 / house.columns
    first, last = house.eaves + 0.012, QUAY - 0.085
    tall = (last - first) / house.rows
    i = np.floor((x - house.left - 0.04 * (house.right - house.left)) / wide)
    j = np.floor((y - first) / tall)
    here = (i >= 0) & (i < house.columns) & (j >= 0) & (j < house.rows)
    u = x - house.left - 0.04 * (house.right - house.left) - (i + 0.5) * wide
    v = y - first - (j + 0.5) * tall
    rx, ry = min(0.0125, 0.30 * wide), 0.34 * tall
    draw = uniform((16, 16), *key, "panes")[np.mod(i, 16).astype(int), np.mod(j, 16).astype(int)]
    _pane(part, (u, v, here), (rx, ry), pixel, trim, draw)
    if house.shutters:
        for way in (-1.0, 1.0):
            leaf = box(u - way * (rx + 0.0065), v, 0.0048, ry + 0.001)
            slats = 0.85 + 0.25 * (np.abs(np.mod(v * 260, 1) - 0.5) < 0.28)
            lay(part, cover(leaf, pixel) * here, color(house.shutters) * slats[..., None])
    if house.kind != "hip":
        middle = 0.5 * (house.left + house.right)
        u, v = x - middle, y - house.eaves + 0.36 * house.gable
        _pane(part, (u, v, np.ones(x.shape, bool)), (0.0105, 0.016), pixel, trim, np.full(x.shape, 0.3))


def _pane(
    part: Array,
    at: tuple[Array, Array, NDArray[np.bool_]],
    half: tuple[float, float],
    pixel: float,
    trim: Array,
    draw: Array,
) -> None:
    """One window, or many of one size: frame, glass with the sky in it, bars, sill."""
    (u, v, here), (rx, ry) = at, half
    lay(part, 0.35 * cover(box(u - 0.002, v - 0.003, rx + 0.004, ry + 0.005), 4 * pixel) * here, color("20181a"))
    lay(part, cover(box(u, v, rx + 0.0030, ry + 0.0034), pixel) * here, trim)
    sky = np.clip(0.5 - 0.4 * v / ry + 0.3 * np.sin(40 * u + 9 * draw) + 0.9 * (draw - 0.5), 0, 1)
    glass = ramp(sky, (0, "1c2630"), (0.5, "38505f"), (0.8, "7fa3b5"), (1, "cfe0e4"))
    lit = (draw > 0.86)[..., None]
    glass = np.where(lit, np.array([0.93, 0.76, 0.42]), glass)
    curtain = smooth(0.55 * rx, 0.75 * rx, np.abs(u)) * (draw > 0.35) * (draw < 0.8)
    glass = mix(glass, color("e9e3d6"), 0.65 * curtain)
    lay(part, cover(box(u, v, rx, ry), pixel) * here, glass)
    bars = np.minimum(np.abs(u), np.minimum(np.abs(v + 0.33 * ry), np.abs(v - 0.33 * ry))) - 0.0010
    lay(part, cover(np.maximum(bars, box(u, v, rx, ry)), pixel) * here, trim)
    lay(part, cover(box(u, v - ry - 0.0042, rx + 0.0055, 0.0018), pixel) * here, trim * 0.85)


def _ground_floor(
    part: Array, house: House, x: Array, y: Array, pixel: float, trim: Array, key: tuple[int, int]
) -> None:
    """A door and a shop window under a striped awning."""
    wide = house.right - house.left
    draw = uniform((4,), *key, "shop")
    door = house.left + wide * (0.22 if draw[0] < 0.5 else 0.78)
    shop = house.left + wide * (0.62 if draw[0] < 0.5 else 0.36)
    paints = ("2f4a3c", "3a2f4f", "6e2a26", "27425c")
    lay(part, cover(box(x - door, y - QUAY + 0.033, 0.0145, 0.034), pixel), trim)
    lay(part, cover(box(x - door, y - QUAY + 0.030, 0.0110, 0.030), pixel), color(paints[int(4 * draw[1])]))
    lay(part, cover(box(x - door, y - QUAY + 0.050, 0.0080, 0.006), pixel), color("9fb8c0"))
    reach = 0.23 * wide + 0.006
    lay(part, cover(box(x - shop, y - QUAY + 0.030, reach, 0.026), pixel), trim)
    sky = np.clip(0.6 + 0.3 * np.sin(55 * x) + (QUAY - 0.03 - y) * 14, 0, 1)
    glass = ramp(sky, (0, "241f22"), (0.7, "6d5a44"), (1, "e0b070"))
    lay(part, cover(box(x - shop, y - QUAY + 0.030, reach - 0.004, 0.022), pixel), glass)
    bars = np.abs(np.mod((x - shop) * 60 + 0.5, 1) - 0.5) / 60 - 0.0010
    lay(part, cover(np.maximum(bars, box(x - shop, y - QUAY + 0.03, reach, 0.022)), pixel), trim)
    drop = (y - QUAY + 0.070) / 0.022
    hem = np.maximum(-drop, drop - 1 - 0.12 * np.abs(np.sin(300 * x))) * 0.022
    awning = np.maximum(np.abs(x - shop) - reach - 0.003 - 0.008 * drop, hem)
    stripes = np.sin((x - shop) * 2 * np.pi * 62 / (1 + 0.1 * drop)) > 0
    dye = color(("c23b32", "2f6f8f", "2f7a4f", "c98a2a")[int(4 * draw[2])])
    cloth = np.where(stripes[..., None], dye, color("f6efe2"))
    lay(part, cover(awning, pixel), cloth * (1.05 - 0.25 * np.clip(drop, 0, 1))[..., None])


def _quay(image: Array, x: Array, y: Array, stain: Array, fine: Array) -> None:
    """The street, its stone edge and the wall down to the water."""
    street = color("b9aa94") * (1 + 0.05 * stain + 0.05 * fine)[..., None]
    lay(image, smooth(QUAY - 0.0005, QUAY + 0.0005, y), street)
    edge = QUAY + 0.011
    course = np.floor((y - edge) * 75)
    joint = np.minimum(np.abs(np.mod(x * 26 + 0.5 * np.mod(course, 2), 1) - 0.5) / 26, 9)
    joint = np.minimum(0.5 / 26 - joint, np.abs(np.mod((y - edge) * 75 + 0.5, 1) - 0.5) / 75)
    stone = np.floor(x * 26 + 0.5 * np.mod(course, 2))
    tone = 0.5 + 0.16 * stain + 0.14 * fine + 0.18 * np.sin(12.9 * stone + 7 * course)
    wall = ramp(tone - 9 * (y - edge), (-0.2, "2d3230"), (0.3, "6a6459"), (0.7, "958a79"), (1.1, "b7aa95"))
    wall = mix(color("35322e"), wall, smooth(0.0004, 0.0018, joint))
    lay(image, smooth(edge - 0.0005, edge + 0.0005, y), wall)
    lay(image, smooth(0.0025, 0.0015, np.abs(y - edge)), color("d8ccb6") * (1 + 0.05 * fine)[..., None])
    lay(image, 0.8 * smooth(0.010, 0.0, LEVEL - y), color("20302a"))


def _boats(image: Array) -> None:
    """Three boats along the quay and lamps behind them."""
    pen = Pen(image)
    for px in (0.09, 0.36, 0.63, 0.90):
        pen.stroke((px, QUAY + 0.006), (px, QUAY - 0.085), 0.0020, 0.0014, color("23282a"))
        pen.stroke((px, QUAY - 0.085), (px, QUAY - 0.096), 0.0035, 0.0050, color("f6e7b0"))
        pen.stroke((px, QUAY - 0.099), (px, QUAY - 0.104), 0.0055, 0.0008, color("23282a"))
    _boat(pen, 0.20, 0.125, ("25405f", "e9e2d2"), 0.36)
    _boat(pen, 0.52, 0.100, ("f1ece0", "b5382e"), 0.27)
    _boat(pen, 0.81, 0.135, ("7c2f2a", "f0dcae"), 0.40)


def _boat(pen: Pen, px: float, long: float, codes: tuple[str, str], mast: float) -> None:
    """A hull with a cabin, mast, boom and furled sail, rigging."""
    found = pen.window([px - long, px + long], [LEVEL - 0.10, LEVEL + 0.002])
    if not found:
        return
    window, x, y = found
    part, pixel = pen.image[window], 1 / pen.side
    u = (x - px) / long
    sheer = LEVEL - 0.040 - 0.016 * u * u - 0.012 * u
    ends = (np.abs(u) - 0.97 + 2.2 * np.clip(y - sheer, 0, 1)) * long
    hull = np.maximum(np.maximum(sheer - y, y - LEVEL - 0.001), ends)
    cabin = box(x - px + 0.18 * long, y - LEVEL + 0.058, 0.36 * long, 0.014, 0.004)
    lay(part, cover(cabin, pixel), color("e6d9bf") * (1.05 - 9 * np.clip(y - LEVEL + 0.07, 0, 1))[..., None])
    ports = np.maximum(np.abs(np.mod((x - px) * 55, 1) - 0.5) / 55 - 0.0045, np.abs(y - LEVEL + 0.059) - 0.0045)
    lay(part, cover(np.maximum(ports, cabin + 0.004), pixel), color("2b3a44"))
    shade = 1.12 - 10 * np.clip(y - sheer, 0, 1) + 0.12 * np.cos(2.2 * u)
    lay(part, cover(hull, pixel), color(codes[0]) * shade[..., None])
    lay(part, cover(np.maximum(np.abs(y - sheer - 0.0075) - 0.0028, hull), pixel), color(codes[1]))
    lay(part, cover(np.maximum(np.abs(y - sheer) - 0.0018, np.abs(u) - 0.98), pixel), color("8a5a35"))
    foot = (px + 0.10 * long, LEVEL - 0.045)
    head = (foot[0] + 0.002, LEVEL - mast)
    pen.stroke(foot, head, 0.0030, 0.0016, color("8f6a45"))
    pen.stroke((foot[0] - 0.0012, foot[1]), (head[0] - 0.0008, head[1]), 0.0010, 0.0006, color("d7b98c"))
    boom = (px - 0.75 * long, LEVEL - 0.088)
    pen.stroke((foot[0], LEVEL - 0.090), boom, 0.0018, 0.0014, color("7a5a3c"))
    pen.stroke((foot[0] - 0.004, LEVEL - 0.0955), (boom[0] + 0.02, boom[1] - 0.004), 0.0062, 0.0036, color("efe8d8"))
    pen.stroke((foot[0] - 0.004, LEVEL - 0.0925), (boom[0] + 0.02, boom[1] - 0.002), 0.0030, 0.0020, color("b9ad98"))
    for end in ((px + 0.96 * long, LEVEL - 0.062), (px - 0.94 * long, LEVEL - 0.045), (px + 0.3 * long, LEVEL - 0.045)):
        pen.stroke(head, end, 0.0006, 0.0006, color("3a3330"))
