"""Noise of a camera."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lit_nst.degradations.base import Degradation
from lit_nst.errors import InputError
from lit_nst.functional.random import generator, normal


class Noise(Degradation):
    """y = m·(Poisson(p·x)/p + σ·n), n ~ N(0, 1), m ~ Bernoulli(1 − d) per pixel.

    ``observe`` draws it once for the target. ``forward`` is its mean, (1 − d)·x: a prediction that
    carried noise of its own could never fit. Every row has its own numbers, keyed by seed and row, so
    neither the batch nor the number of devices plays a part. Two ``Noise`` in one chain need two seeds.

    The measurement leaves [0, 1] where the noise does, the one exception to the rule: clamping would
    shift its mean near black and white, and the best fit with it.

    Args:
        sigma: σ, standard deviation of the Gaussian noise, on the scale of [0, 1].
        photons: p, expected photons of a white channel; 0: no shot noise. Less is noisier.
        drop: d, share of pixels that are lost (0 in all three channels).
        seed: Key of the random numbers.

    Raises:
        InputError: A σ or number of photons that is negative or not finite, or a share outside [0, 1).

    >>> Noise(sigma=0.1).observe(torch.rand(2, 3, 8, 8), rows=[0, 1]).shape
    torch.Size([2, 3, 8, 8])
    """

    def __init__(self, sigma: float = 0.1, photons: float = 0.0, drop: float = 0.0, seed: int = 0) -> None:
        super().__init__()
        if not (0 <= sigma < math.inf and 0 <= photons < math.inf):
            raise InputError(f"Noise: sigma is {sigma} and photons {photons}; give 0 or more")
        if not 0 <= drop < 1:
            raise InputError(f"Noise: drop is {drop}; give a share from 0 to below 1")
        self.sigma, self.photons, self.drop, self.seed = sigma, photons, drop, seed

    def forward(self, image: Tensor) -> Tensor:
        """B×3×H×W in [0, 1] → the same shape and range: the mean of the measurement."""
        return image * (1 - self.drop) if self.drop else image

    def observe(self, image: Tensor, rows: Sequence[int]) -> Tensor:
        """One draw of the measurement, B×3×H×W → the same shape, not clamped."""
        return torch.stack([self._draw(x, row) for x, row in zip(image, rows, strict=True)])

    def _draw(self, image: Tensor, row: int) -> Tensor:
        """The measurement of one image, 3×H×W; all numbers come from the CPU, the same for every device."""
        y = image.to("cpu", torch.float32)
        if self.photons:
            # A rate cannot be negative; images may be, by rounding or by noise before.
            rate = y.clamp_min(0) * self.photons
            y = torch.poisson(rate, generator(self.seed, "noise-photons", row)) / self.photons
        if self.sigma:
            y = y + self.sigma * normal(y.shape, self.seed, "noise-gaussian", row)
        if self.drop:
            kept = torch.rand(1, *y.shape[-2:], generator=generator(self.seed, "noise-drop", row)) >= self.drop
            y = y * kept
        return y.to(image)
