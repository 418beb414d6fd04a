"""Colours of one picture with the statistics of another."""

import torch
from torch import Tensor

EPS = 1e-6


def match_colors(image: Tensor, like: Tensor) -> Tensor:
    """Gives a picture the mean and covariance of another's colours: x ↦ T·(x − μₐ) + μ_b.

    T = A^−½·(A^½·B·A^½)^½·A^−½, A and B the covariances plus 10⁻⁶·I: the linear map that moves the colours
    least, the optimal transport of two normal distributions. A grey picture stays finite, its T is large only
    along directions in which it varies.

    Pitié & Kokaram, "The linear Monge-Kantorovitch colour mapping for example-based colour transfer", 2007;
    Gatys et al., "Preserving Color in Neural Artistic Style Transfer", 2016, match style to content, here
    it is the caller's choice. Departure: in sRGB as it is, not in linear light.

    Args:
        image: C×H×W.
        like: C×h×w.

    Returns:
        C×H×W, not clamped.

    >>> dark, light = torch.rand(3, 8, 8) * 0.1, 0.5 + torch.rand(3, 9, 9) * 0.5
    >>> torch.allclose(match_colors(dark, light).mean((1, 2)), light.mean((1, 2)), atol=1e-5)
    True
    """
    own, other = image.flatten(1).double(), like.flatten(1).double()
    mean, target = own.mean(1, keepdim=True), other.mean(1, keepdim=True)
    a, b = color_covariance(image), color_covariance(like)
    root, inverse = _power(a, 0.5), _power(a, -0.5)
    transport = inverse @ _power(root @ b @ root, 0.5) @ inverse
    moved: Tensor = transport @ (own - mean) + target
    return moved.to(image).view_as(image)


def noise_of_colors(like: Tensor, noise: Tensor) -> Tensor:
    """White noise with the mean and covariance of a picture's colours.

    Args:
        like: C×h×w.
        noise: C×H×W, independent numbers of mean 0 and deviation 1.

    Returns:
        C×H×W, not clamped.
    """
    mean = like.flatten(1).double().mean(1, keepdim=True)
    image: Tensor = _power(color_covariance(like), 0.5) @ noise.flatten(1).double() + mean
    return image.to(noise).view_as(noise)


def color_covariance(image: Tensor) -> Tensor:
    """Covariance of the channels, C×C in float64, plus 10⁻⁶·I."""
    x = image.flatten(1).double()
    x = x - x.mean(1, keepdim=True)
    covariance: Tensor = x @ x.mT / x.shape[1] + EPS * torch.eye(len(x), dtype=x.dtype, device=x.device)
    return covariance


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    power: Tensor = (vectors * values.clamp_min(EPS * 1e-3) ** exponent) @ vectors.mT
    return power
