"""The filled hole back in its picture."""

import torch
from torch import Tensor
from torch.nn import functional as F

from lit_nst.errors import InputError

_SMOOTHED = 4  # times per scale; the extension nears the membrane over the hole


def paste_back(result: Tensor, measurement: Tensor, hole: Tensor, feather: int = 8) -> Tensor:
    """The known pixels of a measurement, and in its hole the result without a seam.

    Outside the hole y, bit for bit. Inside it x + (1 − α)·E(y − x): the result, its colours moved to those of
    the known pixels where it meets them. E carries the difference inwards, ever smoother with the depth.
    α = 3t² − 2t³ with t = d/feather, at most 1, and d the distance to the nearest known pixel, so the seam
    lies inside the hole. What the measurement holds in the hole, black as a rule, plays no part, and black
    pixels outside it are data.

    E nears the membrane of Pérez, Gangnet & Blake, "Poisson Image Editing", 2003. Departures: a few sweeps per
    scale, not the exact solution; it fades with the depth, so that a wrong colour at the edge does not tint the
    whole hole. The usual feathered paste, α·x + (1 − α)·y, lets the black of the hole through at the seam, or
    replaces known pixels.

    Args:
        result: x, N×3×H×W in [0, 1].
        measurement: y, the same shape.
        hole: N×1×H×W or 1×1×H×W; a hole where True, or above 0.5. No known pixel at all: the result as it is.
        feather: Pixels from the hole's edge to the untouched result; 0: a plain paste.

    Returns:
        N×3×H×W; inside the hole clamped to [0, 1].

    Raises:
        InputError: Shapes that do not go together, or a negative feather.

    >>> hole = torch.tensor([[False, True, True, False]]).view(1, 1, 1, 4)
    >>> paste_back(torch.full((1, 3, 1, 4), 0.2), torch.ones(1, 3, 1, 4) * ~hole, hole, feather=2)[0, 0]
    tensor([[1.0000, 0.6000, 0.6000, 1.0000]])
    """
    _check(result, measurement, hole, feather)
    hole = hole > 0.5
    moved = result
    if feather:
        t = (_distance(hole, feather) / feather).to(result.dtype)
        alpha = 3 * t**2 - 2 * t**3
        moved = result + (1 - alpha) * _extended(measurement - result, ~hole)
    return torch.where(hole, moved.clamp(0, 1), measurement)


def _check(result: Tensor, measurement: Tensor, hole: Tensor, feather: int) -> None:
    if result.dim() != 4 or result.shape[1] != 3 or result.shape != measurement.shape:
        shapes = f"result {tuple(result.shape)} and measurement {tuple(measurement.shape)}"
        raise InputError(f"paste_back: {shapes}; give two equal ones, N×3×H×W")
    if hole.dim() != 4 or hole.shape[0] not in (1, len(result)) or hole.shape[1:] != (1, *result.shape[2:]):
        raise InputError(f"paste_back: hole {tuple(hole.shape)}; give N×1×H×W or 1×1×H×W of the result's size")
    if feather < 0:
        raise InputError(f"paste_back: feather is {feather}; give 0 or more pixels")


def _distance(hole: Tensor, most: int) -> Tensor:
    """Euclidean distance of each pixel to the nearest known one, in pixels, none above ``most``."""
    squared = torch.where(hole, float(most) ** 2, 0.0)
    # A minimum over columns, then over rows, is exact for sums of squares.
    for dim in (-1, -2):
        nearest = squared.clone()
        for step in range(1, min(most, hole.shape[dim])):
            length = hole.shape[dim] - step
            for start, source in ((0, step), (step, 0)):
                part = nearest.narrow(dim, start, length)
                part.copy_(torch.minimum(part, squared.narrow(dim, source, length) + step**2))
        squared = nearest
    return squared.sqrt()


def _extended(values: Tensor, known: Tensor) -> Tensor:
    """Known values carried into the hole, ever smoother with the depth; 0 where nothing is known.

    What is known of each 2×2 pixels has a mean; the picture of the means is filled in the same way, enlarged,
    laid into the hole, and smoothed there.
    """
    values = torch.where(known, values, 0)
    if known.all() or max(values.shape[-2:]) == 1:
        return values
    weight = F.avg_pool2d(known.to(values.dtype), 2, ceil_mode=True)
    means = F.avg_pool2d(values, 2, ceil_mode=True) / weight.clamp_min(1e-6)
    coarse = _extended(means, weight > 0)
    filled = _enlarged(_enlarged(coarse, -1, values.shape[-1]), -2, values.shape[-2])
    for _ in range(_SMOOTHED):
        filled = F.avg_pool2d(torch.where(known, values, filled), 3, stride=1, padding=1, count_include_pad=False)
    return torch.where(known, values, filled)


def _enlarged(x: Tensor, dim: int, length: int) -> Tensor:
    """Linear interpolation along one dimension; PyTorch's own rounds by the number of threads."""
    ratio = x.shape[dim] / length
    at = ((torch.arange(length, device=x.device) + 0.5) * ratio - 0.5).clamp_min(0)
    below = at.floor().long()
    share = (at - below).to(x.dtype).view(-1, *[1] * (-1 - dim))
    above = (below + 1).clamp_max(x.shape[dim] - 1)
    return x.index_select(dim, below) * (1 - share) + x.index_select(dim, above) * share
