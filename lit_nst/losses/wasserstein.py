"""Wasserstein distance of normal distributions of features."""

from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.functional.statistics import covariance, moments
from lit_nst.functional.wasserstein import wasserstein_normal
from lit_nst.losses.base import Loss, Weight


class WassersteinLoss(Loss):
    """W² of normal distributions, λ·Σₗ λₗ·1/C·(‖Δμ‖² + tr(Σx + Σt − 2·(Σt^½·Σx·Σt^½)^½)).

    Σ = ⟨f·fᵀ⟩ − ⟨f⟩·⟨f⟩ᵀ + eps·I. In the units of the features squared, per channel, where Gram matrices compare
    fourth powers: strong channels do not drown the others. The statistics are the raw moments, so a blend is that of
    the pictures side by side. A layer of 512 channels costs about a fifth of a second per step on a CPU core,
    one of 128 a hundredth. The distance is computed in float64, which the device must have.

    The formula is Olkin & Pukelsheim's, "The distance between two random vectors with given dispersion
    matrices", 1982; for style Vacher, Davila, Kohn & Coen-Cagli, "Texture Interpolation for Probing
    Visual Perception", 2020. Departures: ``eps``, and the division by C. See
    ``lit_nst.functional.wasserstein`` for the root.

    Args:
        layers: Names of the layers that are compared.
        weight: λ, factor of the whole term.
        layer_weights: λₗ, one per layer; None: 1/number of layers each.
        eps: Added to every variance, in squared units of the features; above 0. It should exceed 1e-6 of
            their mean square, the rounding of Σ.

    Raises:
        InputError: No layer, another number of weights than of layers, or an eps of 0 or less.
    """

    def __init__(
        self,
        layers: list[str],
        weight: Weight = 1.0,
        layer_weights: list[float] | None = None,
        eps: float = 1e-4,
    ) -> None:
        super().__init__(layers, weight, layer_weights)
        if not 1e-30 <= eps <= 1e30:
            raise InputError(f"WassersteinLoss: eps is {eps:g}; give a number from 1e-30 to 1e30")
        self.eps = eps

    def statistics(self, feature: Tensor) -> Tensor:
        """Mean, and second raw moment below it, B×(C+1)×C."""
        return moments(feature)

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """W²/C, B values."""
        return wasserstein_normal(*covariance(a), *covariance(b), self.eps) / a.shape[2]
