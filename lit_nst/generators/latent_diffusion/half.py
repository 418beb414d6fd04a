"""Gradients through networks of half precision."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

# Far from what float16 can hold at either end: its largest number is 65504, its smallest 6e-8.
LARGEST_GRADIENT = 16.0


def in_precision(network: Callable[[Tensor], Tensor], x: Tensor, dtype: torch.dtype) -> Tensor:
    """A network of some precision at ``x``, with an output in the precision of ``x``.

    In float16 the gradient of a mean over many pixels would vanish on its way. It is multiplied, row by row, by a power
    of two before it enters the network, and divided by it after: exact but for what float16 rounds.

    Args:
        network: B×… in ``dtype`` → B×… in ``dtype``.
        x: B×…, float32 or wider.
        dtype: Of the network.
    """
    if dtype != torch.float16:
        return network(x.to(dtype)).to(x.dtype)
    scale = _Scale()
    return _Leave.apply(network(_Enter.apply(x, scale)), x.dtype, scale)  # type: ignore[no-any-return]


class _Scale:
    """Factor of the gradient in each row, known when the gradient comes back."""

    factor: Tensor | None = None


class _Enter(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: _Scale) -> Tensor:
        ctx.scale, ctx.dtype = scale, x.dtype
        return x.half()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        return gradient.to(ctx.dtype) / ctx.scale.factor.view(-1, *[1] * (gradient.dim() - 1)), None


class _Leave(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, dtype: torch.dtype, scale: _Scale) -> Tensor:
        ctx.scale = scale
        return y.to(dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        largest = gradient.flatten(1).abs().amax(1)
        fine = (largest > 0) & largest.isfinite()
        exponent = torch.log2(LARGEST_GRADIENT / torch.where(fine, largest, LARGEST_GRADIENT)).floor()
        ctx.scale.factor = torch.exp2(exponent)
        scaled = gradient * ctx.scale.factor.view(-1, *[1] * (gradient.dim() - 1))
        return scaled.half(), None, None
