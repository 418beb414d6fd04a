"""Nearest neighbours among vectors."""

import torch
from torch import Tensor

SIMILARITIES = 2**24


def unit(x: Tensor) -> Tensor:
    """Vectors of unit length along the last dimension, x/√(‖x‖² + 1e-8): 0 stays 0, with a finite gradient.

    >>> unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    return x / (x.square().sum(-1, keepdim=True) + 1e-8).sqrt()


@torch.no_grad()
def nearest(a: Tensor, b: Tensor, limit: int = SIMILARITIES) -> Tensor:
    """Index of the vector of ``b`` that is nearest to each vector of ``a``, row by row.

    Args:
        a: B×N×C.
        b: B×M×C.
        limit: Similarities held at a time, of one row; at least one vector of ``a`` with all of ``b`` is.
            The default takes 64 MiB in float32.

    Returns:
        B×N indices, without a gradient.

    >>> nearest(torch.tensor([[[1.0], [4.0]]]), torch.tensor([[[3.0], [0.0]]]))
    tensor([[1, 0]])
    """
    chunk = max(1, limit // b.shape[1])
    return torch.stack([_nearest(own, other, chunk) for own, other in zip(a, b, strict=True)])


def _nearest(a: Tensor, b: Tensor, chunk: int) -> Tensor:
    # ‖a − b‖² = ‖a‖² − 2·(a·b − ‖b‖²/2), and ‖a‖² is the same for every b.
    half = b.square().sum(1) / 2
    parts = [a[start : start + chunk] for start in range(0, len(a), chunk)]
    return torch.cat([torch.addmm(half, part, b.mT, beta=-1).argmax(1) for part in parts])
