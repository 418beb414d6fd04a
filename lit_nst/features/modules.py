"""What the networks are chains of, besides ReLUs."""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Pooling = Literal["max", "average", "l2"]
Padding = Literal["zero", "replicate", "reflect", "circular"]


class Convolution(nn.Conv2d):
    """A convolution with k×k filters whose weights are set by others."""

    def __init__(
        self, before: int, after: int, size: int, stride: int = 1, padding: int = 0, mode: Padding = "zero"
    ) -> None:
        super().__init__(before, after, size, stride, padding, padding_mode="zeros" if mode == "zero" else mode)

    def reset_parameters(self) -> None:
        """Nothing: the usual start would draw from the global stream, and every weight is set afterwards."""


class Pool(nn.Module):
    """A pooling of stride 2, times a factor.

    ``max``, ``average``, or ``l2``: √(Σ x²) over the window, whose gradient is 0 where all of the window is.

    Args:
        kind: The pooling.
        factor: Of the result, so that weights which were trained with another pooling meet what they know.
        size: 2, or 3 for windows that overlap; these may reach over the right and lower edge, as
            SqueezeNet's do, and what lies outside does not count.
        circular: Windows of 3 stand on even positions and go round the edge.

    >>> Pool("l2")(torch.tensor([[[[3.0, 0.0], [0.0, 4.0]]]])).item()
    5.0
    """

    def __init__(self, kind: Pooling, factor: float = 1.0, size: Literal[2, 3] = 2, circular: bool = False) -> None:
        super().__init__()
        self.kind, self.factor, self.size = kind, factor, size
        self.wraps = circular and size == 3

    def forward(self, x: Tensor) -> Tensor:
        """B×C×h×w → B×C×h/2×w/2, rounded down for windows of 2."""
        if self.wraps:
            x = F.pad(x, (1, 1, 1, 1), mode="circular")
        y = self._pooled(x)
        return y if self.factor == 1 else y * self.factor

    def _pooled(self, x: Tensor) -> Tensor:
        over = self.size == 3 and not self.wraps
        if self.kind == "max":
            return F.max_pool2d(x, self.size, 2, ceil_mode=over)
        if self.kind == "average":
            return F.avg_pool2d(x, self.size, 2, ceil_mode=over)
        # Squares leave the range of half precision long before the maps do.
        squares = x.to(torch.promote_types(x.dtype, torch.float32)).square()
        total = F.avg_pool2d(squares, self.size, 2, ceil_mode=over, divisor_override=1)
        # At 0 the root's slope is infinite, and infinity times the square's slope of 0 is no number.
        return total.clamp_min(1e-12).sqrt().to(x.dtype)

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return f"{self.kind}, factor={self.factor:g}, size={self.size}"


class Fire(nn.Module):
    """SqueezeNet's module: few 1×1 filters, then 1×1 and 3×3 filters side by side, a ReLU after each.

    Args:
        before: Channels that come in.
        squeezed: Channels after the first convolution.
        expanded: Channels of each of the two others; the map has twice as many.
        mode: Padding of the 3×3 filters.
    """

    def __init__(self, before: int, squeezed: int, expanded: int, mode: Padding = "zero") -> None:
        super().__init__()
        self.squeeze = Convolution(before, squeezed, 1)
        self.expand1x1 = Convolution(squeezed, expanded, 1)
        self.expand3x3 = Convolution(squeezed, expanded, 3, padding=1, mode=mode)

    def forward(self, x: Tensor) -> Tensor:
        """B×before×h×w → B×2·expanded×h×w, not negative."""
        return self.run(x, lambda convolution, y: convolution(y))

    def run(self, x: Tensor, convolve: Callable[[nn.Conv2d, Tensor], Tensor]) -> Tensor:
        """The forward pass with the convolutions done by ``convolve``."""
        x = convolve(self.squeeze, x).relu()
        return torch.cat([convolve(self.expand1x1, x), convolve(self.expand3x3, x)], 1).relu()
