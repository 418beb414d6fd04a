"""What losses of sorted values share."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lit_nst.functional.quantiles import resample, wasserstein_1d
from lit_nst.losses.base import Loss


class QuantileLoss(Loss):
    """A loss whose statistics are sorted along the last axis; a subclass says of what."""

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """Mean squared difference of quantiles, B values."""
        return wasserstein_1d(a, b)

    def align(self, parts: Sequence[Tensor], like: Tensor) -> Tensor:
        """The quantiles of all pictures, as many as the result has."""
        return torch.cat([resample(part, like.shape[-1]) for part in parts])

    def _mix(self, parts: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
        longest = max(part.shape[-1] for part in parts)
        return super()._mix([resample(part, longest) for part in parts], shares)
