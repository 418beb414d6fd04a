"""How near two pictures are: one figure per row."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.functional.reduce import row_mean


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio, −10·log₁₀ mean (a − b)², in dB.

    Args:
        a: N×C×H×W in [0, 1]; not clamped here.
        b: The same shape.

    Returns:
        N values, at most 100, which identical images have.

    Raises:
        InputError: Two shapes, not four dimensions, or no floating-point numbers.

    >>> psnr(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.1))
    tensor([20.])
    """
    a, b = _pair("psnr", a, b)
    return (-10 * row_mean((a - b).square()).log10()).clamp(max=100)


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity, mean of (2μₐμᵦ + C₁)(2σₐᵦ + C₂) / ((μₐ² + μᵦ² + C₁)(σₐ² + σᵦ² + C₂)).

    Wang, Bovik, Sheikh, Simoncelli 2004 (Image Quality Assessment: From Error Visibility to Structural
    Similarity): local moments under a Gaussian window of 11 pixels with σ = 1.5, C₁ = 0.01², C₂ = 0.03²,
    only where the window lies inside the picture. Departures: it is taken per channel and averaged, not
    of the luminance; a picture with a side under 11 pixels gets the largest odd window that fits.

    Args:
        a: N×C×H×W in [0, 1].
        b: The same shape.

    Returns:
        N values, 1 for identical images.

    Raises:
        InputError: Two shapes, not four dimensions, or no floating-point numbers.
    """
    a, b = _pair("ssim", a, b)
    shortest = min(11, *a.shape[-2:])
    window = _gaussian(shortest - 1 + shortest % 2).to(a)
    mean_a, mean_b, square_a, square_b, product = (_windowed(x, window) for x in (a, b, a * a, b * b, a * b))
    variances = (square_a - mean_a**2).clamp(min=0) + (square_b - mean_b**2).clamp(min=0)
    covariance = product - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return row_mean(luminance * (2 * covariance + c2) / (variances + c2))


def feature_distance(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> Tensor:
    """Distance of deep features, mean over layers and positions of ‖â − b̂‖², â = a/‖a‖ over the channels.

    Zhang, Isola, Efros, Shechtman, Wang 2018 (The Unreasonable Effectiveness of Deep Features as a
    Perceptual Metric). Departures: no learned weights of the channels, and the mean of the layers where
    the paper has their sum, so that the figure does not grow with their number.

    Args:
        a: Layer → N×C×H×W.
        b: The same layers and shapes.

    Returns:
        N values in [0, 4], in [0, 2] for features after a ReLU.

    Raises:
        InputError: No layer, other layers, or a layer of another shape.

    >>> one = {"relu1_1": torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)}
    >>> feature_distance(one, {"relu1_1": torch.tensor([5.0, 0.0]).view(1, 2, 1, 1)})
    tensor([0.8000])
    """
    if not a or set(a) != set(b):
        raise InputError(f"feature_distance: layers {sorted(a)} and {sorted(b)}; give the same ones, at least one")
    pairs = [_pair(f"feature_distance: {layer}", a[layer], b[layer]) for layer in a]
    return row_mean(torch.stack([row_mean((_unit(x) - _unit(y)).square().sum(1)) for x, y in pairs], 1))


def style_distance(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> Tensor:
    """Distance of textures, mean over layers of ‖Gₐ − G_b‖² / ‖G_b‖², G = F·Fᵀ/(H·W).

    0 for equal statistics, 1 for a black feature map; it says nothing of where things are. The judge of
    Ustyuzhaninov, Brendel, Gatys & Bethge, "What does it take to generate natural textures?", 2017, with the
    ratio taken layer by layer. The pictures may have different sizes.

    Args:
        a: Layer → N×C×H×W, of the result.
        b: Layer → N×C×h×w, of the style; the same layers.

    Returns:
        N values.

    Raises:
        InputError: No layer, or other layers.

    >>> one = {"relu1_1": torch.ones(1, 2, 4, 4)}
    >>> style_distance(one, {"relu1_1": 2 * torch.ones(1, 2, 3, 5)})
    tensor([0.5625])
    """
    if not a or set(a) != set(b):
        raise InputError(f"style_distance: layers {sorted(a)} and {sorted(b)}; give the same ones, at least one")
    values = []
    for layer in a:
        own, other = _gram(a[layer]), _gram(b[layer])
        values.append(row_mean((own - other).square()) / (row_mean(other.square()) + 1e-30))
    return row_mean(torch.stack(values, 1))


def _gram(feature: Tensor) -> Tensor:
    x = feature.double().flatten(2)
    return (x @ x.mT / x.shape[2]).to(feature)


def _pair(name: str, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    if a.shape != b.shape or a.dim() != 4 or 0 in a.shape:
        raise InputError(f"{name}: shapes {tuple(a.shape)} and {tuple(b.shape)}; give two equal ones, N×C×H×W")
    if not (a.is_floating_point() and b.is_floating_point()):
        raise InputError(f"{name}: {a.dtype} and {b.dtype}; give floating-point numbers in [0, 1]")
    if torch.float64 in (a.dtype, b.dtype):
        return a.double(), b.double()
    return a.float(), b.float()


def _gaussian(size: int) -> Tensor:
    x = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    weights = torch.exp(-x.square() / (2 * 1.5**2))
    return weights / weights.sum()


def _windowed(x: Tensor, window: Tensor) -> Tensor:
    """Weighted local mean of N×C×H×W where the window fits.

    A sum of shifted pictures and not a convolution: those may round to TF32 on a GPU, which is more
    than the variance of a smooth region. One after the other: a sum over a stack of them rounds by where
    a pixel lies in memory, hence by the number of pictures.
    """
    size = len(window)
    for dim in (-2, -1):
        length = x.shape[dim] - size + 1
        total = window[0] * x.narrow(dim, 0, length)
        for i in range(1, size):
            total = total + window[i] * x.narrow(dim, i, length)
        x = total
    return x


def _unit(x: Tensor) -> Tensor:
    """Features divided by their norm over the channels; zero where all are zero."""
    return x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)
