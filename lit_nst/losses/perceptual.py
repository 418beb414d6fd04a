"""Distance of feature maps, position by position."""

from torch import Tensor

from lit_nst.functional.reduce import row_mean
from lit_nst.losses.base import Loss, Weight


class PerceptualLoss(Loss):
    """Squared distance of unit-length features, λ·Σₗ λₗ·⟨‖f̂ₗ(x) − f̂ₗ(t)‖²⟩ with f̂ = f/‖f‖.

    ‖·‖ runs over the channels of one position, ⟨⟩ over the positions, so a layer gives 0 to 4 (0 to 2
    for maps without negatives), at any size of the picture. Without ``normalize`` it is ⟨(fₗ(x) − fₗ(t))²⟩ over
    positions and channels.

    Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", 2018.
    Departure: no learnt weights of channels (LPIPS's ``lin`` layers), each counts 1; so the values are
    not LPIPS scores.

    Args:
        layers: Names of the layers that are compared.
        weight: λ, factor of the whole term.
        layer_weights: λₗ, one per layer; None: 1/number of layers each (LPIPS: 1 each).
        normalize: Unit length at every position; makes the term blind to contrast of the features, and
            the layers comparable.

    Raises:
        InputError: No layer, or another number of weights than of layers.
    """

    def __init__(
        self,
        layers: list[str],
        weight: Weight = 1.0,
        layer_weights: list[float] | None = None,
        normalize: bool = True,
    ) -> None:
        super().__init__(layers, weight, layer_weights)
        self.normalize = normalize

    def statistics(self, feature: Tensor) -> Tensor:
        """The feature map, B×C×H×W, of unit length over C when normalised."""
        if not self.normalize:
            return feature
        # Inside the root, so that a position where every channel is 0 has a finite gradient.
        return feature / (feature.square().sum(1, keepdim=True) + 1e-8).sqrt()

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """Mean over positions of the sum (normalised) or mean (not) over channels, B values."""
        mean = row_mean((a - b).square())
        return mean * a.shape[1] if self.normalize else mean
