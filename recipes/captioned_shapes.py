"""Draws the scenes of ``captions.py``: one shape with a surface on a background with a surface, anti-aliased.

All pictures of a chunk are drawn at once, at twice the size, from signed distances and periodic fields; some
thousands take a second on one core.
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from captions import COLORS, Scene
from surfaces import coordinates, surfaces, uniform
from torch import Tensor

SIZE = 32
SCALE = 2
CHUNK = 256


def render(scenes: Sequence[Scene], seed: int, size: int = SIZE) -> Tensor:
    """The pictures, N×3×size×size in [0, 1]; ``seed`` decides what the scenes leave open."""
    random = torch.Generator().manual_seed(seed)
    parts = [scenes[start : start + CHUNK] for start in range(0, len(scenes), CHUNK)]
    return torch.cat([_chunk(part, random, size) for part in parts])


def _chunk(scenes: Sequence[Scene], random: torch.Generator, size: int) -> Tensor:
    x, y = coordinates(size * SCALE)
    cover = _cover(scenes, x, y, random, SCALE * size / 32)
    ground = surfaces([s.ground for s in scenes], x, y, random)
    surface = surfaces([s.surface for s in scenes], x, y, random)
    behind = _toned([s.background for s in scenes], ground, random)
    front = _toned([s.color for s in scenes], surface, random)
    picture = F.avg_pool2d(behind + cover * (front - behind), SCALE)
    return (picture + 0.006 * torch.randn(picture.shape, generator=random)).clamp(0, 1)


def _toned(names: list[str], field: Tensor, random: torch.Generator) -> Tensor:
    """A colour whose lightness follows the field: darker below 0, lighter above."""
    colors = torch.tensor([COLORS[name] for name in names])
    colors = (colors + 0.03 * torch.randn(colors.shape, generator=random)).clamp(0.02, 0.98)[:, :, None, None]
    field = (field * uniform(random, len(names), 0.3, 0.5))[:, None]
    return colors + field.clamp(min=0) * 0.7 * (1 - colors) + field.clamp(max=0) * colors


def _cover(scenes: Sequence[Scene], x: Tensor, y: Tensor, random: torch.Generator, sharp: float) -> Tensor:
    """How much of each pixel the shape covers, N×1×H×W."""
    count = len(scenes)
    big = torch.tensor([scene.size == "big" for scene in scenes])[:, None, None]
    radius = torch.where(big, uniform(random, count, 9.0, 10.5), uniform(random, count, 5.5, 6.5))
    # The shape stays inside: big ones move less.
    reach = (15.3 - radius).clamp(max=8.5)
    horizontal = torch.tensor([{"left": -1.0, "right": 1.0}.get(s.place, 0.0) for s in scenes])[:, None, None]
    vertical = torch.tensor([{"top": -1.0, "bottom": 1.0}.get(s.place, 0.0) for s in scenes])[:, None, None]
    u = x - 16 - horizontal * reach - uniform(random, count, -1, 1)
    v = y - 16 - vertical * reach - uniform(random, count, -1, 1)
    turn = uniform(random, count, -0.15, 0.15)
    u, v = (torch.cos(turn) * u + torch.sin(turn) * v) / radius, (torch.cos(turn) * v - torch.sin(turn) * u) / radius
    distance = torch.empty(count, *x.shape)
    for name, outline in OUTLINES.items():
        rows = [index for index, scene in enumerate(scenes) if scene.shape == name]
        if rows:
            distance[rows] = outline(u[rows], v[rows])
    return (0.5 - distance * radius * sharp).clamp(0, 1)[:, None]


def _circle(u: Tensor, v: Tensor) -> Tensor:
    return torch.hypot(u, v) - 1


def _ring(u: Tensor, v: Tensor) -> Tensor:
    return (torch.hypot(u, v) - 0.76).abs() - 0.24


def _square(u: Tensor, v: Tensor) -> Tensor:
    return torch.maximum(u.abs(), v.abs()) - 0.85


def _triangle(u: Tensor, v: Tensor) -> Tensor:
    slope = math.sqrt(0.75)
    return torch.maximum(slope * u.abs() - 0.5 * (v - 0.15), v - 0.15) - 0.56


def _cross(u: Tensor, v: Tensor) -> Tensor:
    u, v = u.abs(), v.abs()
    return torch.maximum(torch.maximum(u, v) - 1, torch.minimum(u, v) - 0.3)


def _star(u: Tensor, v: Tensor) -> Tensor:
    fold, inner = math.pi / 5, 0.46
    angle = (torch.atan2(u, -v) + fold).remainder(2 * fold) - fold
    radius = torch.hypot(u, v)
    along, across = radius * torch.cos(angle), radius * torch.sin(angle).abs()
    # The edge runs from a tip at 1.1 to a notch at ``inner``.
    dx, dy = inner * math.cos(fold) - 1.1, inner * math.sin(fold)
    return ((along - 1.1) * dy - across * dx) / math.hypot(dx, dy)


OUTLINES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "circle": _circle,
    "ring": _ring,
    "square": _square,
    "triangle": _triangle,
    "cross": _cross,
    "star": _star,
}
