"""Lower resolution."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from lit_nst.degradations.base import Degradation
from lit_nst.errors import InputError
from lit_nst.functional.random import generator

Filter = Literal["area", "bicubic", "unknown"]


class Downsample(Degradation):
    """y = (k ∗ x)↓s: the image at 1/s of its sides.

    Linear. ``bicubic`` is the anti-aliased filter of common image programs (a = −1/2, 4·s taps). It
    overshoots [0, 1] by a few percent at sharp edges; nothing is clamped, so that the operator stays
    linear and the measurement of the true image fits exactly.

    ``unknown`` is the blind case: ``observe`` draws bilinear, bicubic or Lanczos (a = 3) for each row, all
    anti-aliased, while ``forward`` knows the factor alone and takes the mean of s×s pixels. So in
    Poirier-Ginter & Lalonde, "Robust Unsupervised StyleGAN Image Restoration", 2023.

    Args:
        factor: s, a divisor of both sides.
        filter: ``area`` (mean of s×s pixels), ``bicubic`` or ``unknown``.
        seed: Key of the unknown filter, with the row.

    Raises:
        InputError: A factor below 1, an unheard-of filter, or a side that the factor does not divide.

    >>> Downsample(factor=4)(torch.rand(1, 3, 16, 8)).shape
    torch.Size([1, 3, 4, 2])
    """

    def __init__(self, factor: int = 4, filter: Filter = "bicubic", seed: int = 0) -> None:
        super().__init__()
        if factor < 1:
            raise InputError(f"Downsample: factor is {factor}; give 1 or more")
        if filter not in ("area", "bicubic", "unknown"):
            raise InputError(f"Downsample: filter is {filter!r}; give 'area', 'bicubic' or 'unknown'")
        self.factor, self.filter, self.seed = factor, filter, seed

    def forward(self, image: Tensor) -> Tensor:
        """B×3×H×W in [0, 1] → B×3×(H/s)×(W/s)."""
        size = self._size(image)
        if self.filter == "bicubic":
            return F.interpolate(image, size, mode="bicubic", antialias=True, align_corners=False)
        return F.avg_pool2d(image, self.factor)

    def observe(self, image: Tensor, rows: Sequence[int]) -> Tensor:
        """B×3×H×W → B×3×(H/s)×(W/s), by the true filter of each row."""
        if self.filter != "unknown":
            return super().observe(image, rows)
        size = self._size(image)
        return torch.stack([self._shrunk(x, row, size) for x, row in zip(image, rows, strict=True)])

    def _size(self, image: Tensor) -> tuple[int, int]:
        height, width = image.shape[-2:]
        if height % self.factor or width % self.factor:
            raise InputError(
                f"Downsample: factor {self.factor} does not divide the image's {height}x{width}; give a divisor of both"
            )
        return height // self.factor, width // self.factor

    def _shrunk(self, image: Tensor, row: int, size: tuple[int, int]) -> Tensor:
        """One image, 3×H×W, by the filter that its row draws."""
        drawn = int(torch.randint(3, (), generator=generator(self.seed, "downsample-filter", row)))
        if drawn == 2:
            return _lanczos(image, size)
        mode = ("bilinear", "bicubic")[drawn]
        return F.interpolate(image[None], size, mode=mode, antialias=True, align_corners=False)[0]


def _lanczos(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Pillow's filter, channel by channel in floating point, since its 8-bit modes round."""
    channels = image.detach().to("cpu", torch.float32).contiguous().numpy()
    small = [Image.fromarray(channel).resize(size[::-1], Image.Resampling.LANCZOS) for channel in channels]
    return torch.from_numpy(np.stack([np.asarray(channel) for channel in small])).to(image)
