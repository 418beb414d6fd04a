"""What is around a face in a photograph, and beyond the photograph's edge."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def surroundings(image: Tensor, quad: NDArray[np.float64]) -> tuple[Tensor, NDArray[np.float64]]:
    """The part of a picture that a quad needs, continued where it leaves it, and the quad in it.

    Args:
        image: 3×H×W.
        quad: 4×2 of x and y.
    """
    height, width = image.shape[-2:]
    side = math.dist(quad[0], quad[3])
    border = max(round(0.1 * side), 3)
    first = np.floor(quad.min(0)).astype(int) - border
    last = np.ceil(quad.max(0)).astype(int) + border
    start, stop = first.clip(0), np.minimum(last, [width, height])
    region = image[:, start[1] : stop[1], start[0] : stop[0]]
    before, after = start - first, last - stop
    if max(*before, *after) > border - 4:
        least = max(round(0.3 * side), 1)
        before, after = before.clip(least), after.clip(least)
        region = _continued(region, before, after, 0.02 * side)
        start = start - before
    return region, quad - start


def _continued(image: Tensor, before: NDArray[np.int64], after: NDArray[np.int64], sigma: float) -> Tensor:
    """Reflection, blurred and faded to the median colour with the distance from the picture."""
    x, y = (np.arange(before[axis] + image.shape[2 - axis] + after[axis], dtype=np.float32) for axis in (0, 1))
    across, down = (
        np.maximum(1 - t / before[axis], 1 - (len(t) - 1 - t) / after[axis]) for axis, t in enumerate((x, y))
    )
    outside = torch.from_numpy(np.maximum(across[None], down[:, None]).astype(np.float32))
    # One channel at a time: of a face of 4096² pixels they are large.
    return torch.cat([_faded(channel[None], before, after, sigma, outside) for channel in image])


def _faded(
    channel: Tensor, before: NDArray[np.int64], after: NDArray[np.int64], sigma: float, outside: Tensor
) -> Tensor:
    padded = np.pad(channel.numpy(), ((0, 0), (before[1], after[1]), (before[0], after[0])), "reflect")
    result = torch.from_numpy(padded)
    result = torch.lerp(result, _blurred(result, sigma), (3 * outside + 1).clamp(0, 1))
    median = torch.full_like(result, float(np.median(result.numpy())))
    return torch.lerp(result, median, outside.clamp(0, 1))


def _blurred(image: Tensor, sigma: float) -> Tensor:
    """A Gaussian of ±4σ along both axes, with borders reflected, edge pixel included.

    Through the Fourier transform: the kernels are hundreds of pixels wide.
    """
    radius = int(4 * sigma + 0.5)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(sigma, 1e-6)) ** 2)
    kernel = torch.from_numpy(taps / taps.sum()).float()
    for axis in (1, 2):
        widths = [(radius, radius) if dim == axis else (0, 0) for dim in range(3)]
        line = torch.from_numpy(np.pad(image.numpy(), widths, "symmetric")).movedim(axis, -1)
        spectrum = torch.fft.rfft(line) * torch.fft.rfft(kernel, line.shape[-1])
        image = torch.fft.irfft(spectrum, line.shape[-1])[..., 2 * radius :].movedim(-1, axis)
    return image
