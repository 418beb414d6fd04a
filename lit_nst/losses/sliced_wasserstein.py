"""Distance of the distributions of features along random directions."""

import torch
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.functional.random import normal
from lit_nst.losses.base import Weight
from lit_nst.losses.quantile import QuantileLoss


class SlicedWassersteinLoss(QuantileLoss):
    """Sliced W², λ·Σₗ λₗ·⟨(⟨θ, f(x)⟩₍ᵢ₎ − ⟨θ, f(t)⟩₍ᵢ₎)²⟩ over unit directions θ and quantiles i.

    Every direction projects the features of a picture to as many numbers as it has positions, which are
    sorted and compared; so whole distributions are matched, not two of their moments. A target with
    another number of positions is resampled to the prediction's, linearly between its quantiles. A blend
    is the mean of the quantiles, that of the longest picture, in between the styles; not both side by side.

    Heitz, Vanhoey, Chambon & Belcour, "A Sliced Wasserstein Loss for Neural Texture Synthesis", 2021.
    Departures: they draw new directions at every step, as many as channels; here they are few and the same for the
    whole run, drawn by ``seed`` and the number of channels, so that the loss is a function of the picture,
    line searches and a resumed run are exact, and the sorting stays quick. Directions that were not drawn
    are then not matched: with fewer directions than channels give several seeds by several losses, or more
    directions. They repeat a smaller target; here it is interpolated.

    Args:
        layers: Names of the layers that are compared.
        weight: λ, factor of the whole term.
        layer_weights: λₗ, one per layer; None: 1/number of layers each.
        directions: Number of directions, 1 to 10,000.
        seed: Of the directions.

    Raises:
        InputError: No layer, another number of weights than of layers, no direction or too many.
    """

    def __init__(
        self,
        layers: list[str],
        weight: Weight = 1.0,
        layer_weights: list[float] | None = None,
        directions: int = 64,
        seed: int = 0,
    ) -> None:
        super().__init__(layers, weight, layer_weights)
        if not 1 <= directions <= 10_000:
            raise InputError(f"SlicedWassersteinLoss: directions is {directions}; give 1 to 10000")
        self.directions, self.seed = directions, seed

    def statistics(self, feature: Tensor) -> Tensor:
        """Sorted projections, B×directions×H·W."""
        channels = feature.shape[1]
        drawn = normal((self.directions, channels), self.seed, "directions", channels, device=feature.device)
        unit = (drawn / drawn.norm(dim=1, keepdim=True)).to(feature)
        return torch.matmul(unit, feature.flatten(2)).sort(-1).values
