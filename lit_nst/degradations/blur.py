"""Gaussian blur."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from lit_nst.degradations.base import Degradation
from lit_nst.degradations.borders import reflect
from lit_nst.errors import InputError

_WIDEST = 1000  # σ in pixels, as long as the pictures that there are


class GaussianBlur(Degradation):
    """y = k ∗ x with k(i) ∝ exp(−i²/2σ²), |i| ≤ ⌈3σ⌉, along both axes.

    The kernel sums to 1; the borders are reflected without repeating the edge pixel. Linear.

    Args:
        sigma: Standard deviation σ in pixels of the image.

    Raises:
        InputError: A σ that is not positive, or far too large; one whose kernel reaches over a side of the image.

    >>> GaussianBlur(sigma=1.0)(torch.ones(1, 3, 8, 8)).shape
    torch.Size([1, 3, 8, 8])
    """

    kernel: Tensor

    def __init__(self, sigma: float = 2.0) -> None:
        super().__init__()
        if not 0 < sigma <= _WIDEST:
            raise InputError(f"GaussianBlur: sigma is {sigma}; give a positive number of pixels, at most {_WIDEST}")
        self.sigma, self.radius = sigma, max(1, math.ceil(3 * sigma))
        taps = torch.arange(-self.radius, self.radius + 1, dtype=torch.float64)
        kernel = torch.exp(-0.5 * (taps / sigma) ** 2)
        self.register_buffer("kernel", (kernel / kernel.sum()).float(), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """B×3×H×W in [0, 1] → the same shape and range."""
        side = min(image.shape[-2:])
        if self.radius >= side:
            raise InputError(
                f"GaussianBlur: sigma {self.sigma} reaches {self.radius} pixels, the image has {side}; give less"
            )
        # Half precision would round the measurement to fewer levels than its 8 bits.
        with torch.autocast(image.device.type, enabled=False):
            x = image.to(torch.promote_types(image.dtype, torch.float32))
            kernel = self.kernel.to(x.dtype)
            x = F.conv2d(reflect(x, self.radius, -1), kernel.view(1, 1, 1, -1).expand(3, -1, -1, -1), groups=3)
            x = F.conv2d(reflect(x, self.radius, -2), kernel.view(1, 1, -1, 1).expand(3, -1, -1, -1), groups=3)
        return x.to(image.dtype)
