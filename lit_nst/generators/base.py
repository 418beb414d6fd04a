"""What a generator is."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lit_nst.errors import InputError


class Generator(nn.Module):
    """G: a row of ``w`` → an image in about [0, 1].

    Attributes:
        resolution: Side of the square images that it makes; None: that of the target.
        center: Where a search starts, broadcast to a row of ``w``.
        scale: Standard deviation of one coordinate of ``w``: the unit of step sizes and distances.
        digest: SHA-256 of the weights' file; None without one.
        clamps: Whether ``project`` changes anything.
    """

    resolution: int | None = None
    digest: str | None = None
    clamps: bool = False
    center: Tensor
    scale: Tensor

    def shape(self, image: Sequence[int]) -> torch.Size:
        """Shape of one row of ``w`` for a target of shape 3×H×W."""
        raise NotImplementedError

    def standardize(self, w: Tensor) -> Tensor:
        """(w − w̄)/σ."""
        return (w - self.center) / self.scale

    def encode(self, image: Tensor) -> Tensor:
        """B×3×H×W in [0, 1] → the ``w`` that makes it.

        Raises:
            InputError: The generator has none.
        """
        raise InputError(f"search.start: {type(self).__name__} cannot start from a picture; use center")

    def project(self, w: Tensor) -> Tensor:
        """The nearest allowed ``w``; ``w`` itself by default."""
        return w

    def latent(self, w: Tensor) -> Tensor | None:
        """The latents that the results keep, B×…; None when ``w`` is the image itself."""
        return None

    def forward(self, w: Tensor) -> Tensor:
        """B×(row of w) → B×3×H×W, about [0, 1], not clamped."""
        raise NotImplementedError
