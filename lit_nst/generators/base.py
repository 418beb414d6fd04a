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
        small: Cheap enough that a lone row is computed twice, which gives it the bits that it has among others.
        phases: Number of the spaces, each wider than the last, that a search passes through.
    """

    resolution: int | None = None
    digest: str | None = None
    clamps: bool = False
    phases: int = 1
    small: bool = False
    center: Tensor
    scale: Tensor

    def shape(self, image: Sequence[int]) -> torch.Size:
        """Shape of one row of ``w`` for a target of shape 3×H×W."""
        raise NotImplementedError

    def standardize(self, w: Tensor) -> Tensor:
        """(w − w̄)/σ."""
        return (w - self.center) / self.scale

    def tie(self, x: Tensor, phase: int) -> Tensor:
        """The mean of a gradient over the coordinates of ``w`` that are one in a phase, in each of them.

        The mean, not the sum: what an optimiser has learnt of its size still holds in the next phase.
        """
        return x

    def share(self, noise: Tensor, phase: int) -> Tensor:
        """Noise as a search adds it to ``w``: the same in all coordinates that are one in a phase."""
        return noise

    def sample(self, count: int, seed: int) -> Tensor:
        """Random rows of ``w`` as the generator knows them.

        Raises:
            InputError: The generator has none.
        """
        raise InputError(f"{type(self).__name__} has no samples; leave search.candidates at 0")

    def penalty(self, w: Tensor) -> Tensor | None:
        """A term of the generator's own, one value per row; None for most."""
        return None

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

    def weights_digest(self) -> str | None:
        """SHA-256 of the weights themselves, the same in every file format; None without weights."""
        return None

    def forward(self, w: Tensor) -> Tensor:
        """B×(row of w) → B×3×H×W, about [0, 1], not clamped."""
        raise NotImplementedError
