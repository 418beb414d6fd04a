"""What a loss and a regulariser are."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lit_nst.errors import InputError


class Loss(nn.Module):
    """A compared term, λ·Σₗ λₗ·d(s(Φₗ(x)), s(Φₗ(t))), one value per row.

    A subclass gives ``statistics`` (s), ``distance`` (d), or both.

    Args:
        layers: Names of the layers that are compared; ``"image"`` is the picture itself, in [0, 1].
        weight: λ, factor of the whole term.
        layer_weights: λₗ, one per layer; None: 1/number of layers each.

    Raises:
        InputError: No layer, or another number of weights than of layers.
    """

    def __init__(
        self, layers: Sequence[str], weight: float = 1.0, layer_weights: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        self.layers = list(layers)
        if not self.layers:
            raise InputError(f"{type(self).__name__}: layers is empty; name at least one")
        if layer_weights is None:
            layer_weights = [1 / len(self.layers)] * len(self.layers)
        if len(layer_weights) != len(self.layers):
            given, needed = len(layer_weights), len(self.layers)
            raise InputError(f"{type(self).__name__}: {given} layer_weights for {needed} layers; give one each")
        self.weight, self.layer_weights = weight, list(layer_weights)

    def statistics(self, feature: Tensor) -> Tensor:
        """What is compared of one layer: B×C×H×W → B×…; the feature itself by default."""
        return feature

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """Distance of two statistics, a row each: B×…, B×… → B."""
        raise NotImplementedError

    def measure(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Statistics of every layer of the loss, in float32 or better."""
        with torch.autocast(next(iter(features.values())).device.type, enabled=False):
            return {layer: self.statistics(_full(features[layer])) for layer in self.layers}

    def forward(self, features: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """The weighted term.

        Args:
            features: Layer → B×C×H×W, of the prediction.
            target: Layer → statistics, from ``measure``.

        Returns:
            B values.
        """
        own = self.measure(features)
        terms = [
            weight * self.distance(own[layer], target[layer])
            for layer, weight in zip(self.layers, self.layer_weights, strict=True)
        ]
        return self.weight * torch.stack(terms).sum(0)


class Regulariser(nn.Module):
    """A term R(x, w) that compares with nothing, one value per row.

    Args:
        weight: λ, factor of the term.
    """

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def penalty(self, image: Tensor, latent: Tensor) -> Tensor:
        """The unweighted term.

        Args:
            image: The clean (not degraded) images, B×3×H×W, about [0, 1].
            latent: ``w`` standardised by its generator, (w − w̄)/σ, B×….

        Returns:
            B values.
        """
        raise NotImplementedError

    def forward(self, image: Tensor, latent: Tensor) -> Tensor:
        """λ times the penalty, B values."""
        return self.weight * self.penalty(image, latent)


def _full(x: Tensor) -> Tensor:
    """Half precisions become float32; float32 and float64 stay."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
