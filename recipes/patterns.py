"""Procedural patterns: a seed in, one picture of a random kind, palette, scale and direction out.

They are what the encoder of ``train_encoder.py`` learns to tell apart, beside photographs; cheap, some
milliseconds each.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Random = np.random.Generator


def draw(seed: int, size: int = 160) -> tuple[Array, str]:
    """One pattern.

    Args:
        seed: Decides everything.
        size: Height and width.

    Returns:
        3×size×size in [0, 1], and the name of its kind.
    """
    random = np.random.default_rng(seed)
    name = list(KINDS)[random.integers(len(KINDS))]
    picture = KINDS[name](random, size)
    shade = 1 + random.uniform(0, 0.25) * unit(noise(random, size, random.uniform(1.5, 2.5)))
    return (picture * shade).clip(0, 1), name


def palette(random: Random, count: int) -> Array:
    """``count``×3 colours around one or two hues, of different lightness."""
    base = random.uniform(0.25, 0.75, (2, 1)) + random.normal(0, 0.2, (2, 3))
    pick = base[random.integers(0, 2, count)]
    light = random.permutation(np.linspace(-0.35, 0.35, count))[:, None] * random.uniform(0.3, 1.2)
    return (pick + light + random.normal(0, 0.08, (count, 3))).clip(0, 1)


def paint(random: Random, field: Array) -> Array:
    """Colours for a field in [0, 1], between 2 to 5 colours of a palette."""
    colours = palette(random, int(random.integers(2, 6)))
    at = field.clip(0, 1) * (len(colours) - 1)
    return np.stack([np.interp(at, np.arange(len(colours)), channel) for channel in colours.T])


def noise(random: Random, size: int, power: float, angle: float = 0.0, stretch: float = 1.0) -> Array:
    """1/f^power noise of mean 0 and deviation 1, longer along ``angle`` by ``stretch``."""
    along, across = _frequencies(size, angle)
    amplitude = np.maximum(np.hypot(along * stretch, across), 1 / size) ** -power
    return _filtered(random, amplitude)


def band(random: Random, size: int, wavelength: float, spread: float, angle: float, stretch: float) -> Array:
    """Noise of one wavelength: blobs, labyrinths or, stretched, ripples."""
    along, across = _frequencies(size, angle)
    radius = np.hypot(along * stretch, across) + 1e-9
    return _filtered(random, np.exp(-(np.log(radius * wavelength) ** 2) / (2 * spread**2)))


def unit(field: Array) -> Array:
    """To [0, 1]."""
    stretched: Array = (field - field.min()) / (np.ptp(field) + 1e-9)
    return stretched


def _frequencies(size: int, angle: float) -> tuple[Array, Array]:
    y, x = np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None]
    return np.cos(angle) * x + np.sin(angle) * y, -np.sin(angle) * x + np.cos(angle) * y


def _filtered(random: Random, amplitude: Array) -> Array:
    field = np.fft.ifft2(np.fft.fft2(random.standard_normal(amplitude.shape)) * amplitude).real
    scaled: Array = (field - field.mean()) / field.std()
    return scaled


def _rotated(random: Random, size: int, bend: float) -> tuple[Array, Array]:
    """Coordinates of the pixels, bent by smooth noise, in a random direction."""
    y, x = np.mgrid[:size, :size].astype(float)
    strength, power = random.uniform(0, bend), random.uniform(1.6, 2.4)
    y, x = y + strength * noise(random, size, power), x + strength * noise(random, size, power)
    angle = random.uniform(0, np.pi)
    return np.cos(angle) * y + np.sin(angle) * x, -np.sin(angle) * y + np.cos(angle) * x


def _hash(row: Array, column: Array) -> Array:
    """A number in [0, 1) for every element of a lattice."""
    key: Array = np.sin(row * 12.9898 + column * 78.233) * 43758.5453 % 1
    return key


def clouds(random: Random, size: int) -> Array:
    """1/f noise, isotropic or grained."""
    field = noise(random, size, random.uniform(0.6, 2.0), random.uniform(0, np.pi), random.uniform(1, 6))
    return paint(random, unit(np.tanh(field * random.uniform(0.5, 2))))


def marble(random: Random, size: int) -> Array:
    """Veins: a wave over bent coordinates."""
    y, _ = _rotated(random, size, 14)
    wave = np.sin(2 * np.pi * y / random.uniform(6, 40))
    return paint(random, 0.5 + 0.5 * np.abs(wave) ** random.uniform(0.2, 1.5) * np.sign(wave))


def labyrinth(random: Random, size: int) -> Array:
    """Thresholded noise of one wavelength: spots, fingerprints, cracks."""
    stretch = random.choice([1.0, 1.0, random.uniform(1, 5)])
    field = band(random, size, random.uniform(4, 24), random.uniform(0.1, 0.4), random.uniform(0, np.pi), stretch)
    if random.random() < 0.3:
        field = 1.5 - 3 * np.abs(field)
    return paint(random, 0.5 + 0.5 * np.tanh(random.uniform(1, 8) * (field + random.normal(0, 0.5))))


def stripes(random: Random, size: int) -> Array:
    """Waves of one to three directions, soft or hard."""
    field = np.zeros((size, size))
    for _ in range(random.integers(1, 4)):
        y, _ = _rotated(random, size, 4)
        field += np.clip(np.sin(2 * np.pi * y / random.uniform(3, 24)) * random.uniform(1, 8), -1, 1)
    return paint(random, unit(field))


def weave(random: Random, size: int) -> Array:
    """Threads that go over and under one another."""
    y, x = _rotated(random, size, 2)
    period = random.uniform(5, 18)
    row, column = y / period, x / (period * random.uniform(0.6, 1.6))
    over = (np.floor(row) + np.floor(column)) % 2 < 1
    profile = np.where(over, np.sin(np.pi * (row % 1)), np.sin(np.pi * (column % 1)))
    colours = palette(random, 2)[:, :, None, None]
    fibre = 1 + 0.15 * np.where(over, noise(random, size, 0.5, 0, 6), noise(random, size, 0.5, np.pi / 2, 6))
    return (np.where(over, colours[0], colours[1]) * (0.35 + 0.65 * profile) * fibre).clip(0, 1)


def bricks(random: Random, size: int) -> Array:
    """Rows of blocks with joints, each block of its own shade."""
    y, x = _rotated(random, size, 2)
    high = random.uniform(6, 22)
    wide, joint = high * random.uniform(1, 3), random.uniform(0.04, 0.16)
    row = np.floor(y / high)
    column = x / wide + random.uniform(0, 0.5) * (row % 2)
    inside = (y / high % 1 > joint) & (column % 1 > joint * high / wide)
    rough = noise(random, size, random.uniform(0.5, 1.5)) * random.uniform(0, 0.12)
    block = paint(random, (_hash(row, np.floor(column)) + rough).clip(0, 1))
    return np.where(inside, block, random.uniform(0.1, 0.9)).clip(0, 1)


def cells(random: Random, size: int) -> Array:
    """Voronoi cells: flat, shaded as stones, or with dark borders as stained glass."""
    count, stretch = int(random.integers(25, 400)), random.uniform(0.5, 2)
    y, x = np.mgrid[:size, :size].astype(float)
    y = y + random.uniform(0, 3) * noise(random, size, 2)
    first, second = np.full((size, size), np.inf), np.full((size, size), np.inf)
    owner = np.zeros((size, size), dtype=int)
    for index, (a, b) in enumerate(random.uniform(-10, size + 10, (count, 2))):
        near = np.hypot((y - a) * stretch, x - b)
        owner = np.where(near < first, index, owner)
        second = np.minimum(second, np.maximum(near, first))
        first = np.minimum(first, near)
    colours = palette(random, 6)[random.integers(0, 6, count)] + random.normal(0, 0.05, (count, 3))
    picture = np.moveaxis(colours[owner], -1, 0)
    if random.random() < 0.6:
        picture = picture * np.clip((second - first) / random.uniform(1, 5), random.uniform(0, 0.6), 1)
    if random.random() < 0.5:
        picture = picture * (1.1 - 0.6 * unit(first))
    return picture.clip(0, 1)


def leaves(random: Random, size: int) -> Array:
    """Dead leaves: discs, boxes or slivers that hide one another."""
    y, x = np.mgrid[:size, :size].astype(float)
    picture = np.broadcast_to(palette(random, 1)[0][:, None, None], (3, size, size)).copy()
    colours, shape, exponent = palette(random, 6), int(random.integers(3)), random.uniform(0.5, 2)
    shaded, least = random.random() < 0.5, random.uniform(2, 6)
    for _ in range(int(random.integers(150, 400))):
        radius = least * random.uniform(0.003, 1) ** (-exponent / 3)
        (a, b), turn = random.uniform(0, size, 2), random.uniform(0, np.pi)
        top, left = max(0, int(a - 2 * radius)), max(0, int(b - 2 * radius))
        place = np.s_[top : int(a + 2 * radius) + 2, left : int(b + 2 * radius) + 2]
        v, u = y[place] - a, x[place] - b
        v, u = np.cos(turn) * v + np.sin(turn) * u, -np.sin(turn) * v + np.cos(turn) * u
        size_of = (np.hypot(v, u), np.maximum(np.abs(v), np.abs(u) * 1.5), np.hypot(v * 4, u))[shape]
        colour = (colours[random.integers(6)] + random.normal(0, 0.06, 3))[:, None, None]
        shade = 1 - 0.35 * v / radius if shaded else 1.0
        part = (slice(None), *place)
        picture[part] = np.where(size_of < radius, colour * shade, picture[part])
    return picture.clip(0, 1)


def strokes(random: Random, size: int) -> Array:
    """Brush strokes along a smooth field of directions, with bristles, over one another."""
    flow = random.uniform(0, np.pi) + random.uniform(0, 2.5) * noise(random, size, random.uniform(1.8, 2.6))
    tone, colours = unit(noise(random, size, random.uniform(1, 2))), palette(random, 6)
    length, width = random.uniform(5, 20), random.uniform(1.2, 4)
    jitter, relief = random.uniform(0, 0.12), random.uniform(0, 0.5)
    picture = np.broadcast_to(colours[0][:, None, None], (3, size, size)).copy()
    reach = int(length) + 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(float)
    for _ in range(int(min(2500, 3.0 * size * size / (length * width)))):
        a, b = (int(i) for i in random.integers(0, size, 2))
        angle = flow[a, b] + random.normal(0, 0.15)
        top, left, low, right = max(0, a - reach), max(0, b - reach), min(size, a + reach + 1), min(size, b + reach + 1)
        part = np.s_[top - a + reach : low - a + reach, left - b + reach : right - b + reach]
        v, u = y[part], x[part]
        along, across = np.cos(angle) * u + np.sin(angle) * v, -np.sin(angle) * u + np.cos(angle) * v
        half = width * np.sqrt(np.clip(1 - (along / length) ** 2, 0, 1))
        cover = np.clip(half - np.abs(across) + 0.5, 0, 1)
        pick = colours[min(5, int(tone[a, b] * 6))] + random.normal(0, jitter, 3)
        bristle = 1 + relief * (across / width) * 0.6 + 0.1 * np.sin(across * 2.5 + a)
        place = np.s_[:, top:low, left:right]
        picture[place] += cover * (pick[:, None, None] * bristle - picture[place])
    return picture.clip(0, 1)


def dots(random: Random, size: int) -> Array:
    """Dots on a jittered lattice, of several colours."""
    pitch = random.uniform(4, 16)
    radius = pitch * random.uniform(0.25, 0.55)
    y, x = _rotated(random, size, 2)
    row = np.floor(y / pitch)
    column = np.floor(x / pitch + 0.5 * (row % 2))
    shift = [(_hash(row + k, column) - 0.5) * random.uniform(0, 0.4) for k in (100, 200)]
    v = (y / pitch % 1 - 0.5 + shift[0]) * pitch
    u = ((x / pitch + 0.5 * (row % 2)) % 1 - 0.5 + shift[1]) * pitch
    cover = np.clip(radius - np.hypot(v, u) + 0.5, 0, 1)
    ground = paint(random, unit(noise(random, size, 2)))
    return ground + cover * (paint(random, _hash(row, column)) - ground)


def hatching(random: Random, size: int) -> Array:
    """Ink lines whose width follows a smooth shade, in one or two directions."""
    shade, ink = unit(noise(random, size, random.uniform(1.5, 2.5))), np.zeros((size, size))
    period = random.uniform(3, 9)
    for _ in range(random.integers(1, 3)):
        y, _ = _rotated(random, size, 5)
        wave = 0.5 + 0.5 * np.sin(2 * np.pi * y / period)
        ink = np.maximum(ink, np.clip((wave - shade * 0.9) * random.uniform(3, 8), 0, 1))
    paper, colour = palette(random, 2)
    mixed: Array = paper[:, None, None] + ink * (colour - paper)[:, None, None]
    return mixed


KINDS: dict[str, Callable[[Random, int], Array]] = {
    kind.__name__: kind
    for kind in (clouds, marble, labyrinth, stripes, weave, bricks, cells, leaves, strokes, dots, hatching)
}
# The second-order statistics of these say it all: scrambling their phases gives another one of the same kind.
GAUSSIAN = ("clouds",)
