"""The eight bits of a file."""

from collections.abc import Sequence

from torch import Tensor

from lit_nst.degradations.base import Degradation


class Quantize(Degradation):
    """y = round(255·x)/255, x clamped to [0, 1]: the measurement as a picture file holds it.

    ``observe`` rounds and clamps. ``forward`` is the identity: a prediction need not be rounded to fit, it
    lies within half a level, and where the target was clamped the straight-through gradient still pulls.
    For measurements that leave [0, 1] or its 256 levels before they reach the user, as those of
    ``Noise`` and ``Downsample`` do. ``JPEG`` has 8 bits by itself; ``Mask`` keeps those of its image.

    >>> import torch
    >>> Quantize().observe(torch.tensor([-0.1, 0.5, 1.2]).view(1, 3, 1, 1), [0]).mul(255).flatten()
    tensor([  0., 128., 255.])
    """

    def forward(self, image: Tensor) -> Tensor:
        """B×3×H×W → the same image."""
        return image

    def observe(self, image: Tensor, rows: Sequence[int]) -> Tensor:
        """B×3×H×W → the nearest of 256 levels in [0, 1]; ``rows`` play no part."""
        levels = (image.float().clamp(0, 1) * 255).round() / 255
        return levels.to(image.dtype)
