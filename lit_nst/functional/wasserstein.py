"""Wasserstein distance of normal distributions."""

import torch
from torch import Tensor


def wasserstein_normal(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor, eps: float = 0.0) -> Tensor:
    """Squared Wasserstein-2 distance, W² = ‖μa − μb‖² + tr(Σa + Σb − 2·(Σb^½·Σa·Σb^½)^½).

    Computed in float64, because the product squares the spread of the eigenvalues, then rounded to the
    dtype given. Any R with R·Rᵀ = Σb may stand for Σb^½, as the outer root is only needed for its trace, the
    sum of the roots of the eigenvalues of Rᵀ·Σa·R. Its gradient, V·diag(g)·Vᵀ, has no differences of
    eigenvalues: it is right where they coincide. So an eigendecomposition takes the place of the
    Newton–Schulz iteration of other implementations, whose gradient is off for small eigenvalues before it
    converges. A gradient by ``cov_b``, too, is only right where its eigenvalues differ; that by ``cov_a``
    always is. Rows that are not finite give NaN.

    Args:
        mean_a: B×C.
        cov_a: B×C×C, symmetric; eigenvalues below 0, from rounding, count as 0.
        mean_b: B×C.
        cov_b: B×C×C, likewise.
        eps: Added to the diagonals of both covariances; above 0, the gradient is finite at singular ones.

    Returns:
        B values, at least 0.

    >>> one, zero = torch.eye(2)[None], torch.zeros(1, 2)
    >>> wasserstein_normal(zero, 9 * one, zero + 2, 4 * one)
    tensor([10.])
    """
    # Row by row: products of several matrices at once may round by their number.
    parts = zip(mean_a.split(1), cov_a.split(1), mean_b.split(1), cov_b.split(1), strict=True)  # type: ignore[no-untyped-call]
    return torch.cat([_wasserstein(*part, eps) for part in parts])


def _wasserstein(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor, eps: float) -> Tensor:
    dtype = mean_a.dtype
    identity = torch.eye(mean_a.shape[1], dtype=torch.double, device=mean_a.device)
    a, b = (cov.double() + eps * identity for cov in (cov_a, cov_b))
    means = (mean_a.double() - mean_b.double()).square().sum(1)
    factor = _factor(_finite(b, identity), eps)
    inner = factor.mT @ _finite(a, identity) @ factor
    values = torch.linalg.eigvalsh((inner + inner.mT) / 2)
    # The root has no gradient at 0. Two covariances with eps on the diagonal give eps² or more; the half of eps
    # leaves room for rounding.
    fidelity = values.clamp_min(max((eps / 2) ** 2, torch.finfo(torch.double).tiny)).sqrt().sum(1)
    spread = (a + b).diagonal(dim1=1, dim2=2).sum(1) - 2 * fidelity
    distance: Tensor = (means + spread.clamp_min(0)).to(dtype)
    return distance


def _factor(matrix: Tensor, smallest: float) -> Tensor:
    """R of R·Rᵀ = matrix, B×C×C, eigenvalues below ``smallest`` raised to it."""
    values, vectors = torch.linalg.eigh(matrix)
    factor: Tensor = vectors * values.clamp_min(smallest).sqrt()[:, None]
    return factor


def _finite(matrix: Tensor, instead: Tensor) -> Tensor:
    """The matrices, those with a NaN or an infinity replaced: eigensolvers stop the run at them."""
    return torch.where(matrix.isfinite().all(2, keepdim=True).all(1, keepdim=True), matrix, instead)
