"""The content pictures: scenes with the structure and soft light of photographs, none of which they are."""

from collections.abc import Callable

import numpy as np
import torch
from bridge import bridge
from canvas import SCALE, SIZE, Array, blur, fractal, grid, lay, reduce, smooth, uniform
from harbour import harbour
from landscapes import mountains
from portraits import NAMES, render
from still_life import still_life

SITTER = {
    "background_hue": 0.35, "background_light": -1.6, "background_tilt": 0.8,
    "x": 0.3, "y": -0.1, "scale": -0.5, "yaw": 0.25, "roll": -0.35,
    "face_width": -0.6, "jaw": 0.5,
    "skin_tone": 0.35, "skin_warmth": 0.6,
    "hair_shade": -0.15, "hair_warmth": 1.9, "hair_length": 1.2, "hair_volume": 0.9, "fringe": 0.4, "parting": -1.1,
    "eye_size": 0.3, "eye_spacing": 0.1, "iris": 1.0, "gaze": -0.2,
    "brow_height": 0.1, "brow_thickness": -0.4,
    "nose_length": 0.2,
    "mouth_width": 0.5, "smile": 0.45, "lips": 0.3,
    "glasses": -1.5,
    "light_side": -1.4,
    "clothes_hue": 1.2, "clothes_light": -0.4,
}  # fmt: skip


def portrait(seed: int = 0) -> Array:
    """A sitter of the portrait renderer, larger, before lights out of focus."""
    side = SIZE * SCALE
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        z = torch.tensor([[SITTER[name] for name in NAMES]])
        drawn = render(z, side)[0].permute(1, 2, 0).numpy()
        # The same sitter before another wall: where the two agree is the sitter.
        z[0, NAMES.index("background_hue")] -= 1.0
        other = render(z, side)[0].permute(1, 2, 0).numpy()
    finally:
        torch.set_default_dtype(default)
    sitter = blur(smooth(0.04, 0.004, np.abs(drawn - other).max(-1)), 1.0)
    drawn = _soften(drawn)
    x, y = grid(side)
    wall = drawn * (1 + 0.05 * fractal(side, 1.8, seed, "wall", low=1))[..., None]
    for cx, cy, size, hue in uniform((34, 4), seed, "lights"):
        disc = smooth(0.0035, -0.0035, np.hypot(x - cx, y - cy) - 0.018 - 0.05 * size)
        tint = 0.62 + 0.38 * np.cos(2 * np.pi * (0.12 * hue + np.array([0.0, 0.10, 0.22])))
        lay(wall, (0.10 + 0.22 * hue) * disc, tint)
    skin = 0.014 * fractal(side, 1.1, seed, "skin", low=24) + 0.012 * fractal(side, 1.9, seed, "tone", low=2)
    weave = 0.02 * np.sin(2 * np.pi * 64 * x) * np.sin(2 * np.pi * 64 * y) * smooth(0.80, 0.90, y)
    strands = fractal(side, 0.9, seed, "strands", low=8, stretch=(0.35, 2.6))
    dark = smooth(0.44, 0.32, drawn.mean(-1))
    person = drawn * (1 + skin + weave + 0.09 * strands * dark)[..., None]
    image = wall + (person - wall) * sitter[..., None]
    corner = np.hypot(x - 0.5, y - 0.47)
    return reduce(image * (1.06 - 0.42 * corner**2)[..., None])


def _soften(image: Array, sigma: float = 3.5 * SCALE, contrast: float = 0.05) -> Array:
    """Smooths edges below ``contrast`` and keeps the others: a guided filter (He, Sun and Tang, 2010).

    The renderer's soft shades are some pixels wide at any size, so they are hard in a large picture.
    """
    mean = blur(image, sigma)
    spread = np.maximum(blur(image * image, sigma) - mean * mean, 0).mean(-1, keepdims=True)
    gain = spread / (spread + contrast**2)
    result: Array = blur(gain, sigma) * image + blur((1 - gain) * mean, sigma)
    return result


SCENES: dict[str, Callable[[], Array]] = {
    "bridge": bridge,
    "harbour": harbour,
    "mountains": mountains,
    "portrait": portrait,
    "still_life": still_life,
}
