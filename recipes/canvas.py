"""What every procedural picture is drawn with: noise, colour ramps, coverage, blur, relief, reduction.

A picture is an array H×W×3 of sRGB values in [0, 1], drawn ``SCALE`` times too large and reduced at the
end. All numbers are double, so that the last bit of another processor's sine does not reach the 8-bit file.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from lit_nst.functional.random import generator

Array = NDArray[np.float64]

SIZE = 256
SCALE = 4


def uniform(shape: tuple[int, ...], *key: int | str) -> Array:
    """Uniform numbers in [0, 1) of one key."""
    return torch.rand(shape, generator=generator(*key), dtype=torch.float64).numpy()


def normal(shape: tuple[int, ...], *key: int | str) -> Array:
    """Standard normal numbers of one key."""
    return torch.randn(shape, generator=generator(*key), dtype=torch.float64).numpy()


def grid(side: int) -> tuple[Array, Array]:
    """Pixel centres x, y in [0, 1], y downwards."""
    axis = (np.arange(side) + 0.5) / side
    x, y = np.meshgrid(axis, axis)
    return x, y


def fractal(
    side: int, slope: float, *key: int | str, low: float = 1.0, high: float = 1e9, stretch: tuple[float, float] = (1, 1)
) -> Array:
    """Noise with an amplitude spectrum of 1/fˢˡᵒᵖᵉ, periodic, of mean 0 and variance 1.

    Args:
        side: Side of the result.
        slope: Steepness of the spectrum: 1 is rough, 2 is smooth.
        key: Key of the random numbers.
        low: Waves per picture below which nothing is left.
        high: Waves per picture above which nothing is left.
        stretch: How far the features are drawn out along x and y.
    """
    fy = np.fft.fftfreq(side)[:, None] * side * stretch[1]
    fx = np.fft.rfftfreq(side)[None] * side * stretch[0]
    frequency = np.hypot(fx, fy)
    kept = (frequency >= low) & (frequency <= high)
    gain = np.where(kept, np.maximum(frequency, 1e-9), 1.0) ** -slope * kept
    field = np.fft.irfft2(np.fft.rfft2(normal((side, side), *key)) * gain, s=(side, side))
    result: Array = (field - field.mean()) / field.std()
    return result


def sample(field: Array, x: Array, y: Array) -> Array:
    """Bilinear look-up in a periodic field (H×W or H×W×C) at coordinates in units of the picture."""
    height, width = field.shape[:2]
    u, v = x * width - 0.5, y * height - 0.5
    left, top = np.floor(u).astype(int), np.floor(v).astype(int)
    a, b = u - left, v - top
    if field.ndim == 3:
        a, b = a[..., None], b[..., None]
    x0, x1, y0, y1 = left % width, (left + 1) % width, top % height, (top + 1) % height
    upper = field[y0, x0] * (1 - a) + field[y0, x1] * a
    lower = field[y1, x0] * (1 - a) + field[y1, x1] * a
    result: Array = upper * (1 - b) + lower * b
    return result


def blur(field: Array, sigma: float) -> Array:
    """Gaussian blur of standard deviation ``sigma`` pixels, mirrored at the border."""
    reach = max(1, int(3.5 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        pad = [(0, 0)] * field.ndim
        pad[axis] = (reach, reach)
        wide = np.pad(field, pad, mode="symmetric")
        length = wide.shape[axis]
        shape = [1] * field.ndim
        shape[axis] = -1
        gain = np.fft.rfft(kernel, length).reshape(shape)
        full = np.fft.irfft(np.fft.rfft(wide, axis=axis) * gain, n=length, axis=axis)
        field = np.take(full, np.arange(2 * reach, length), axis=axis)
    return field


def smooth(low: float, high: float, value: Array) -> Array:
    """Smoothstep from 0 at ``low`` to 1 at ``high``; ``low`` may be the larger one."""
    t = np.clip((value - low) / (high - low), 0, 1)
    result: Array = t * t * (3 - 2 * t)
    return result


def color(code: str) -> Array:
    """RGB in [0, 1] of a hexadecimal colour.

    >>> color("ff0080").round(2).tolist()
    [1.0, 0.0, 0.5]
    """
    return np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)]) / 255


def ramp(value: Array, *stops: tuple[float, str]) -> Array:
    """Colours along a ramp of (position, hexadecimal colour); adds an axis of 3."""
    places = [place for place, _ in stops]
    colors = np.stack([color(code) for _, code in stops])
    return np.stack([np.interp(value, places, colors[:, i]) for i in range(3)], -1)


def mix(first: Array, second: Array, share: Array | float) -> Array:
    """Blend of two colours or pictures; ``share`` has no channel axis."""
    result: Array = first + (second - first) * np.asarray(share)[..., None]
    return result


def lay(image: Array, alpha: Array | float, paint: Array) -> None:
    """Lays a colour or a picture over ``image`` where ``alpha`` says, in place."""
    image += np.asarray(alpha)[..., None] * (paint - image)


def cover(distance: Array, pixel: float) -> Array:
    """Coverage of a shape by its signed distance: a ramp one pixel wide."""
    result: Array = np.clip(0.5 - distance / pixel, 0, 1)
    return result


def capsule(x: Array, y: Array, a: tuple[float, float], b: tuple[float, float], ra: float, rb: float) -> Array:
    """Distance to a segment whose radius goes from ``ra`` to ``rb``."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    t = np.clip(((x - a[0]) * dx + (y - a[1]) * dy) / max(dx * dx + dy * dy, 1e-12), 0, 1)
    result: Array = np.hypot(x - a[0] - t * dx, y - a[1] - t * dy) - (ra + (rb - ra) * t)
    return result


def box(x: Array, y: Array, rx: float, ry: float, corner: float = 0.0) -> Array:
    """Distance to a rounded box at the origin."""
    dx, dy = np.abs(x) - rx + corner, np.abs(y) - ry + corner
    result: Array = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) + np.minimum(np.maximum(dx, dy), 0) - corner
    return result


def polygon(x: Array, y: Array, corners: list[tuple[float, float]]) -> Array:
    """Distance to a convex polygon, corners clockwise as seen (y downwards); exact inside."""
    distance = np.full(np.broadcast(x, y).shape, -1e9)
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        length = float(np.hypot(bx - ax, by - ay))
        distance = np.maximum(distance, ((x - ax) * (by - ay) - (y - ay) * (bx - ax)) / length)
    return distance


def normals(height: Array) -> tuple[Array, Array, Array]:
    """Unit normals of a relief whose height is in pixels."""
    gy, gx = np.gradient(height)
    length = np.sqrt(gx * gx + gy * gy + 1)
    return -gx / length, -gy / length, 1 / length


def relief(height: Array, light: tuple[float, float, float] = (-0.5, -0.6, 0.62)) -> tuple[Array, Array]:
    """Diffuse light (1 on the flat) and gloss of a relief whose height is in pixels."""
    x, y, z = normals(height)
    size = float(np.sqrt(sum(part * part for part in light)))
    lx, ly, lz = (part / size for part in light)
    diffuse = np.maximum(x * lx + y * ly + z * lz, 0) / lz
    hx, hy, hz = lx, ly, lz + 1
    half = float(np.sqrt(hx * hx + hy * hy + hz * hz))
    gloss = np.maximum((x * hx + y * hy + z * hz) / half, 0)
    return diffuse, gloss


def reduce(image: Array, scale: int = SCALE) -> Array:
    """Means over squares of ``scale`` pixels, taken of light, not of its sRGB code."""
    light = np.clip(image, 0, 1) ** 2.2
    height, width = image.shape[0] // scale, image.shape[1] // scale
    result: Array = light.reshape(height, scale, width, scale, 3).mean((1, 3)) ** (1 / 2.2)
    return result
