"""Distance of means and standard deviations."""

import torch
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.functional.reduce import row_mean
from lit_nst.functional.statistics import mean_square
from lit_nst.losses.base import Loss, Weight


class MeanVarLoss(Loss):
    """Mean and standard deviation of every channel, λ·Σₗ λₗ·1/C·Σ꜀ (Δμ꜀)² + (Δσ꜀)², σ = √(⟨f²⟩ − ⟨f⟩² + eps).

    The cheapest of the style losses: C means instead of C² products. It is the W² of normal distributions
    of independent channels, per channel. The statistics are the raw moments, so a blend is that of the
    pictures side by side.

    Li, Wang, Liu & Hou, "Demystifying Neural Style Transfer", 2017, the matching of batch-normalisation
    statistics. Departure: ``eps``, without which a map of one value has no finite gradient.

    Args:
        layers: Names of the layers that are compared.
        weight: λ, factor of the whole term.
        layer_weights: λₗ, one per layer; None: 1/number of layers each.
        eps: Least variance, in squared units of the features; above 0.

    Raises:
        InputError: No layer, another number of weights than of layers, or an eps of 0 or less.
    """

    def __init__(
        self,
        layers: list[str],
        weight: Weight = 1.0,
        layer_weights: list[float] | None = None,
        eps: float = 1e-6,
    ) -> None:
        super().__init__(layers, weight, layer_weights)
        if not 1e-30 <= eps <= 1e30:
            raise InputError(f"MeanVarLoss: eps is {eps:g}; give a number from 1e-30 to 1e30")
        self.eps = eps

    def statistics(self, feature: Tensor) -> Tensor:
        """Mean and mean square, B×2×C."""
        return mean_square(feature)

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """Mean over the channels of (Δμ)² + (Δσ)², B values."""
        means, deviations = a[:, 0] - b[:, 0], self._deviation(a) - self._deviation(b)
        return row_mean(means.square() + deviations.square())

    def _deviation(self, moments: Tensor) -> Tensor:
        variance = moments[:, 1] - moments[:, 0].square()
        return torch.sqrt(variance.clamp_min(0) + self.eps)
