"""Gradients of several terms, and their sizes."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from lit_nst.functional.guidance import row_rms


def gradients(values: Mapping[str, Tensor], at: Tensor, names: Collection[str]) -> tuple[dict[str, Tensor], Tensor]:
    """The gradient of some terms, and which rows lost one.

    Args:
        values: Term → one value per row.
        at: Where, B×….
        names: Of the terms that guide, one at least.

    Returns:
        Term → gradient, 0 in rows where it or the value is not finite; and those rows, B.
    """
    found, lost = dict[str, Tensor](), torch.zeros(len(at), dtype=torch.bool, device=at.device)
    for number, name in enumerate(names, 1):
        value = values[name]
        (gradient,) = torch.autograd.grad(value.sum(), at, retain_graph=number < len(names))
        fine = gradient.flatten(1).isfinite().all(1) & value.isfinite()
        found[name] = torch.where(like(fine, gradient), gradient, 0)
        lost |= ~fine
    return found, lost


def combined(found: Mapping[str, Tensor], amounts: Mapping[str, Tensor], unit: bool) -> Tensor:
    """Σ λ·f·g over the terms, each g of a root of the mean square of 1 in every row, where ``unit``.

    A gradient that is 0 stays 0.
    """
    parts = [amounts[name] * (normalised(gradient) if unit else gradient) for name, gradient in found.items()]
    # One after the other: a sum over a stacked axis is rounded by the number of rows beside it.
    return sum(parts[1:], parts[0])


def normalised(gradient: Tensor) -> Tensor:
    """A gradient over the root of its mean square, row by row; 0 stays 0."""
    size = row_rms(gradient)
    return gradient / torch.where(size > 0, size, 1)


def limited(change: Tensor, limit: float | None) -> Tensor:
    """A change, shrunk in the rows whose root of the mean square is above the limit."""
    if limit is None:
        return change
    size = row_rms(change)
    return torch.where(size > limit, change * (limit / size), change)


def finite(change: Tensor, lost: Tensor) -> tuple[Tensor, Tensor]:
    """A change without the rows in which it overflows, and the lost rows with these."""
    fine = change.flatten(1).isfinite().all(1)
    return torch.where(like(fine, change), change, 0), lost | ~fine


def like(rows: Tensor, x: Tensor) -> Tensor:
    """A value per row, broadcast to ``x``."""
    return rows.view(-1, *[1] * (x.dim() - 1))
