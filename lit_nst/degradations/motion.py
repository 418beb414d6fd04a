"""Motion blur."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from lit_nst.degradations.base import Degradation
from lit_nst.degradations.borders import reflect
from lit_nst.errors import InputError
from lit_nst.functional.random import generator, normal

_FARTHEST = 10_000  # pixels of a straight path
_SAMPLES = 16  # of the path, per pixel of its length
_TURNS = 64  # knots of a random path's direction
_LONGEST = 0.75 * math.sqrt(2)  # of a random path that does not turn, in sides of the kernel
_SHORTEST = 0.25  # of that; a shorter one would hardly blur


class MotionBlur(Degradation):
    """y = ∫₀¹ x(· − p(s)) ds: the mean of the image as it moves along a path p at constant speed.

    Between pixels the image is interpolated linearly, so the kernel is an anti-aliased line that sums
    to 1. The borders are reflected without repeating the edge pixel. The convolution goes through Fourier
    space, so a long path costs no more than a short one. Linear; one path for all rows.

    Without ``intensity`` the path is straight, its middle at the pixel itself. With it the path is a smooth
    random walk with its centre of mass there: of length ¾·√2·size·(u + intensity²·v), u and v uniform in
    [0, 1], its direction uniform and turning by a Brownian motion of standard deviation intensity·π
    over its length.

    The benchmark of Chung et al., "Diffusion Posterior Sampling for General Noisy Inverse Problems", 2023
    has ``intensity=0.5, size=61`` at 256 pixels, and then ``Noise(sigma=0.05)``; its paths are those of
    Levi Borodenko's ``motionblur``, 2019. Departures: the direction there is drawn anew at each of some random
    steps, here it turns gradually; u is at least ¼, there a path may be a point; a path that would leave the
    kernel is shrunk into it, not cut; there is no blur of the line beyond the interpolation.

    Args:
        length: Of the straight path, in pixels of the image.
        angle: Of the straight path, in degrees, counter-clockwise from the horizontal.
        intensity: 0: straight; up to 1: the longer and the more winding.
        size: Odd side of the kernel that holds the random path, in pixels of the image.
        seed: Key of the random path.

    Raises:
        InputError: A length that is not positive, an angle that is not finite, an intensity outside
            [0, 1], an even size or one below 3; a path that reaches over a whole side of the image.

    >>> MotionBlur(length=2.0).kernel
    tensor([[0.0000, 0.0000, 0.0000],
            [0.2500, 0.5000, 0.2500],
            [0.0000, 0.0000, 0.0000]])
    """

    kernel: Tensor

    def __init__(
        self, length: float = 9.0, angle: float = 0.0, intensity: float = 0.0, size: int = 61, seed: int = 0
    ) -> None:
        super().__init__()
        if not 0 < length <= _FARTHEST or not math.isfinite(angle):
            advice = f"give a positive number of at most {_FARTHEST} pixels, and a finite one"
            raise InputError(f"MotionBlur: length is {length} and angle {angle}; {advice}")
        if not 0 <= intensity <= 1:
            raise InputError(f"MotionBlur: intensity is {intensity}; give 0 (straight) to 1")
        if not 3 <= size <= _FARTHEST or size % 2 == 0:
            raise InputError(f"MotionBlur: size is {size}; give an odd number from 3 to {_FARTHEST}")
        path = _winding(intensity, size, seed) if intensity else _straight(length, angle)
        self.register_buffer("kernel", _drawn(path).float(), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """B×3×H×W in [0, 1] → the same shape and range."""
        radius, side = self.kernel.shape[-1] // 2, min(image.shape[-2:])
        if radius >= side:
            raise InputError(
                f"MotionBlur: the path reaches {radius} pixels, the image has {side}; give less length or size"
            )
        # Half precision would round the measurement to fewer levels than its 8 bits.
        with torch.autocast(image.device.type, enabled=False):
            x = image.to(torch.promote_types(image.dtype, torch.float32))
            x = _convolved(reflect(reflect(x, radius, -1), radius, -2), self.kernel.to(x.dtype))
        return x.to(image.dtype)


def _convolved(x: Tensor, kernel: Tensor) -> Tensor:
    """Convolution where the kernel fits; the transform wraps round, but only into what is cut off."""
    border = kernel.shape[-1] - 1
    size = [_fast(side) for side in x.shape[-2:]]
    product = torch.fft.rfft2(x, size) * torch.fft.rfft2(kernel, size)
    whole: Tensor = torch.fft.irfft2(product, size)
    return whole[..., border : x.shape[-2], border : x.shape[-1]]


def _fast(side: int) -> int:
    """The next number with no prime factor above 5, whose transform is fast."""
    rest = side
    for prime in (2, 3, 5):
        while rest % prime == 0:
            rest //= prime
    return side if rest == 1 else _fast(side + 1)


def _straight(length: float, angle: float) -> Tensor:
    """Points (x, y) of a line with its middle at 0, N×2."""
    count = _SAMPLES * math.ceil(length)
    along = length * ((torch.arange(count, dtype=torch.float64) + 0.5) / count - 0.5)
    # Rows of an image go down.
    return along[:, None] * torch.tensor([math.cos(math.radians(angle)), -math.sin(math.radians(angle))]).double()


def _winding(intensity: float, size: int, seed: int) -> Tensor:
    """Points (x, y) of a random walk with their mean at 0, none beyond the kernel, N×2."""
    start, u, v = torch.rand(3, generator=generator(seed, "motion-path")).tolist()
    length = _LONGEST * size * (max(u, _SHORTEST) + intensity**2 * v)
    turns = intensity * math.pi / math.sqrt(_TURNS) * normal([_TURNS], seed, "motion-turns").double()
    knots = 2 * math.pi * start + turns.cumsum(0)
    count = _SAMPLES * math.ceil(length)
    heading = F.interpolate(knots[None, None], count, mode="linear", align_corners=True).flatten()
    path: Tensor = length / count * torch.stack((heading.cos(), heading.sin()), 1).cumsum(0)
    path -= path.mean(0)
    return path * min(1.0, (size // 2) / float(path.abs().max()))


def _drawn(path: Tensor) -> Tensor:
    """The kernel of a path: each point is shared by its four pixels, in the smallest square that holds all."""
    # A point on the edge, up to rounding, needs no further pixel.
    radius = max(1, math.ceil(float(path.abs().max()) - 1e-9))
    pixels = torch.arange(-radius, radius + 1, dtype=torch.float64)
    columns, rows = (1 - (path[:, :, None] - pixels).abs()).clamp_min(0).unbind(1)
    kernel = rows.mT @ columns
    return kernel / kernel.sum()
