"""Lower resolution."""

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from lit_nst.degradations.base import Degradation
from lit_nst.errors import InputError


class Downsample(Degradation):
    """y = (k ∗ x)↓s: the image at 1/s of its sides.

    Linear. ``bicubic`` is the anti-aliased filter of common image programs (a = −1/2, 4·s taps). It
    overshoots [0, 1] by a few percent at sharp edges; nothing is clamped, so that the operator stays
    linear and the measurement of the true image fits exactly.

    Args:
        factor: s, a divisor of both sides.
        filter: ``area`` (mean of s×s pixels) or ``bicubic``.

    Raises:
        InputError: A factor below 1, an unknown filter, or a side that the factor does not divide.

    >>> import torch
    >>> Downsample(factor=4)(torch.rand(1, 3, 16, 8)).shape
    torch.Size([1, 3, 4, 2])
    """

    def __init__(self, factor: int = 4, filter: Literal["area", "bicubic"] = "bicubic") -> None:
        super().__init__()
        if factor < 1:
            raise InputError(f"Downsample: factor is {factor}; give 1 or more")
        if filter not in ("area", "bicubic"):
            raise InputError(f"Downsample: filter is {filter!r}; give 'area' or 'bicubic'")
        self.factor, self.filter = factor, filter

    def forward(self, image: Tensor) -> Tensor:
        """B×3×H×W in [0, 1] → B×3×(H/s)×(W/s)."""
        height, width = image.shape[-2:]
        if height % self.factor or width % self.factor:
            raise InputError(
                f"Downsample: factor {self.factor} does not divide the image's {height}x{width}; give a divisor of both"
            )
        if self.filter == "area":
            return F.avg_pool2d(image, self.factor)
        size = (height // self.factor, width // self.factor)
        return F.interpolate(image, size, mode="bicubic", antialias=True, align_corners=False)
