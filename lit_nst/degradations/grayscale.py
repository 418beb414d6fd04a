"""Loss of colour."""

import torch
from torch import Tensor

from lit_nst.degradations.base import Degradation


class Grayscale(Degradation):
    """y = 0.299·R + 0.587·G + 0.114·B, in all three channels.

    The Y row of YIQ (NTSC 1953, ITU-R BT.601), on the sRGB values as they are. Linear.

    >>> Grayscale()(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)).flatten()
    tensor([0.2990, 0.2990, 0.2990])
    """

    luminance: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("luminance", torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """B×3×H×W in [0, 1] → the same shape and range."""
        gray = (image * self.luminance.to(image.dtype)).sum(1, keepdim=True)
        return gray.expand_as(image)
