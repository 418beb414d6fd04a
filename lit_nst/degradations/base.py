"""What a degradation is."""

from collections.abc import Sequence

from torch import Tensor, nn


class Degradation(nn.Module):
    """The operator D of a measurement y = D(t).

    ``forward`` is differentiable and used on the prediction at each step; ``observe`` is the true
    operator, used once on the target. Both keep three channels and the range [0, 1]. Buffers are
    registered with ``persistent=False``: a checkpoint holds ``w`` alone.

    Attributes:
        role: Name of the images (such as ``"mask"``) that the operator takes from the data when they
            are given there, through ``attach``; None for most.
        observed: The target already is this operator's measurement.
    """

    role: str | None = None
    observed: bool = False

    def forward(self, image: Tensor) -> Tensor:
        """B×3×H×W in [0, 1] → B×3×h×w."""
        raise NotImplementedError

    def observe(self, image: Tensor, rows: Sequence[int]) -> Tensor:
        """The true measurement.

        Args:
            image: B×3×H×W in [0, 1].
            rows: The number of each image in the whole run: the key of its random numbers.

        Returns:
            B×3×h×w; ``forward(image)`` unless the operator says otherwise.
        """
        measurement: Tensor = self(image)
        return measurement

    def attach(self, images: Tensor) -> None:
        """Takes the images of ``role``, a row per target or one for all."""
        raise NotImplementedError
