"""Distance of features to the most similar ones of the target."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.functional.neighbours import nearest, unit
from lit_nst.functional.reduce import row_mean
from lit_nst.losses.base import Loss, Weight


class NearestNeighbourLoss(Loss):
    """Cosine distance to the nearest neighbour, λ·Σₗ λₗ·⟨minⱼ ½‖uᵢ(x) − uⱼ(t)‖²⟩ᵢ with u = (f − ⟨f(t)⟩)/‖f − ⟨f(t)⟩‖.

    ½‖u − v‖² = 1 − cos(u, v), at most 1, since the target's centred features sum to 0 and so
    some of them have a cosine of at least 0. To a target of one feature, whose u is 0, it is ½, and 0 at
    equality. Features are those of single positions, or of patches of them with all their channels. Both
    pictures are centred by the target's mean. What it matches is local detail as it is, not its amount: a
    part of the target that is never the nearest has no pull. A blend has all positions of all pictures to
    choose from; a weight only says, above 0, that a picture takes part.

    Li & Wand, "Combining Markov Random Fields and Convolutional Neural Networks for Image Synthesis",
    2016, match patches by their correlation and then take the squared difference of features as they are;
    Kolkin, Kucera, Paris, Sykora, Shechtman & Shakhnarovich, "Neural Neighbor Style Transfer", 2022, the
    cosine distance of centred features of single positions, as here. Departures: every layer for itself
    in place of a stack of several; no turned or scaled copies of the target; the search is repeated at
    every step; the prediction, too, is centred by the target's mean, so that its own mean is matched.

    The similarities are computed in chunks of at most 2²⁴ (64 MiB in float32) and not kept for the
    gradient; beside them, features of patch² times the size of the map are held.

    Args:
        layers: Names of the layers that are compared.
        weight: λ, factor of the whole term.
        layer_weights: λₗ, one per layer; None: 1/number of layers each.
        patch: Side of the patches, in positions of the layer; a smaller map is extended by its last rows
            and columns. At most 64.

    Raises:
        InputError: No layer, another number of weights than of layers, or a patch outside 1 to 64.
    """

    def __init__(
        self,
        layers: list[str],
        weight: Weight = 1.0,
        layer_weights: list[float] | None = None,
        patch: int = 1,
    ) -> None:
        super().__init__(layers, weight, layer_weights)
        if not 1 <= patch <= 64:
            raise InputError(f"NearestNeighbourLoss: patch is {patch}; give 1 to 64")
        self.patch = patch

    def statistics(self, feature: Tensor) -> Tensor:
        """Mean, then the features of the positions, B×(1 + N)×C·patch², N = (H − patch + 1)·(W − patch + 1)."""
        if self.patch == 1:
            return _with_mean(feature.flatten(2).mT)
        height, width = (max(0, self.patch - side) for side in feature.shape[2:])
        return _with_mean(F.unfold(F.pad(feature, (0, width, 0, height), mode="replicate"), self.patch).mT)

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """Mean over the positions of ``a`` of the cosine distance to the nearest of ``b``, B values."""
        center = b[:, :1]
        own, other = unit(a[:, 1:] - center), unit(b[:, 1:] - center)
        index = nearest(own, other)[..., None].expand(-1, -1, other.shape[2])
        return row_mean((own - other.gather(1, index)).square()) * (a.shape[2] / 2)

    def align(self, parts: Sequence[Tensor], like: Tensor) -> Tensor:
        """The positions of all pictures; those of smaller ones are followed by copies of the last."""
        most = max(part.shape[1] for part in parts)
        return torch.cat([part[:, torch.arange(most).clamp_max(part.shape[1] - 1)] for part in parts])

    def _mix(self, parts: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
        return parts[0] if len(parts) == 1 else _with_mean(torch.cat([part[:, 1:] for part in parts], 1))


def _with_mean(features: Tensor) -> Tensor:
    """The mean goes along, since copies of positions would change it."""
    return torch.cat([features.mean(1, keepdim=True), features], 1)
