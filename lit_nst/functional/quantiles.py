"""Distributions of numbers, held as their sorted values."""

import torch.nn.functional as F
from torch import Tensor

from lit_nst.functional.reduce import row_mean


def resample(ordered: Tensor, length: int) -> Tensor:
    """Quantile function at another number of quantiles, (i + ½)/n, linear between the values.

    Below the first and above the last value it is constant. The same length gives the tensor itself.

    Args:
        ordered: B×K×N, ascending along N.
        length: n.

    Returns:
        B×K×n, ascending.

    >>> import torch
    >>> resample(torch.tensor([[[1.0, 1.0, 2.0, 2.0]]]), 2)
    tensor([[[1., 2.]]])
    >>> resample(torch.tensor([[[0.0, 4.0]]]), 4)
    tensor([[[0., 1., 3., 4.]]])
    """
    if ordered.shape[-1] == length:
        return ordered
    return F.interpolate(ordered, size=length, mode="linear", align_corners=False)


def wasserstein_1d(a: Tensor, b: Tensor) -> Tensor:
    """Squared Wasserstein-2 distance of one-dimensional distributions, ⟨(a₍ᵢ₎ − b₍ᵢ₎)²⟩.

    Exact for equal numbers of values; otherwise ``b`` is resampled to those of ``a``.

    Args:
        a: B×K×N, ascending along N.
        b: B×K×M, ascending along M.

    Returns:
        B values, the mean over the K distributions.

    >>> import torch
    >>> wasserstein_1d(torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[2.0, 2.0, 3.0, 3.0]]]))
    tensor([4.])
    """
    return row_mean((a - resample(b, a.shape[-1])).square())
