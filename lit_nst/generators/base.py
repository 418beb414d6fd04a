"""What a generator is."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Generator(nn.Module):
    """G: a row of ``w`` → an image in about [0, 1].

    Attributes:
        resolution: Side of the square images that it makes; None: that of the target.
        center: Where a search starts, broadcast to a row of ``w``.
        scale: Standard deviation of one coordinate of ``w``: the unit of step sizes and distances.
        digest: SHA-256 of the weights' file; None without one.
    """

    resolution: int | None = None
    digest: str | None = None
    center: Tensor
    scale: Tensor

    def shape(self, image: Sequence[int]) -> torch.Size:
        """Shape of one row of ``w`` for a target of shape 3×H×W."""
        raise NotImplementedError

    def standardize(self, w: Tensor) -> Tensor:
        """(w − w̄)/σ."""
        return (w - self.center) / self.scale

    def latent(self, w: Tensor) -> Tensor | None:
        """The latents that the results keep, B×…; None when ``w`` is the image itself."""
        return None

    def forward(self, w: Tensor) -> Tensor:
        """B×(row of w) → B×3×H×W, about [0, 1], not clamped."""
        raise NotImplementedError
