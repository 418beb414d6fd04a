"""Distance of the pictures themselves."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.functional.reduce import row_mean
from lit_nst.losses.base import Loss, Weight

# Halved so often, any picture is one pixel.
MOST = 32


class PixelLoss(Loss):
    """Mean difference of pixels, λ/S·Σₛ ⟨|↓ˢx − ↓ˢt|ᵖ⟩ for s = 0 … S−1.

    ↓ halves the picture by averaging 2×2 pixels; at an odd side the last ones are averaged among
    themselves. The coarse scales weigh colour and brightness of areas against detail.

    Args:
        weight: λ, factor of the term.
        power: p; 2 is the squared, 1 the absolute difference.
        scales: S, number of sizes, the picture's own among them; at most 32.

    Raises:
        InputError: Another power, no scale or too many.
    """

    def __init__(self, weight: Weight = 1.0, power: Literal[1, 2] = 2, scales: int = 1) -> None:
        super().__init__(["image"], weight)
        if power not in (1, 2):
            raise InputError(f"PixelLoss: power is {power}; give 1 or 2")
        if not 1 <= scales <= MOST:
            raise InputError(f"PixelLoss: scales is {scales}; give 1 to {MOST}")
        self.power, self.scales = power, scales

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """Mean over scales, channels and positions, B values."""
        difference = a - b
        total = row_mean(difference.abs() ** self.power)
        for _ in range(self.scales - 1):
            difference = F.avg_pool2d(difference, 2, ceil_mode=True)
            total = total + row_mean(difference.abs() ** self.power)
        return total / self.scales
