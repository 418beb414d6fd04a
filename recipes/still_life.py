"""Fruit on a table by a window: spheres and their like, found by marching rays to their surfaces."""

import numpy as np
from canvas import SIZE, Array, color, fractal, mix, ramp, reduce, sample, smooth, uniform

Points = tuple[Array, Array, Array]

SCALE = 3
EYE = np.array([0.15, 2.05, 5.6])
LOOK = np.array([0.0, 0.55, 0.0])
LENS = 1.74
WINDOW = np.array([-0.66, 0.62, 0.43]) / np.linalg.norm([-0.66, 0.62, 0.43])
FAR = 30.0

# Where each piece stands: x, z, size, turn.
APPLES = ((0.62, 1.08, 0.36, 0.4), (1.20, 0.45, 0.37, 2.0), (-0.30, 0.02, 0.37, 1.1), (0.34, -0.12, 0.35, 4.0))
LEMONS = ((-0.95, 1.10, 0.25, 0.5), (-0.02, 0.42, 0.27, 2.3))
BOWL = (0.05, 0.02, 0.86)


def _apple(q: Array, y: Array, size: float) -> Array:
    """A circle turned about an axis that cuts it: round, with a dimple above and below."""
    a = 0.40 * size
    narrow = 1 + 0.16 * np.clip(-y / size, -0.4, 1)
    distance: Array = np.hypot(q * narrow - a, y * 1.04) - 0.62 * size
    return distance * 0.85


def _union(first: Array, second: Array, soft: float) -> Array:
    """The nearer of two distances, with a rounded crease."""
    h = np.clip(0.5 + 0.5 * (second - first) / soft, 0, 1)
    result: Array = second + (first - second) * h - soft * h * (1 - h)
    return result


def _things(p: Points) -> list[Array]:
    """Distances to: apples, pear, lemons, bowl, grapes, stems."""
    x, y, z = p
    apples, stems = np.full(x.shape, 9.0), np.full(x.shape, 9.0)
    for k, (cx, cz, size, turn) in enumerate(APPLES):
        cy = 0.60 * size + (0.58 if k > 1 else 0.0)
        dx, dz = x - cx, z - cz
        lean = 0.18 * (y - cy)
        dx, dz = dx - lean * np.cos(turn), dz - lean * np.sin(turn)
        q = np.hypot(dx, dz)
        apples = np.minimum(apples, _apple(q, y - cy, size))
        t = np.clip((y - cy - 0.2 * size) / (0.62 * size), 0, 1)
        bow = 0.10 * size * t * t
        stems = np.minimum(stems, np.hypot(np.hypot(dx - bow, dz), y - cy - (0.2 + 0.62 * t) * size) - 0.022)
    px, py, pz = x + 1.27, y, z - 0.10
    px = px - 0.16 * (py - 0.3)
    low = np.sqrt(px**2 + (py - 0.42) ** 2 + pz**2) - 0.42
    high = np.sqrt(px**2 + (py - 1.0) ** 2 + pz**2) - 0.19
    pear = _union(low, high, 0.42)
    t = np.clip((py - 1.12) / 0.28, 0, 1)
    stems = np.minimum(stems, np.hypot(np.hypot(px - 0.10 * t * t, pz), py - 1.12 - 0.28 * t) - 0.022)
    lemons = np.full(x.shape, 9.0)
    for k, (cx, cz, size, turn) in enumerate(LEMONS):
        cy = size * 0.93 + (0.66 if k == 1 else 0.0)
        dx, dz = x - cx, z - cz
        u, v = dx * np.cos(turn) + dz * np.sin(turn), dz * np.cos(turn) - dx * np.sin(turn)
        body = (np.sqrt((u / 1.32) ** 2 + (y - cy) ** 2 + v**2) - size) * 0.85
        tip = np.sqrt((np.abs(u) - 1.30 * size) ** 2 + (y - cy) ** 2 + v**2) - 0.20 * size
        lemons = np.minimum(lemons, _union(body, tip, 0.16))
    return [apples, pear, lemons, _bowl(p), _grapes(p), stems]


def _bowl(p: Points) -> Array:
    """A shell of a sphere cut level, on a ring."""
    cx, cz, size = BOWL
    q, y = np.hypot(p[0] - cx, p[2] - cz), p[1] - 0.90
    shell = np.abs(np.hypot(q, y * 1.06) - size) - 0.028
    cut = np.hypot(np.maximum(shell, 0), np.maximum(y + 0.22, 0))
    body = np.where((shell > 0) | (y > -0.22), cut, np.maximum(shell, y + 0.22)) - 0.012
    foot = np.hypot(q - 0.36, np.maximum(np.abs(p[1] - 0.05) - 0.05, 0)) - 0.035
    result: Array = _union(body, foot, 0.06)
    return result


def _grapes(p: Points) -> Array:
    """A bunch on the table and over the rim."""
    nearest = np.full(p[0].shape, 9.0)
    for gx, gy, gz, size in GRAPES:
        nearest = np.minimum(nearest, np.sqrt((p[0] - gx) ** 2 + (p[1] - gy) ** 2 + (p[2] - gz) ** 2) - size)
    return nearest


def _bunch() -> Array:
    """Middles and radii of the grapes: a heap in front of the bowl."""
    draw = uniform((36, 4), 1, "grapes")
    rows = []
    for k in range(36):
        layer = 0 if k < 19 else (1 if k < 31 else 2)
        spread = (0.40, 0.27, 0.12)[layer]
        angle = 2.4 * k + draw[k, 0]
        r = spread * np.sqrt((k - (0, 19, 31)[layer] + 0.5) / (19, 12, 5)[layer])
        place = (-0.18 + 1.25 * r * np.cos(angle), 0.11 + 0.15 * layer, 1.30 + 0.75 * r * np.sin(angle))
        rows.append([*place, 0.108 + 0.018 * draw[k, 1]])
    return np.array(rows)


GRAPES = _bunch()


def _distance(p: Points) -> Array:
    """Distance to the nearest thing on the table."""
    result: Array = np.minimum.reduce(_things(p))
    return result


def _march(origin: Points, way: Points, steps: int) -> Array:
    """Length of each ray to what it meets, FAR if nothing."""
    count = len(way[0])
    length = np.zeros(count)
    active = np.arange(count)
    for _ in range(steps):
        t = length[active]
        x, y, z = (o[active] + t * w[active] for o, w in zip(origin, way, strict=True))
        d = _distance((x, y, z))
        length[active] += d
        active = active[(d > 0.0015) & (length[active] < 9.5)]
        if not len(active):
            break
    length[length > 9.0] = FAR
    length[active] = FAR
    return length


def _light(p: Points, n: Points) -> tuple[Array, Array]:
    """Share of the window that each point sees, and how open it lies to the room."""
    lit, t = np.ones(p[0].shape), np.full(p[0].shape, 0.03)
    o = tuple(a + 0.012 * b for a, b in zip(p, n, strict=True))
    for _ in range(22):
        d = _distance((o[0] + t * WINDOW[0], o[1] + t * WINDOW[1], o[2] + t * WINDOW[2]))
        lit = np.minimum(lit, 0.5 + 0.5 * d / (0.11 * t))
        t = t + np.clip(d, 0.03, 0.22)
    lit = np.clip(lit, 0, 1)
    opened = np.ones(p[0].shape)
    for k, h in enumerate((0.05, 0.12, 0.24, 0.42)):
        q = (p[0] + h * n[0], p[1] + h * n[1], p[2] + h * n[2])
        gap = np.minimum(_distance(q), np.abs(q[1]))
        opened -= 0.62 * 0.72**k * np.maximum(h - gap, 0) / h * 0.75
    return lit * lit * (3 - 2 * lit), np.clip(opened, 0.05, 1)


def _normal(p: Points) -> Points:
    """Direction in which the distance grows."""
    e = 0.002
    corners = ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1))
    parts = [np.zeros(p[0].shape) for _ in range(3)]
    for corner in corners:
        d = _distance((p[0] + e * corner[0], p[1] + e * corner[1], p[2] + e * corner[2]))
        for i in range(3):
            parts[i] = parts[i] + corner[i] * d
    size = np.sqrt(parts[0] ** 2 + parts[1] ** 2 + parts[2] ** 2) + 1e-12
    return parts[0] / size, parts[1] / size, parts[2] / size


def still_life(seed: int = 3) -> Array:
    """Apples, a pear, lemons and grapes, in and round a bowl."""
    side = SIZE * SCALE
    axis = (np.arange(side) + 0.5) / side - 0.5
    sx, sy = (g.ravel() for g in np.meshgrid(axis, -axis))
    ahead = (LOOK - EYE) / np.linalg.norm(LOOK - EYE)
    right = np.cross(ahead, [0, 1, 0])
    right /= np.linalg.norm(right)
    up = np.cross(right, ahead)
    rays = LENS * ahead[:, None] + right[:, None] * sx + up[:, None] * sy
    rays /= np.linalg.norm(rays, axis=0)
    way = (rays[0], rays[1], rays[2])
    eye = (np.full(side * side, EYE[0]), np.full(side * side, EYE[1]), np.full(side * side, EYE[2]))
    image = _wall(sx, sy, seed)
    # Only rays that pass the sphere round all things can meet one.
    toward = -(rays * (EYE - LOOK)[:, None]).sum(0)
    miss = ((EYE - LOOK) ** 2).sum() - toward**2
    length = np.full(side * side, FAR)
    near = np.flatnonzero(miss < 2.1**2)
    length[near] = _march((eye[0][near], eye[1][near], eye[2][near]), (way[0][near], way[1][near], way[2][near]), 90)
    flat = np.where(way[1] < -1e-4, -EYE[1] / np.minimum(way[1], -1e-4), FAR)
    flat = np.where(EYE[2] + flat * way[2] > -2.6, flat, FAR)
    for things in (False, True):
        seen = (length < flat) & (length < FAR) if things else (flat <= length) & (flat < FAR)
        chosen = np.flatnonzero(seen)
        t = (length if things else flat)[chosen]
        p = (EYE[0] + t * way[0][chosen], EYE[1] + t * way[1][chosen], EYE[2] + t * way[2][chosen])
        view = (way[0][chosen], way[1][chosen], way[2][chosen])
        image[chosen] = _shade(p, view, things, seed)
    picture = image.reshape(side, side, 3)
    picture = 1 - np.exp(-1.55 * np.clip(picture, 0, None))
    return reduce(np.clip(picture * 1.14, 0, 1) ** (1 / 2.2), SCALE)


def _wall(sx: Array, sy: Array, seed: int) -> Array:
    """A plastered wall, light falling across it, as light values."""
    field = fractal(1024, 1.6, seed, "wall", low=2)
    glow = np.exp(-(((sx + 0.42) / 0.55) ** 2) - ((sy - 0.32) / 0.5) ** 2)
    tone = 0.16 + 0.34 * glow + 0.02 * sample(field, sx + 0.5, sy + 0.5)
    tint: Array = color("8fa39a") ** 2.2 * 1.6 * tone[:, None]
    return tint


def _shade(p: Points, view: Points, things: bool, seed: int) -> Array:
    """Light that comes from the points to the eye."""
    if things:
        n = _normal(p)
        paint, gloss = _paints(p, seed)
    else:
        n = (np.zeros_like(p[0]), np.ones_like(p[0]), np.zeros_like(p[0]))
        paint, gloss = _table(p, seed), np.full(p[0].shape, 0.16)
    lit, opened = _light(p, n)
    facing = n[0] * WINDOW[0] + n[1] * WINDOW[1] + n[2] * WINDOW[2]
    key = np.clip((facing + 0.10) / 1.10, 0, 1) * lit
    sky = 0.5 + 0.5 * n[1]
    room = 0.5 - 0.35 * n[0] + 0.15 * n[2]
    light = key[:, None] * np.array([2.05, 1.90, 1.66])
    light += (opened * (0.12 + 0.22 * sky * room))[:, None] * np.array([0.85, 0.95, 1.1])
    light += (opened * np.clip(-n[1], 0, 1) * 0.30)[:, None] * np.array([0.8, 0.5, 0.28])
    dot = n[0] * view[0] + n[1] * view[1] + n[2] * view[2]
    rx, ry, rz = (view[i] - 2 * dot * n[i] for i in range(3))
    fresnel = 0.04 + 0.96 * (1 - np.clip(-dot, 0, 1)) ** 5
    # The window as seen in the gloss: a soft square with a bar across.
    across = np.array([0.55, 0.0, 0.84])
    ahead = np.clip(rx * WINDOW[0] + ry * WINDOW[1] + rz * WINDOW[2], 1e-3, 1)
    u = (rx * across[0] + rz * across[2]) / ahead - float(WINDOW @ across)
    v = ry / ahead - WINDOW[1]
    pane = (
        smooth(0.34, 0.26, np.abs(u)) * smooth(0.012, 0.03, np.abs(u)) * smooth(0.38, 0.30, np.abs(v)) * (ahead > 0.3)
    )
    shine = (pane * 5.0 * lit + 0.22 * (0.5 + 0.5 * ry) * opened) * fresnel
    result: Array = paint * light + (gloss * shine * 2.2)[:, None]
    return result


def _table(p: Points, seed: int) -> Array:
    """Boards of oak, along x."""
    grain = fractal(1024, 1.1, seed, "grain", low=3, stretch=(9.0, 0.55))
    rings = fractal(1024, 2.0, seed, "rings", low=2, stretch=(5.0, 1.0))
    board = np.floor(p[2] / 0.62 + 0.35)
    u, v = p[0] / 5 + 0.37 * board, p[2] / 5
    tone = 0.5 + 0.14 * sample(grain, u, v) + 0.15 * np.sin(14 * sample(rings, u, v))
    tone = tone + 0.12 * np.sin(2.7 * board)
    paint = ramp(tone, (0, "4a2a16"), (0.4, "7a4a28"), (0.75, "a56d3e"), (1, "c08a54")) ** 2.2
    gap = np.abs(np.mod(p[2] / 0.62 + 0.35, 1) - 0.5)
    result: Array = paint * (1 - 0.75 * smooth(0.485, 0.497, gap))[:, None]
    return result


def _paints(p: Points, seed: int) -> tuple[Array, Array]:
    """Colour, as light values, and gloss of the nearest thing."""
    which = np.argmin(_things(p), 0)
    x, y, z = p
    field = fractal(1024, 1.4, seed, "skin", low=2)
    fine = fractal(1024, 0.8, seed, "freckles", low=60)
    speck = sample(field, 0.31 * x + 0.17 * z, 0.29 * y + 0.05 * z)
    freckle = sample(fine, 0.5 * x + 0.21 * z, 0.5 * y - 0.13 * z)
    middle = np.argmin([np.hypot(x - a[0], z - a[1]) for a in APPLES], 0)
    cx, cz, turn = (np.array([a[i] for a in APPLES])[middle] for i in (0, 1, 3))
    angle = np.arctan2(z - cz, x - cx)
    streak = np.sin(23 * angle + 2.5 * speck) * 0.5 + np.sin(41 * angle + 3 * freckle) * 0.35
    blush = 0.62 + 0.42 * np.sin(angle + turn * 2) + 0.12 * streak + 0.16 * speck
    red = ramp(blush, (0.0, "cdbf4a"), (0.25, "dca23a"), (0.5, "cf4a26"), (0.8, "b01c20"), (1.1, "7d0f1c"))
    red = mix(red, color("f0d79a"), 0.45 * smooth(1.9, 2.4, freckle))
    green = ramp(0.5 + 0.3 * speck + 0.1 * streak, (0, "7f9a2a"), (0.6, "a5b83e"), (1, "d2c650"))
    apple = np.where((middle == 3)[:, None], green, red)
    ripe = 0.5 + 0.28 * speck - 0.35 * (x + 1.27)
    pear = ramp(ripe, (0, "a8a43a"), (0.5, "ccb64a"), (0.85, "d99a45"), (1.1, "c46f3a"))
    pear = mix(pear, color("6f5a28"), 0.5 * smooth(1.5, 2.3, freckle))
    lemon = ramp(0.5 + 0.2 * speck + 0.12 * freckle, (0, "dba514"), (0.5, "f3c822"), (1, "f8dd55"))
    bowl = _glaze(p)
    grape = ramp(0.5 + 0.35 * speck, (0, "26123a"), (0.5, "44204f"), (1, "6f3a63"))
    grape = mix(grape, color("a79ab8"), 0.18 * smooth(-0.3, 1.2, freckle))
    stem = np.broadcast_to(color("4a3320"), apple.shape)
    paints = np.stack([apple, pear, lemon, bowl, grape, stem])
    gloss = np.array([0.9, 0.55, 0.6, 1.25, 0.75, 0.1])[which]
    return paints[which, np.arange(len(which))] ** 2.2, gloss


def _glaze(p: Points) -> Array:
    """White glaze with blue rings and leaves."""
    angle = np.arctan2(p[2] - BOWL[1], p[0] - BOWL[0])
    y = p[1]
    rings = sum(smooth(0.011, 0.005, np.abs(y - level)) for level in (0.615, 0.30, 0.20))
    leaf = np.abs(np.mod(angle * 9 / np.pi, 1) - 0.5) * 2
    v = (y - 0.455) / 0.12
    leaves = smooth(0.08, 0.0, leaf - 0.75 * np.sqrt(np.clip(1 - v * v, 0, 1))) * (np.abs(v) < 1)
    vein = smooth(0.05, 0.10, np.abs(leaf - 0.02))
    share = np.clip(rings + leaves * vein, 0, 1)
    return mix(np.broadcast_to(color("eee9dd"), (len(y), 3)), color("27468f"), 0.9 * share)
