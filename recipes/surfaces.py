"""Surfaces of the pictures of the text-to-image model: fields in about [-1, 1] over coordinates in pixels of 32.

Each is drawn for many pictures at once, with its own direction, scale and place in each.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def coordinates(side: int) -> tuple[Tensor, Tensor]:
    """Middles of side×side pixels of a picture that is 32 wide: x and y."""
    middle = (torch.arange(side) + 0.5) * 32 / side
    y, x = torch.meshgrid(middle, middle, indexing="ij")
    return x, y


def uniform(random: torch.Generator, count: int, low: float, high: float) -> Tensor:
    """Numbers between two bounds, N×1×1."""
    return low + (high - low) * torch.rand(count, 1, 1, generator=random)


def surfaces(names: list[str], x: Tensor, y: Tensor, random: torch.Generator) -> Tensor:
    """Fields in [-1, 1], N×H×W."""
    field = torch.zeros(len(names), *x.shape)
    for name, draw in FIELDS.items():
        rows = [index for index, own in enumerate(names) if own == name]
        if rows:
            field[rows] = draw(x, y, len(rows), random)
    return field


def _turned(
    x: Tensor, y: Tensor, count: int, random: torch.Generator, spread: float = math.pi
) -> tuple[Tensor, Tensor]:
    """Coordinates in a random direction from a random origin."""
    turn = uniform(random, count, -spread / 2, spread / 2)
    x, y = x + uniform(random, count, 0, 32), y + uniform(random, count, 0, 32)
    return torch.cos(turn) * x + torch.sin(turn) * y, torch.cos(turn) * y - torch.sin(turn) * x


def _hash(row: Tensor, column: Tensor, salt: float) -> Tensor:
    """A number in [0, 1) for every element of a lattice."""
    return (torch.sin(row * 12.9898 + column * 78.233 + salt) * 4375.85453).remainder(1)


def _noise(count: int, cells: int, shape: tuple[int, ...], random: torch.Generator) -> Tensor:
    """Smooth noise of mean 0 and deviation about 1."""
    coarse = torch.randn(count, 1, cells + 3, cells + 3, generator=random)
    fine = F.interpolate(coarse, scale_factor=-(-shape[-1] // cells), mode="bicubic")[:, 0]
    return fine[:, : shape[-2], : shape[-1]] * 1.3


def _plain(x: Tensor, y: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Nothing."""
    return torch.zeros(count, *x.shape)


def _striped(x: Tensor, y: Tensor, count: int, random: torch.Generator) -> Tensor:
    u, _ = _turned(x, y, count, random)
    return (3 * torch.sin(2 * math.pi * u / uniform(random, count, 4.5, 7.5))).clamp(-1, 1)


def _dotted(x: Tensor, y: Tensor, count: int, random: torch.Generator) -> Tensor:
    u, v = _turned(x, y, count, random, 0.6)
    pitch = uniform(random, count, 5.0, 7.0)
    row = torch.floor(v / pitch)
    distance = torch.hypot((u / pitch + 0.5 * row).remainder(1) - 0.5, (v / pitch).remainder(1) - 0.5) * pitch
    sign = torch.where(uniform(random, count, 0, 1) < 0.5, -1.0, 1.0)
    return sign * (2 * (0.30 * pitch + 0.5 - distance).clamp(0, 1) - 1) * 0.9


def _checkered(x: Tensor, y: Tensor, count: int, random: torch.Generator) -> Tensor:
    u, v = _turned(x, y, count, random, 0.5)
    pitch = uniform(random, count, 7.0, 11.0)
    return (8 * torch.sin(2 * math.pi * u / pitch) * torch.sin(2 * math.pi * v / pitch)).clamp(-1, 1)


def _rough(x: Tensor, y: Tensor, count: int, random: torch.Generator) -> Tensor:
    shape = tuple(x.shape)
    return (0.55 * _noise(count, 16, shape, random) + 0.35 * _noise(count, 8, shape, random)).clamp(-1.3, 1.3)


def _mosaic(x: Tensor, y: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Voronoi cells of a shaken lattice, each of its own tone, with dark joints."""
    u, v = _turned(x, y, count, random, 0.8)
    pitch, salt = uniform(random, count, 4.5, 6.5), uniform(random, count, 0, 6)
    u, v = u / pitch, v / pitch
    column, row = torch.floor(u), torch.floor(v)
    first, second, tone = torch.full_like(u, 9.0), torch.full_like(u, 9.0), torch.zeros_like(u)
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            a, b = row + i, column + j
            du = b + 0.2 + 0.6 * _hash(a, b, 1.0) - u
            dv = a + 0.2 + 0.6 * _hash(a, b, 2.0) - v
            near = torch.hypot(du, dv)
            tone = torch.where(near < first, _hash(a, b, 3.0), tone)
            second = torch.minimum(second, torch.maximum(first, near))
            first = torch.minimum(first, near)
    joint = ((second - first) * pitch / 1.1).clamp(0, 1)
    return (2 * (tone + salt).remainder(1) - 0.8) * joint - 1.0 * (1 - joint)


def _wavy(x: Tensor, y: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Ripples that swing sideways."""
    u, v = _turned(x, y, count, random, 0.8)
    swing = uniform(random, count, 1.5, 3.0) * torch.sin(2 * math.pi * u / uniform(random, count, 10, 18))
    wave = torch.sin(2 * math.pi * (v + swing) / uniform(random, count, 4.5, 8.0))
    return (wave * uniform(random, count, 1.0, 3.0)).clamp(-1, 1)


def _woven(x: Tensor, y: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Threads that go over and under one another."""
    u, v = _turned(x, y, count, random, 1.5)
    pitch = uniform(random, count, 4.0, 6.0)
    u, v = u / pitch, v / pitch
    over = (torch.floor(u) + torch.floor(v)).remainder(2) < 1
    return 1.8 * torch.where(over, torch.sin(math.pi * u).abs(), torch.sin(math.pi * v).abs()) - 1 + 0.4 * over - 0.2


def _hatched(x: Tensor, y: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Lines whose width follows a smooth shade."""
    u, _ = _turned(x, y, count, random)
    wave = torch.sin(2 * math.pi * u / uniform(random, count, 3.5, 5.5))
    return (3 * (wave + 0.6 * _noise(count, 4, tuple(x.shape), random))).clamp(-1, 1)


FIELDS: dict[str, Callable[[Tensor, Tensor, int, torch.Generator], Tensor]] = {
    "plain": _plain,
    "striped": _striped,
    "dotted": _dotted,
    "checkered": _checkered,
    "rough": _rough,
    "mosaic": _mosaic,
    "wavy": _wavy,
    "woven": _woven,
    "hatched": _hatched,
}
