"""Steps on the predicted clean latents, which leave the U-Net out."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from lit_nst.tasks.guidance.gradients import combined, finite, gradients

Terms = Callable[[Tensor], dict[str, Tensor]]


def by_adam(
    clean: Tensor, terms: Terms, amounts: Mapping[str, Tensor], rate: float, steps: int
) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """The way of some steps of Adam on x₀ (Rout et al., "RB-Modulation", 2025).

    A row's steps have the length ``rate``·Σ λ·f; the terms share the gradient by their λ·f. Departure: none of the
    moments is kept from one denoising step to the next.

    Args:
        clean: x₀, B×C×h×w.
        terms: x₀ → each term, one value per row.
        amounts: Term → λ·f, B×1×1×1.
        rate: Length of a step where the amounts sum to 1, in units of the latent.
        steps: Number of steps.

    Returns:
        The change of x₀, the terms at x₀ itself, and the rows that lost a gradient.
    """
    whole = sum(list(amounts.values())[1:], next(iter(amounts.values())))
    shares = {name: amount / torch.where(whole > 0, whole, 1) for name, amount in amounts.items()}
    way = torch.zeros_like(clean, requires_grad=True)
    # Adam divides by the size of the gradient, which may be of any scale.
    optimizer = torch.optim.Adam([way], lr=1.0, eps=1e-30)
    first, lost = dict[str, Tensor](), torch.zeros(len(clean), dtype=torch.bool, device=clean.device)
    for _ in range(steps):
        values = terms(clean + rate * whole * way)
        found, bad = gradients(values, way, amounts)
        first, lost = first or {name: value.detach() for name, value in values.items()}, lost | bad
        way.grad = combined(found, shares, unit=True)
        optimizer.step()
    return rate * whole * way.detach(), first, lost


def descent(
    clean: Tensor, terms: Terms, amounts: Mapping[str, Tensor], size: Tensor | float, unit: bool, steps: int
) -> tuple[Tensor, Tensor]:
    """The way of some plain steps down on x₀ (the mean guidance of Ye et al., "TFG", 2024).

    Args:
        clean: x₀, B×C×h×w.
        terms: x₀ → each term, one value per row.
        amounts: Term → λ·f, B×1×1×1.
        size: Factor of all steps, a number or B×1×1×1.
        unit: Each gradient has a root of the mean square of 1 before its λ·f.
        steps: Number of steps.

    Returns:
        The change of x₀, and the rows that lost a gradient.
    """
    way = torch.zeros_like(clean)
    lost = torch.zeros(len(clean), dtype=torch.bool, device=clean.device)
    for _ in range(steps):
        at = (clean + way).requires_grad_()
        found, bad = gradients(terms(at), at, amounts)
        step, lost = finite(size * combined(found, amounts, unit), lost | bad)
        way = way - step
    return way, lost
