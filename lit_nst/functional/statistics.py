"""Moments of feature maps over their positions."""

from typing import Any

import torch
from torch import Tensor


def gram(feature: Tensor) -> Tensor:
    """Gram matrix per position, G = F·Fᵀ/(H·W).

    Each row is a product of its own, so its rounding does not depend on the number of rows; the backward
    pass takes one product instead of two.

    Args:
        feature: B×C×H×W.

    Returns:
        B×C×C, the mean over positions of the products of two channels.

    >>> gram(torch.tensor([[[[1.0, 2.0]], [[0.0, 2.0]]]]))
    tensor([[[2.5000, 2.0000],
             [2.0000, 2.0000]]])
    """
    products: Tensor = _Products.apply(feature.flatten(2))
    return products / feature[0, 0].numel()


def mean_square(feature: Tensor) -> Tensor:
    """Mean and mean square of every channel.

    Args:
        feature: B×C×H×W.

    Returns:
        B×2×C: ⟨f⟩, then ⟨f²⟩.

    >>> mean_square(torch.tensor([[[[1.0, 3.0]]]]))
    tensor([[[2.],
             [5.]]])
    """
    moments: Tensor = _MeanSquare.apply(feature)
    return moments


def moments(feature: Tensor) -> Tensor:
    """Mean and second raw moment of the channels, in one tensor.

    Both are means over positions: those of several pictures together are weighted means of theirs.

    Args:
        feature: B×C×H×W.

    Returns:
        B×(C+1)×C: ⟨f⟩ in the first row, ⟨f·fᵀ⟩ below.

    >>> moments(torch.tensor([[[[1.0, 3.0]]]]))
    tensor([[[2.],
             [5.]]])
    """
    # Row by row: a sum over several rows at once would round by their number.
    means = torch.stack([row.mean((1, 2)) for row in feature])
    return torch.cat([means[:, None], gram(feature)], 1)


def covariance(moments: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the channels from their moments, Σ = ⟨f·fᵀ⟩ − ⟨f⟩·⟨f⟩ᵀ.

    The difference rounds by about 1e-7·⟨f²⟩ in float32, so Σ may be slightly indefinite.

    Args:
        moments: B×(C+1)×C, from ``moments``.

    Returns:
        B×C and B×C×C; divided by the number of positions, not by one less.

    >>> covariance(moments(torch.tensor([[[[1.0, 3.0]], [[0.0, 4.0]]]])))[1]
    tensor([[[1., 2.],
             [2., 4.]]])
    """
    mean, second = moments[:, 0], moments[:, 1:]
    return mean, second - mean[:, :, None] * mean[:, None, :]


class _Products(torch.autograd.Function):
    """F·Fᵀ of B×C×N; autograd of the plain product would not know that the factors are one tensor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.stack([row @ row.mT for row in x])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.stack([g @ row for g, row in zip(gradient + gradient.mT, x, strict=True)])


class _MeanSquare(torch.autograd.Function):
    """⟨f⟩ and ⟨f²⟩; the backward pass is one pass over the map, and f² is not kept for it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.stack([x.mean((2, 3)), x.square().mean((2, 3))], 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        of_mean, of_square = (gradient / x[0, 0].numel())[..., None, None].unbind(1)
        return torch.addcmul(of_mean, x, 2 * of_square)
