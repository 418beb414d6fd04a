"""Distance of feature maps as they are."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.functional.reduce import row_mean
from lit_nst.losses.base import Loss, Weight

Normalization = Literal["mean", "gatys", "energy"]


class ContentLoss(Loss):
    """Squared difference of feature maps, position by position, λ·Σₗ λₗ·d(fₗ(x), fₗ(t)).

    ``normalization`` gives d: ``"mean"`` is ⟨(f − t)²⟩ over channels and positions; ``"gatys"`` is ½·Σ(f − t)²,
    which grows with the size of the picture; ``"energy"`` is Σ(f − t)²/Σt², which compares over sizes,
    layers and networks: 1 is the distance of a map of zeros. An energy ⟨t²⟩ below 1e-8 counts as 1e-8.

    "gatys": Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural Networks", 2016.
    "energy": Mahendran & Vedaldi, "Understanding Deep Image Representations by Inverting Them", 2015.
    Departure: the default is the mean, as in most later implementations, so that a weight fits every size.

    Args:
        layers: Names of the layers that are compared.
        weight: λ, factor of the whole term.
        layer_weights: λₗ, one per layer; None: 1/number of layers each.
        normalization: d, see above.

    Raises:
        InputError: No layer, another number of weights than of layers, another normalisation, or a target
            whose maps have another size than the prediction's.
    """

    def __init__(
        self,
        layers: list[str],
        weight: Weight = 1.0,
        layer_weights: list[float] | None = None,
        normalization: Normalization = "mean",
    ) -> None:
        super().__init__(layers, weight, layer_weights)
        if normalization not in ("mean", "gatys", "energy"):
            raise InputError(f"ContentLoss: normalization is {normalization!r}; give mean, gatys or energy")
        self.normalization = normalization

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """The difference of two maps B×C×H×W, normalised, B values."""
        if a.shape != b.shape:
            sizes = ["×".join(map(str, x.shape[-2:])) for x in (b, a)]
            raise InputError(
                f"ContentLoss: the target's maps are {sizes[0]}, the result's {sizes[1]}; give a target of its size"
            )
        error = _mean((a - b).square())
        if self.normalization == "gatys":
            return error * (a[0].numel() / 2)
        return error / _mean(b.square()).clamp_min(1e-8) if self.normalization == "energy" else error

    def energy(self, target: Mapping[str, Tensor]) -> Tensor:
        """Mean square of the target's maps, Σₗ λₗ·⟨t²⟩/Σₗ λₗ, B values.

        Of a single layer it is the ratio of the distances by ``"mean"`` and by ``"energy"``.
        """
        weights = torch.tensor(self.layer_weights)
        means = torch.stack([_mean(target[layer].square()).cpu() for layer in self.layers], 1)
        return (means * weights).sum(1) / weights.sum()


def _mean(x: Tensor) -> Tensor:
    """Mean of each row; the channels go first, which is many times as quick for channels-last maps."""
    return row_mean(torch.movedim(x, 1, -1))
