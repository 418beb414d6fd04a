"""The image itself as ``w``."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.functional.spectrum import scale_frequencies
from lit_nst.generators.base import Generator

SLOPE = 4.0


class Pixels(Generator):
    """G(w) = w: the optimised tensor is the image, 3×H×W in [0, 1].

    A search starts from mid-grey, or from a picture; the unit of its step sizes is 1, the whole range of a
    pixel.

    Args:
        box: How the pixels are kept in [0, 1]. ``clamp``: ``w`` is clamped after every step, which suits Adam
            and the like. ``sigmoid``: x ↦ 1/(1 + e^{−4·(x − ½)}), whose slope is 1 at mid-grey, which suits
            line searches. ``none``: they may leave it, and only the saved picture is clamped.
        spectrum: a; the image is ½ + F⁻¹(s·F(w − ½)) with the Fourier transform F and s ∝ 1/fᵃ of mean square 1, before
            the box. Coarse structure, of which pictures have more and which steps in pixels find last, then takes
            larger steps, and noise is 1/fᵃ noise. 0: w is the image; ½ suits style transfer. Olah, Mordvintsev &
            Schubert, "Feature Visualization", 2017, use 1.

    Raises:
        InputError: Another box, or a spectrum outside 0 to 2.
    """

    def __init__(self, box: Literal["none", "clamp", "sigmoid"] = "none", spectrum: float = 0.0) -> None:
        super().__init__()
        if box not in ("none", "clamp", "sigmoid"):
            raise InputError(f'generator.box is "{box}"; give none, clamp or sigmoid')
        if not 0 <= spectrum <= 2:
            raise InputError(f"generator.spectrum is {spectrum:g}; give 0 to 2")
        self.box, self.clamps, self.spectrum = box, box == "clamp", spectrum
        self.register_buffer("center", torch.tensor(0.5), persistent=False)
        self.register_buffer("scale", torch.tensor(1.0), persistent=False)

    def shape(self, image: Sequence[int]) -> torch.Size:
        """The target's own shape."""
        return torch.Size(image)

    def encode(self, image: Tensor) -> Tensor:
        """The ``w`` of a picture; with ``sigmoid`` black and white come out as 0.5 % and 99.5 %."""
        if self.box == "sigmoid":
            image = self.center + torch.logit(image, 0.005) / SLOPE
        return self._scaled(image, -self.spectrum)

    def project(self, w: Tensor) -> Tensor:
        """Clamps the image, with that box."""
        if not self.clamps:
            return w
        return self.encode(self(w).clamp(0, 1)) if self.spectrum else w.clamp(0, 1)

    def forward(self, w: Tensor) -> Tensor:
        """The identity, or what spectrum and box make of it."""
        x = self._scaled(w, self.spectrum)
        return torch.sigmoid(SLOPE * (x - self.center)) if self.box == "sigmoid" else x

    def _scaled(self, x: Tensor, power: float) -> Tensor:
        return self.center + scale_frequencies(x - self.center, power) if power else x
