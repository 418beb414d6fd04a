"""Weights of a network that was trained on nothing: random, orthogonal, scaled by what passes through."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from lit_nst.features.modules import Fire

Picture = NDArray[np.float64]
GRID = 4096.0


@torch.no_grad()
def calibrate(net: nn.Sequential, seed: int, normalise: Callable[[Tensor], Tensor], size: int = 32) -> None:
    """Fills the convolutions of a chain of convolutions, ReLUs, poolings and Fires, one after the other.

    Each convolution gets orthonormal filters, a gain and a bias per channel, such that over some
    procedural pictures all channels of a layer have mean 0 and the same variance before the ReLU (which
    then passes about half of the positions), and the layer has mean 1 after it.

    Numbers come from NumPy's legacy stream, which is promised not to change; filters, gains and biases
    are rounded to 12 bits, so that the products fit float32 and are the same bit for bit on every machine.

    Random features for inversion and style: He, Wang & Hopcroft, "A Powerful Generative Model Using
    Random Weights for the Deep Image Representation", 2016; their mean activation of 1 is kept, their
    search among candidates is left out. Orthogonal filters and the scaling in one pass: Mishkin & Matas,
    "All you need is a good init", 2016; the centring is added, because without it the features of any
    two pictures become nearly parallel with depth. Filters are not made zero-mean, so brightness stays
    visible.

    Args:
        net: The chain; its convolutions are overwritten.
        seed: Of the pictures and the filters. A chain cut short gets the same weights as the whole one.
        normalise: What the network does to pictures in [0, 1] before its first convolution.
        size: Height and width of the pictures; so many that the deepest maps have some positions.
    """
    random = np.random.RandomState(seed)

    def filled(convolution: nn.Conv2d, y: Tensor) -> Tensor:
        return _fill(convolution, y, random)

    x = normalise(torch.from_numpy(pictures(random, size)))
    for module in net:
        if isinstance(module, nn.Conv2d):
            x = filled(module, x)
        else:
            x = module.run(x, filled) if isinstance(module, Fire) else module(x)


def pictures(random: np.random.RandomState, size: int = 32) -> Picture:
    """Small colour pictures with what photographs have: 1/f noise, occlusion, edges, stripes, gradients.

    Args:
        random: Stream that the pictures are drawn from.
        size: Height and width, a multiple of 16.

    Returns:
        24×3×size×size in [0, 1], on the 256 levels of an 8-bit file.
    """
    kinds = (_noise, _noise, _leaves, _leaves, _stripes, _gradient)
    drawn = [kind(random, size) for _ in range(4) for kind in kinds]
    levels: Picture = np.rint(np.stack(drawn).clip(0, 1) * 255) / 255
    return levels


def _fill(conv: nn.Conv2d, x: Tensor, random: np.random.RandomState) -> Tensor:
    normal = torch.from_numpy(random.standard_normal((conv.out_channels, conv.weight[0].numel())))
    filters = _orthonormal(normal)
    filters = _round(filters, filters.abs().max()).view(conv.weight.shape)
    # The network pads with zeros. Here that would let the border rule the deep layers, whose maps are small, and
    # maps of larger pictures, which are nearly all interior, would come out many times too strong.
    side = int(conv.padding[0])
    y = F.conv2d(F.pad(x, (side, side, side, side), mode="replicate"), filters, stride=conv.stride)
    mean, std = y.mean((0, 2, 3), keepdim=True), y.std((0, 2, 3), correction=0, keepdim=True)
    gain = 1 / (std * F.relu((y - mean) / std).mean())
    gain = _round(gain, gain)
    bias = (-mean * gain * GRID).round() / GRID
    conv.weight.copy_(filters * gain.view(-1, 1, 1, 1))
    assert conv.bias is not None
    conv.bias.copy_(bias.flatten())
    return y * gain + bias


def _orthonormal(normal: Tensor) -> Tensor:
    """Orthonormal rows, or columns where there are more rows: the Q of a QR with a positive diagonal.

    Cholesky's factor of the Gram matrix is that R; it is several times faster than Householder's QR and
    as exact, since wide Gaussian matrices are well conditioned.
    """
    if normal.shape[0] > normal.shape[1]:
        return _orthonormal(normal.T).T.contiguous()
    rows: Tensor = torch.linalg.solve_triangular(torch.linalg.cholesky(normal @ normal.T), normal, upper=False)
    return rows


def _round(x: Tensor, largest: Tensor) -> Tensor:
    """Rounds to 12 bits of the largest."""
    step = torch.ldexp(torch.ones_like(largest), torch.frexp(largest).exponent) / GRID
    return (x / step).round() * step


def _noise(random: np.random.RandomState, size: int) -> Picture:
    y, x = np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None]
    amplitude = 1 / np.maximum(np.hypot(y, x), 1 / size)
    plane = np.fft.ifft2(np.fft.fft2(random.standard_normal((4, size, size))) * amplitude).real
    plane /= plane.std()
    noise: Picture = _colour(random) + 0.2 * plane[:1] + 0.06 * plane[1:]
    return noise


def _leaves(random: np.random.RandomState, size: int) -> Picture:
    """Dead leaves: discs that hide one another, their areas spread as those of objects in photographs."""
    y, x = np.mgrid[:size, :size]
    picture = np.broadcast_to(_colour(random), (3, size, size)).copy()
    for _ in range(60 * size**2 // 32**2):
        radius = 2 / np.sqrt(random.uniform(0.005, 1))
        centre = random.uniform(0, size, 2)
        inside = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
        picture = np.where(inside, _colour(random), picture)
    return picture


def _stripes(random: np.random.RandomState, size: int) -> Picture:
    """Square patches, each with stripes of two colours, of its own direction, width and sharpness."""
    picture = np.empty((3, size, size))
    y, x = np.mgrid[:16, :16]
    for top in range(0, size, 16):
        for left in range(0, size, 16):
            angle, period, sharpness, phase = random.uniform([0, 3, 1, 0], [np.pi, 24, 8, 2 * np.pi])
            wave = np.sin(2 * np.pi / period * (np.cos(angle) * x + np.sin(angle) * y) + phase)
            share = 0.5 + 0.5 * np.clip(sharpness * wave, -1, 1)
            picture[:, top : top + 16, left : left + 16] = share * _colour(random) + (1 - share) * _colour(random)
    return picture


def _gradient(random: np.random.RandomState, size: int) -> Picture:
    """The corners' colours, mixed in proportion to nearness."""
    ramp = np.linspace(0, 1, size)
    down, right = ramp[:, None], ramp[None]
    above = (1 - right) * _colour(random) + right * _colour(random)
    below = (1 - right) * _colour(random) + right * _colour(random)
    picture: Picture = (1 - down) * above + down * below
    return picture


def _colour(random: np.random.RandomState) -> Picture:
    """3×1×1: mostly grey, as colours in photographs are."""
    colour: Picture = random.uniform(0.1, 0.9) + random.uniform(-0.25, 0.25, (3, 1, 1))
    return colour
