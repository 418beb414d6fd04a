"""The image itself as ``w``."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.generators.base import Generator

SLOPE = 4.0


class Pixels(Generator):
    """G(w) = w: the optimised tensor is the image, 3×H×W in [0, 1].

    A search starts from mid-grey, or from a picture; the unit of its step sizes is 1, the whole range of a
    pixel.

    Args:
        box: How the pixels are kept in [0, 1]. ``clamp``: ``w`` is clamped after every step, which suits Adam
            and the like. ``sigmoid``: G(w) = 1/(1 + e^{−4·(w − ½)}), whose slope is 1 at mid-grey, which suits
            line searches. ``none``: they may leave it, and only the saved picture is clamped.

    Raises:
        InputError: Another box.
    """

    def __init__(self, box: Literal["none", "clamp", "sigmoid"] = "none") -> None:
        super().__init__()
        if box not in ("none", "clamp", "sigmoid"):
            raise InputError(f'generator.box is "{box}"; give none, clamp or sigmoid')
        self.box, self.clamps = box, box == "clamp"
        self.register_buffer("center", torch.tensor(0.5), persistent=False)
        self.register_buffer("scale", torch.tensor(1.0), persistent=False)

    def shape(self, image: Sequence[int]) -> torch.Size:
        """The target's own shape."""
        return torch.Size(image)

    def encode(self, image: Tensor) -> Tensor:
        """The ``w`` of a picture; with ``sigmoid`` black and white come out as 0.5 % and 99.5 %."""
        if self.box == "sigmoid":
            return self.center + torch.logit(image, 0.005) / SLOPE
        return image

    def project(self, w: Tensor) -> Tensor:
        """Clamps, with that box."""
        return w.clamp(0, 1) if self.clamps else w

    def forward(self, w: Tensor) -> Tensor:
        """The identity, or the sigmoid."""
        return torch.sigmoid(SLOPE * (w - self.center)) if self.box == "sigmoid" else w
