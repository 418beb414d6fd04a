"""Pictures made of pieces: leaded glass, twill of wool, pebbles."""

from dataclasses import dataclass

import numpy as np
from canvas import (
    SCALE,
    SIZE,
    Array,
    blur,
    color,
    fractal,
    grid,
    lay,
    mix,
    normals,
    reduce,
    relief,
    sample,
    smooth,
    uniform,
)
from numpy.typing import NDArray
from strokes import scatter


def _cells(u: Array, v: Array, inside: NDArray[np.bool_], sites: Array) -> tuple[NDArray[np.int64], Array]:
    """Index of the nearest site, and the distance to the border of its Voronoi cell, where ``inside``."""
    own, border, block = np.zeros(u.shape, int), np.zeros(u.shape), 32
    for top in range(0, len(u), block):
        for left in range(0, len(u), block):
            window = (slice(top, top + block), slice(left, left + block))
            if not inside[window].any():
                continue
            place = np.stack([u[window].ravel(), v[window].ravel()], -1)
            middle = place.mean(0)
            reach = np.hypot(*(place - middle).T).max()
            apart = np.hypot(*(sites - middle).T)
            # No other site can be first or second anywhere in the block.
            near = np.flatnonzero(apart <= np.partition(apart, 1)[1] + 2 * reach)
            squares = ((place[:, None] - sites[near]) ** 2).sum(-1)
            order = np.argpartition(squares, 1, axis=1)[:, :2]
            order = np.take_along_axis(order, np.argsort(np.take_along_axis(squares, order, 1), 1), 1)
            pair = np.take_along_axis(squares, order, 1)
            gap = np.hypot(*(sites[near[order[:, 0]]] - sites[near[order[:, 1]]]).T)
            own[window] = near[order[:, 0]].reshape(own[window].shape)
            border[window] = ((pair[:, 1] - pair[:, 0]) / (2 * gap + 1e-9)).reshape(own[window].shape)
    return own, border


@dataclass(frozen=True)
class _Region:
    """Part of the window: outline (negative inside), coordinates its cells are laid out in, count, colours."""

    outline: Array
    u: Array
    v: Array
    count: int
    codes: str


def _regions(x: Array, y: Array) -> tuple[_Region, ...]:
    """Sky, the sun's halo, the sun, far hills, near hills, water: each lies over those before it."""
    # The angle jumps straight below the sun, behind the hills.
    r, turn = np.hypot(x - 0.64, y - 0.33), np.arctan2(0.64 - x, 0.33 - y) / (2 * np.pi)
    far = 0.55 + 0.075 * np.sin(5.2 * x + 0.6) + 0.025 * np.sin(13 * x + 2)
    near = 0.69 + 0.085 * np.sin(4.2 * x + 3.6) + 0.02 * np.sin(11 * x)
    shore = 0.835 + 0.03 * np.sin(6.5 * x + 0.4)
    sky, halo = "7cc7e8 2f86d6 1b4fb0 4a3aa8 8f5bc0 e98fb0 57b6c9", "ffb52e ff8a1f f2612a ffd257 e8433a ff9f45"
    hills = ("1f7a6b 2d9c7a 186a8a 3b6fb5 5a4fa3", "8fbf3a 4f9e3c 2c7d3f c9d64a e0b93a 177245")
    return (
        _Region(r - 3.0, 0.42 * np.log(r + 0.05), 1.5 * turn, 520, sky),
        _Region(r - 0.27, 0.5 * np.log(r + 0.04), 1.6 * turn, 380, halo),
        _Region(r - 0.115, x, y, 330, "fff0a0 ffe05c ffcf33 fff6c4"),
        _Region(far - y, x, 1.6 * (y - far), 240, hills[0]),
        _Region(near - y, x, 1.4 * (y - near), 230, hills[1]),
        _Region(shore - y, 0.55 * x, 1.7 * (y - shore), 260, "1d5fbf 2f8fe0 6fd0ea 133a8c f6b04a a8e6ef"),
    )


def mosaic(seed: int = 5) -> Array:
    """Leaded glass: a sun over hills and water."""
    side = SIZE * SCALE
    x, y = grid(side)
    image, edge, tilt = np.zeros((side, side, 3)), np.full((side, side), 1e9), np.zeros((side, side))
    for k, region in enumerate(_regions(x, y)):
        inside, u, v = region.outline < 0, region.u, region.v
        low, high = np.array([u.min(), v.min()]), np.array([u.max(), v.max()])
        own, border = _cells(u, v, inside, low + (high - low) * scatter(region.count, seed, "sites", k, margin=0.0))
        # From the units of the region's coordinates to those of the picture.
        (uy, ux), (vy, vx) = np.gradient(u), np.gradient(v)
        border = border / (np.sqrt(np.abs(ux * vy - uy * vx)) * side + 1e-9)
        rim = region.outline / (np.hypot(*np.gradient(region.outline)) * side + 1e-9)
        edge = np.where(inside, np.minimum(border, -rim), np.minimum(edge, rim))
        pick = uniform((region.count, 4), seed, "pick", k)
        palette = np.stack([color(code) for code in region.codes.split()])
        colors = palette[(pick[:, 0] * len(palette)).astype(int)] * (0.78 + 0.4 * pick[:, 1:2])
        image = np.where(inside[..., None], np.clip(colors, 0, 1)[own], image)
        way = 2 * np.pi * pick[own, 2]
        slant = 9 * (np.cos(way) * (x - 0.5) + np.sin(way) * (y - 0.5)) + 2 * np.pi * pick[own, 3]
        tilt = np.where(inside, np.sin(slant), tilt)
    return reduce(_leaded(image, edge, tilt, seed))


def _leaded(image: Array, edge: Array, tilt: Array, seed: int) -> Array:
    """Glass of uneven thickness with light behind it, and the lead between the pieces."""
    side = len(image)
    streaks = fractal(side, 1.2, seed, "streaks", low=4, stretch=(2.5, 0.7))
    bubbles = fractal(side, 0.9, seed, "bubbles", low=24)
    thick = 1.0 + 0.10 * streaks + 0.035 * bubbles + 0.13 * tilt
    thick = (thick * (0.62 + 0.38 * smooth(0.0, 0.016, edge)))[..., None]
    glass = np.clip(image, 0.02, 1) ** (1.9 - 0.9 * thick) * (0.72 + 0.3 * thick)
    wide = 0.0052 * (1 + 0.12 * fractal(side, 1.5, seed, "wide", low=3, high=60))
    lead = np.sqrt(np.clip(1 - (edge / wide) ** 2, 0, 1)) * 0.0045 * side
    diffuse, shine = relief(blur(lead, 1.5))
    came = color("17161a") * np.clip(diffuse, 0.2, 1.9)[..., None] + 0.35 * (shine**24)[..., None]
    glow = blur(glass, 0.012 * side)
    result: Array = np.where((edge < wide)[..., None], came + 0.06 * glow, glass + 0.22 * glow * glow)
    return result


SETT = (
    ("8a1622", 8), ("17294a", 2), ("8a1622", 2), ("17294a", 6), ("10523f", 6), ("efe3c6", 2),
    ("10523f", 6), ("17294a", 6), ("e0a52c", 2), ("8a1622", 6),
)  # fmt: skip


def weave(seed: int = 2) -> Array:
    """Tartan: a twill of wool, two over and two under, with plied yarn and loose fibres."""
    side, pitch = SIZE * SCALE, 5.6 * SCALE
    x, y = grid(side)
    bend = 2.4 * SCALE
    px = x * side + bend * 0.5 * fractal(side, 2.0, seed, "bend x", high=14)
    py = y * side + bend * 0.5 * fractal(side, 2.0, seed, "bend y", high=14)
    i, j = np.floor(px / pitch), np.floor(py / pitch)
    over = np.mod(i + j, 4) < 2
    # Place in the repeat along the thread on top: 0 to 1 over the float of two crossings.
    u, v = px / pitch - i - 0.5, py / pitch - j - 0.5
    along = np.where(over, (np.mod(px / pitch + j, 4)) / 2, np.mod(np.mod(py / pitch + i, 4) - 2, 4) / 2)
    across = np.where(over, v, u)
    thread = np.where(over, j, i).astype(int)
    arch = np.sin(np.pi * np.clip(along, 0, 1))
    fat = 0.50 + 0.04 * sample(fractal(256, 1.0, seed, "slubs"), x, y)
    body = np.sqrt(np.clip(1 - (across / fat) ** 2, 0, 1))
    height = pitch * 0.42 * body * (0.35 + 0.65 * arch**0.6)
    twist = np.where(over, 1.0, -1.0) * across * 2.2 + along * 3.1
    plies = np.abs(np.sin(np.pi * (twist + 0.13 * thread)))
    fuzz = fractal(side, 0.5, seed, "fuzz", low=60)
    hairs = _hairs(side, seed)
    height = height + pitch * 0.10 * plies + 0.35 * fuzz + 1.6 * hairs
    codes = np.concatenate([[k] * count for k, (_, count) in enumerate(SETT)])
    palette = np.stack([color(code) for code, _ in SETT])
    paint = palette[codes[np.mod(thread + np.where(over, 5, 0), len(codes))]]
    light = 0.9 + 0.16 * (uniform((4096,), seed, "dye")[np.mod(thread + 2048 * over, 4096)] - 0.5)
    diffuse, shine = relief(blur(height, 0.9), (-0.5, -0.65, 0.75))
    hollow = 0.35 + 0.65 * smooth(0.0, 0.62, body * (0.3 + 0.7 * arch))
    heather = 1 + 0.07 * fuzz + 0.12 * (plies - 0.6)
    paint = paint * (light * heather * hollow)[..., None] * 1.28 + 0.02
    image = paint * (0.35 + 0.65 * np.clip(diffuse, 0, 1.9))[..., None] + 0.05 * (shine**6 * hollow)[..., None]
    image = mix(image, image * 0.6 + 0.4 * np.array([0.86, 0.82, 0.76]), 0.38 * hairs)
    return reduce(image)


def _hairs(side: int, seed: int) -> Array:
    """Loose fibres: thin curls, 0 to 1."""
    field = np.zeros((side, side))
    count, steps = 1500, 160
    start = uniform((count, 4), seed, "hairs")
    angle = 2 * np.pi * start[:, 2]
    px, py = start[:, 0] * side, start[:, 1] * side
    bend = 0.035 * (start[:, 3] - 0.5)
    for _ in range(steps):
        px, py, angle = px + 0.8 * np.cos(angle), py + 0.8 * np.sin(angle), angle + bend
        field[py.astype(int) % side, px.astype(int) % side] = 1
    return np.clip(1.6 * blur(field, 0.8), 0, 1)


STONES = (
    "8d9299", "5d646c", "b9b4a8", "d8d0bf", "a77b5c", "7d5a48",
    "6f7f86", "c9a27c", "3f444b", "94645a", "e6e0d2", "7f8c74",
)  # fmt: skip


def pebbles(seed: int = 8) -> Array:
    """Wet stones of a beach, small ones below, large ones on top."""
    side = SIZE * SCALE
    image = np.broadcast_to(color("2a2622"), (side, side, 3)).copy()
    image *= 1 + 0.25 * fractal(side, 0.8, seed, "sand")[..., None]
    grain = fractal(side, 0.7, seed, "grain", low=30)
    patch = fractal(side, 1.5, seed, "patch", low=3)
    warp = np.stack([fractal(side, 2.1, seed, "warp", k, low=2, high=24) for k in range(2)], -1)
    palette = np.stack([color(code) for code in STONES])
    for layer, (count, low, high) in enumerate(((2600, 3.0, 5.5), (700, 6.0, 10.0), (130, 11.0, 17.0))):
        at = scatter(count, seed, "at", layer)
        draw = uniform((count, 8), seed, "draw", layer)
        for k in range(count):
            radius = SCALE * (low + (high - low) * draw[k, 0] ** 1.6)
            paint = palette[int(draw[k, 1] * len(palette))] * (0.85 + 0.3 * draw[k, 2])
            _stone(image, at[k] * side, radius, paint, draw[k], (grain, patch, warp))
    return reduce(image)


def _stone(
    image: Array, at: Array, radius: float, paint: Array, draw: Array, fields: tuple[Array, Array, Array]
) -> None:
    """Paints one stone and its shadow."""
    side = len(image)
    reach = int(1.7 * radius) + 2
    cx, cy = int(at[0]), int(at[1])
    x0, x1, y0, y1 = max(cx - reach, 0), min(cx + reach, side), max(cy - reach, 0), min(cy + reach, side)
    if min(x1 - x0, y1 - y0) < 3:
        return
    window = image[y0:y1, x0:x1]
    py, px = np.mgrid[y0:y1, x0:x1].astype(float)
    grain, patch, warp = fields
    # Each stone sees the noise from elsewhere, so that neighbours do not share veins.
    shift = (int(draw[3] * side), int(draw[4] * side))
    rows, columns = (np.arange(y0, y1) + shift[0]) % side, (np.arange(x0, x1) + shift[1]) % side
    local = np.ix_(rows, columns)
    bend = warp[local] * 0.085 * radius
    dx, dy = px - at[0] + bend[..., 0], py - at[1] + bend[..., 1]
    angle, squash = np.pi * draw[5], 0.66 + 0.3 * draw[6]
    u = (dx * np.cos(angle) + dy * np.sin(angle)) / radius
    v = (dy * np.cos(angle) - dx * np.sin(angle)) / (radius * squash)
    power = 2.0 + 0.7 * draw[7]
    rho = (np.abs(u) ** power + np.abs(v) ** power) ** (1 / power)
    up = np.maximum(np.arange(y1 - y0) - int(0.16 * radius), 0)
    left = np.maximum(np.arange(x1 - x0) - int(0.13 * radius), 0)
    shadow = rho[np.ix_(up, left)]
    window *= 1 - 0.72 * smooth(1.42, 0.9, shadow)[..., None]
    height = radius * 0.62 * np.sqrt(np.clip(1 - rho**2.6, 0, 1)) + 0.2 * grain[local]
    nx, ny, nz = normals(height)
    diffuse = np.clip((-0.48 * nx - 0.58 * ny + 0.66 * nz), 0, 1)
    sky = 0.5 - 0.5 * ny
    veins = np.exp(-((patch[local] - 0.4) ** 2) / 0.004) * (draw[2] > 0.55)
    look = paint * (1 + 0.07 * grain[local] + 0.13 * patch[local])[..., None]
    look = mix(look, np.array([0.93, 0.91, 0.86]), 0.65 * veins)
    gloss = np.clip(-0.27 * nx - 0.33 * ny + 0.905 * nz, 0, 1) ** 70
    lit = look * (0.12 + 0.95 * diffuse + 0.22 * sky * nz)[..., None] + 0.42 * gloss[..., None]
    lay(window, np.clip((1 - rho) * radius / 1.5 + 0.5, 0, 1), lit)
