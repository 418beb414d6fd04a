"""The image itself as ``w``."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lit_nst.generators.base import Generator


class Pixels(Generator):
    """G(w) = w: the optimised tensor is the image, 3×H×W in [0, 1].

    A search starts from mid-grey (plus the task's ``init_noise``); the unit of its step sizes is 1, the
    whole range of a pixel.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("center", torch.tensor(0.5), persistent=False)
        self.register_buffer("scale", torch.tensor(1.0), persistent=False)

    def shape(self, image: Sequence[int]) -> torch.Size:
        """The target's own shape."""
        return torch.Size(image)

    def forward(self, w: Tensor) -> Tensor:
        """The identity."""
        return w
