"""Ways to combine and to limit what steers a diffusion model, row by row.

Every row (B first) is a problem of its own: norms, standard deviations and percentiles are taken over all
other dimensions, never over the batch.
"""

import math

import torch
from torch import Tensor

from lit_nst.functional.reduce import row_mean


def row_rms(x: Tensor) -> Tensor:
    """Root of the mean square of every row, √⟨x²⟩.

    The largest magnitude is taken out before squaring, so values of 1e-30 or 1e30 neither vanish nor
    overflow. A row with a value that is not finite gives NaN.

    Args:
        x: B×….

    Returns:
        B×1×…, as many dimensions as ``x``.

    >>> row_rms(torch.tensor([[3.0, 4.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]))
    tensor([[2.5000],
            [0.0000]])
    """
    peak = x.abs().flatten(1).amax(1).view(_column(x))
    peak = torch.where(peak > 0, peak, torch.ones_like(peak))
    return peak * row_mean((x / peak).square()).sqrt().view(_column(x))


def classifier_free(conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance, u + s·(c − u), on any of a model's predictions.

    Ho & Salimans (2022), with the scale as Stable Diffusion counts it: 0 is the unconditional prediction,
    1 the conditional one, their 1 + w.

    Args:
        conditional: c, B×….
        unconditional: u, the same shape.
        scale: s, 7.5 in Stable Diffusion.

    >>> classifier_free(torch.tensor([[1.0]]), torch.tensor([[0.5]]), 3.0)
    tensor([[2.]])
    """
    return unconditional + scale * (conditional - unconditional)


def rescaled(guided: Tensor, conditional: Tensor, share: float) -> Tensor:
    """Rescaled guidance, φ·g·(σ_c/σ_g) + (1 − φ)·g: pulls the deviation of a row back to the conditional's.

    Lin et al. (2024), "Common Diffusion Noise Schedules and Sample Steps Are Flawed". Departure: a row
    without any deviation stays as it is.

    Args:
        guided: g, after classifier-free guidance, B×….
        conditional: c, the same shape; both as the model's own prediction, as in the paper.
        share: φ from 0 (``guided`` itself) to 1; the paper's is 0.7.

    >>> rescaled(torch.tensor([[-3.0, 3.0]]), torch.tensor([[-1.0, 1.0]]), 0.5)
    tensor([[-2.,  2.]])
    """
    if share == 0:
        return guided
    deviation = _deviation(guided)
    varied = deviation > 0
    ratio = torch.where(varied, _deviation(conditional) / torch.where(varied, deviation, 1), 1)
    return guided * (share * ratio + (1 - share))


def projected(
    conditional_x0: Tensor,
    unconditional_x0: Tensor,
    scale: float,
    parallel: float = 0.0,
    threshold: float | None = None,
) -> Tensor:
    """Adaptive projected guidance, c + (s − 1)·(Δ_⊥ + η·Δ_∥), Δ = (c − u)·min(1, r/‖c − u‖).

    Δ_∥ is the part of Δ along c; it mostly brings saturation. Sadat et al. (2025), "Eliminating
    Oversaturation and Artifacts of High Guidance Scales in Diffusion Models". Departure: no momentum, so
    that a step depends on nothing but its own predictions. With η = 1 and no threshold it is
    ``classifier_free``.

    Args:
        conditional_x0: c, predicted clean latents, B×….
        unconditional_x0: u, the same shape.
        scale: s, as in ``classifier_free``.
        parallel: η, 0 in the paper.
        threshold: r, the largest Euclidean norm of c − u in a row, so it grows with the square root of
            the number of values; ``None`` is no limit.
    """
    change = conditional_x0 - unconditional_x0
    if threshold is not None:
        norm = row_rms(change) * _root_size(change)
        change = change * torch.where(norm > threshold, threshold / norm, 1)
    along = _unit(conditional_x0)
    shadow = row_mean(change * along).view(_column(change)) * along
    return conditional_x0 + (scale - 1) * (change + (parallel - 1) * shadow)


def percentile_clamp(x0: Tensor, percentile: float, limit: float = 1.0) -> Tensor:
    """Clamp to ±s, s = max(limit, the percentile of |x0| in the row).

    The dynamic thresholding of Saharia et al. (2022), "Imagen". Departure: the result is not divided by
    s. Imagen's pixels must come back into [-1, 1]; latents have no such box, and dividing would change
    the contrast of all of them.

    Args:
        x0: Predicted clean latents, B×….
        percentile: In percent, from 0 to 100 (nothing is clamped); Imagen's is 99.5.
        limit: The smallest s; 1 is a standard deviation of Stable Diffusion's latents.

    >>> percentile_clamp(torch.tensor([[0.5, -2.0, 4.0], [0.1, 0.2, -0.9]]), 50)
    tensor([[ 0.5000, -2.0000,  2.0000],
            [ 0.1000,  0.2000, -0.9000]])
    """
    size = x0.detach().abs().flatten(1)
    size = size if size.dtype == torch.float64 else size.float()
    bound = size.quantile(percentile / 100, dim=1).clamp_min(limit).to(x0.dtype).view(_column(x0))
    return x0.clamp(-bound, bound)


def spherical(noise: Tensor, direction: Tensor, share: Tensor | float) -> Tensor:
    """Turn noise towards a direction, d = (1 − k)·n/‖n‖ + k·g/‖g‖, and give it back its length, ‖n‖·d/‖d‖.

    The mix of Yang et al. (2024), "Guidance with Spherical Gaussian Constraint for Diffusion Models"
    (DSG): a guided step keeps the length that noise would have had. Departure: the length is that of this
    noise; the paper puts √n·σ, its expectation, and weighs the noise before the mix by its own length.
    A row stays bit for bit where k = 0, where the direction is zero or not finite, and where the two
    cancel.

    Args:
        noise: n, B×….
        direction: g, the way down the loss, of any length; the same shape.
        share: k from 0 to 1, a number or B×1×…; DSG's is 0.1 for style.

    >>> spherical(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 9.0]]), 0.5)
    tensor([[1.4142, 1.4142]])
    """
    length = row_rms(noise)
    mixed = (1 - share) * _unit(noise) + share * _unit(direction)
    mixed_length = row_rms(mixed)
    kept = (row_rms(direction) > 0) & (mixed_length > 0) & torch.as_tensor(share != 0, device=noise.device)
    return torch.where(kept, mixed * (length / torch.where(mixed_length > 0, mixed_length, 1)), noise)


def _column(x: Tensor) -> tuple[int, ...]:
    return (-1,) + (1,) * (x.dim() - 1)


def _root_size(x: Tensor) -> float:
    return math.sqrt(x[0].numel())


def _unit(x: Tensor) -> Tensor:
    """Rows divided by their root mean square; rows of zeros stay."""
    rms = row_rms(x)
    return x / torch.where(rms > 0, rms, 1)


def _deviation(x: Tensor) -> Tensor:
    return row_rms(x - row_mean(x).view(_column(x)))
