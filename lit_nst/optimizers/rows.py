"""Per-row numbers and vectors: rows of w on its device, numbers on the CPU in float64."""

import torch
from torch import Tensor

from lit_nst.optimizers.direction import chunked, dots


def like(rows: Tensor, w: Tensor) -> Tensor:
    """Per-row values or masks, broadcast to ``w``."""
    # The type first: not every device has float64.
    values = rows if rows.dtype == torch.bool else rows.to(w.dtype)
    return values.to(w.device).view(-1, *[1] * (w.dim() - 1))


def scaled(x: Tensor, unit: Tensor) -> Tensor:
    """Rows of x over their units, powers of two."""
    return x * like(1 / unit, x)


def dot(a: Tensor, b: Tensor, rows: Tensor) -> Tensor:
    """Dot products of the rows of a mask, 0 for the others."""
    return dots(chunked(a)[:, :, None], chunked(b)[:, :, None], rows.nonzero()[:, 0].tolist())[:, 0, 0]


def largest(x: Tensor) -> Tensor:
    """Largest magnitude of each row, on the CPU in float64; not finite where an entry is not."""
    return x.reshape(len(x), -1).abs().amax(1).cpu().double()


def power_of_two(x: Tensor) -> Tensor:
    """A unit in which numbers around x neither overflow nor vanish when squared; exact to divide by."""
    fine = x.clamp(2.0**-100, 2.0**100)
    return torch.exp2(fine.log2().floor())
