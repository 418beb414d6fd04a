"""What a single picture looks like: brightness, colors, clipping, noise, variety."""

import math

import torch
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.functional.reduce import row_mean

REC_601 = (0.299, 0.587, 0.114)


def brightness(image: Tensor) -> Tensor:
    """Mean luma, 0.299·R + 0.587·G + 0.114·B of the values as stored (Rec. ITU-R BT.601).

    Args:
        image: B×3×H×W in [0, 1]; not clamped here.

    Returns:
        B values in [0, 1], not in 0–255.

    Raises:
        InputError: Another shape, or no floating-point numbers.

    >>> brightness(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1))
    tensor([0.2990])
    """
    image = _checked("brightness", image)
    return row_mean(image * 3 * image.new_tensor(REC_601).view(3, 1, 1))


def histogram_distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean over the channels of the 1-D Wasserstein-1 distance ∫|Fₐ(v) − F_b(v)| dv of their values.

    F is the exact empirical distribution, without bins. Where the values lie does not matter; a picture
    that is brighter by c everywhere is at distance c.

    Args:
        a: B×3×H×W in [0, 1].
        b: B×3×H'×W'; another size is fine.

    Returns:
        B values in [0, 1].

    Raises:
        InputError: Another shape, two numbers of rows, or no floating-point numbers.

    >>> histogram_distance(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 2, 5), 0.25))
    tensor([0.2500])
    """
    a, b = _checked("histogram_distance: a", a), _checked("histogram_distance: b", b)
    if len(a) != len(b):
        raise InputError(f"histogram_distance: {len(a)} and {len(b)} images; give pairs")
    p, q = (x.to(torch.promote_types(a.dtype, b.dtype)).flatten(2).contiguous().sort(2).values for x in (a, b))
    levels = torch.cat([p, q], 2).sort(2).values
    steps, levels = levels.diff(dim=2), levels[..., :-1].contiguous()
    below_p, below_q = (torch.searchsorted(x, levels, right=True).to(p.dtype) / x.shape[2] for x in (p, q))
    return ((below_p - below_q).abs() * steps).sum(2).mean(1)


def saturation_share(image: Tensor) -> Tensor:
    """Share of the pixels with a channel at an end of the range: ≤ 0.5/255 or ≥ 254.5/255.

    Args:
        image: B×3×H×W in [0, 1].

    Returns:
        B values in [0, 1].

    Raises:
        InputError: Another shape, or no floating-point numbers.

    >>> saturation_share(torch.tensor([0.0, 0.5, 0.5, 0.5, 0.5, 0.5]).view(1, 3, 1, 2))
    tensor([0.5000])
    """
    image = _checked("saturation_share", image)
    ends = (image <= 0.5 / 255) | (image >= 254.5 / 255)
    return row_mean(ends.any(1, keepdim=True).to(image.dtype))


def high_frequency_share(image: Tensor) -> Tensor:
    """Share of the spectral energy above half the Nyquist frequency, √(fₓ² + f_y²) > 1/4 cycle per pixel.

    The mean is left out, so contrast and brightness do not matter. A Hann window keeps the jump from one
    border to the opposite one out of the spectrum. White noise has 1 − π/16 ≈ 0.80 on average, photographs
    a few percent: where a texture's figure leaves that of its style picture, noise sets in.

    Args:
        image: B×3×H×W.

    Returns:
        B values in [0, 1]; 0 for a flat picture.

    Raises:
        InputError: Another shape, or no floating-point numbers.

    >>> stripes = torch.arange(32).remainder(2).float().expand(1, 3, 32, 32)
    >>> bool(high_frequency_share(stripes) > 0.99)
    True
    """
    original = _checked("high_frequency_share", image)
    x = original.double()
    height, width = x.shape[-2:]
    window = (_hann(height).view(-1, 1) * _hann(width)).to(x)
    mean = (x * window).sum((2, 3), keepdim=True) / window.sum()
    energy = torch.fft.fft2((x - mean) * window).abs().square().sum(1)
    rows, columns = torch.fft.fftfreq(height).double(), torch.fft.fftfreq(width).double()
    high = (rows.view(-1, 1).square() + columns.square() > 1 / 16).to(x.device)
    total = energy.sum((1, 2))
    # Below this a picture is flat, and its spectrum is that of the rounding.
    flat = total < 1e-16 * (height * width) ** 2
    share: Tensor = (energy * high).sum((1, 2)) / total.masked_fill(flat, math.inf)
    return share.to(original.dtype)


def variability(images: Tensor, relative: bool = False) -> Tensor:
    """How much each picture differs from the others: mean over j ≠ i of √mean (xᵢ − xⱼ)².

    For results of several seeds of one texture. It compares place by place: 0 means that all are the same
    picture; it does not see that one is a shifted copy of another.

    Args:
        images: N×3×H×W in [0, 1], N ≥ 2.
        relative: In units of √2·σ, σ the standard deviation of the values around the mean color of all:
            about 1 for independent pictures, whatever their contrast; 0 if all are one flat color.

    Returns:
        N values; their mean is the mean over all pairs.

    Raises:
        InputError: Another shape, a single picture, or no floating-point numbers.

    >>> variability(torch.tensor([0.0, 0.0, 0.3]).view(3, 1, 1, 1).expand(3, 3, 2, 2))
    tensor([0.1500, 0.1500, 0.3000])
    """
    x = _checked("variability", images)
    if len(x) < 2:
        raise InputError("variability: one image; give two or more, such as the results of several seeds")
    flat = x.flatten(1)
    differences = torch.stack([(flat - one).square().mean(1).sqrt() for one in flat])
    figures = differences.sum(1) / (len(x) - 1)
    if not relative:
        return figures
    spread = math.sqrt(2) * (x - x.mean((0, 2, 3), keepdim=True)).square().mean().sqrt()
    return figures / spread if spread > 1e-6 else torch.zeros_like(figures)


def _checked(name: str, image: Tensor) -> Tensor:
    if image.dim() != 4 or image.shape[1] != 3 or 0 in image.shape:
        raise InputError(f"{name}: shape {tuple(image.shape)}; give B×3×H×W with at least one image")
    if not image.is_floating_point():
        raise InputError(f"{name}: {image.dtype}; give floating-point numbers in [0, 1]")
    return image if image.dtype == torch.float64 else image.float()


def _hann(size: int) -> Tensor:
    """The window at the centers of the pixels, so that it is zero at none and sizes 1 and 2 work."""
    centers = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    return torch.sin(math.pi * centers).square()
