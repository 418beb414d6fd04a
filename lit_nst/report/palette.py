"""Colours apart from texture: how far two palettes are from each other, and a picture without its own."""

import torch
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.functional.random import normal
from lit_nst.report.colour import REC_601, histogram_distance

TURNS, CONTRAST, FLAT = 16, 0.2, 0.02


def palette_distance(a: Tensor, b: Tensor) -> Tensor:
    """Sliced Wasserstein-1 distance of the colours of two pictures, mean over u of ∫|Fₐᵤ(v) − F_bᵤ(v)| dv.

    F is the distribution of the colours projected on u, without bins; u are the axes of 16 random turns of the
    colour cube, always the same. Where a colour lies in the picture does not matter. Unlike
    ``histogram_distance`` it sees which values of the channels occur together.

    Rabin, Peyré, Delon & Bernot, "Wasserstein barycenter and its application to texture mixing", 2011.

    Args:
        a: B×3×H×W in [0, 1].
        b: B×3×H'×W'; another size is fine.

    Returns:
        B values; about c·√3/2 for a picture that is brighter by c everywhere.

    Raises:
        InputError: As ``histogram_distance``.

    >>> palette_distance(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 2, 2))
    tensor([0.])
    """
    for image in (a, b):
        _check("palette_distance", image)
    # The rows of an orthogonal matrix are three evenly spread directions at once.
    axes, _ = torch.linalg.qr(normal((TURNS, 3, 3), "palette").double())
    p, q = (torch.einsum("tuc,bchw->btuhw", axes.to(x.device), x.double()).flatten(0, 1) for x in (a, b))
    return histogram_distance(p, q).view(-1, TURNS).mean(1).to(a.dtype)


def equal_grey(image: Tensor) -> Tensor:
    """A picture without its colours: luma with mean 0.5 and standard deviation 0.2, on three channels.

    What is left to differ between two such pictures is how light and dark are arranged. One that is nearly flat is
    not stretched to full contrast, since that would show its noise: the divisor is at least 0.02.

    Args:
        image: B×3×H×W in [0, 1].

    Returns:
        B×3×H×W, not clamped.

    Raises:
        InputError: Another shape.

    >>> picture = torch.rand(1, 3, 8, 8)
    >>> torch.allclose(equal_grey(0.2 + 0.5 * picture), equal_grey(picture), atol=1e-5)
    True
    """
    _check("equal_grey", image)
    luma = (image * image.new_tensor(REC_601).view(3, 1, 1)).sum(1, keepdim=True)
    rest = luma - luma.mean((2, 3), keepdim=True)
    spread = rest.square().mean((2, 3), keepdim=True).sqrt().clamp_min(FLAT)
    return (0.5 + CONTRAST * rest / spread).expand_as(image)


def hsv_saturation(image: Tensor) -> Tensor:
    """Mean saturation, (max − min)/max over the channels of a pixel; 0 for black.

    Args:
        image: B×3×H×W in [0, 1].

    Returns:
        B values in [0, 1].

    Raises:
        InputError: Another shape.

    >>> hsv_saturation(torch.tensor([1.0, 0.5, 0.5]).view(1, 3, 1, 1))
    tensor([0.5000])
    """
    _check("hsv_saturation", image)
    high, low = image.amax(1), image.amin(1)
    return ((high - low) / high.clamp_min(1e-6)).mean((1, 2))


def _check(name: str, image: Tensor) -> None:
    if image.dim() != 4 or image.shape[1] != 3 or 0 in image.shape or not image.is_floating_point():
        raise InputError(f"{name}: {image.dtype} of shape {tuple(image.shape)}; give B×3×H×W of floating-point numbers")
