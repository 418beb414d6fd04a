"""What a loss and a regulariser are."""

import math
from collections.abc import Mapping, Sequence
from functools import reduce

import torch
from torch import Tensor, nn

from lit_nst.errors import InputError

Weight = float | list[float]
# In float32 a larger factor makes losses and gradients infinite.
HEAVIEST = 1e30


class Loss(nn.Module):
    """A compared term, λ·Σₗ λₗ·d(s(Φₗ(x)), s(Φₗ(t))), one value per row.

    A subclass gives ``statistics`` (s), ``distance`` (d), or both; and ``_mix`` where the statistics of
    several pictures are not blended by their weighted mean.

    Args:
        layers: Names of the layers that are compared; ``"image"`` is the picture itself, in [0, 1].
        weight: λ, factor of the whole term; several: a task makes a row of each.
        layer_weights: λₗ, one per layer; None: 1/number of layers each.

    Attributes:
        row_weight: λ of each row, set by the task; None: the first ``weight``.

    Raises:
        InputError: No layer, another number of weights than of layers, or a weight below 0 or above 10³⁰.
    """

    row_weight: Tensor | float | None = None

    def __init__(
        self, layers: Sequence[str], weight: Weight = 1.0, layer_weights: Sequence[float] | None = None
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
        if not all(abs(factor) <= HEAVIEST for factor in layer_weights):
            raise InputError(f"{type(self).__name__}: layer_weights are {layer_weights}; give finite numbers")
        self.weight, self.layer_weights = weight, list(layer_weights)
        _weights(self)

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
        with torch.autocast(next(iter(own.values())).device.type, enabled=False):
            terms = [
                weight * self.distance(own[layer], target[layer])
                for layer, weight in zip(self.layers, self.layer_weights, strict=True)
            ]
        # One after the other: a sum over a stacked axis is rounded by the number of rows beside it.
        return _factor(self) * reduce(torch.add, terms)

    @property
    def weights(self) -> list[float]:
        """All values of λ."""
        return _weights(self)

    def blend(self, parts: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        """Statistics of several pictures as one target of a layer, Σᵢ wᵢ·partᵢ with Σᵢ wᵢ = 1, unless said otherwise.

        Args:
            parts: Statistics of the same layer, B×… each.
            weights: wᵢ, one each, of any sum; a part of weight 0 is left out.

        Raises:
            InputError: Weights below 0 or all 0, another number of weights than of parts, or parts that
                cannot be blended.
        """
        name, given = type(self).__name__, [float(weight) for weight in weights]
        if len(given) != len(parts):
            raise InputError(f"{name}: {len(given)} blend weights for {len(parts)} pictures; give one each")
        total = math.fsum(given)
        if not (all(weight >= 0 for weight in given) and 0 < total < math.inf):
            raise InputError(f"{name}: blend weights are {given}; give none below 0 and one above")
        chosen = [(part, weight / total) for part, weight in zip(parts, given, strict=True) if weight > 0]
        return self._mix([part for part, _ in chosen], [share for _, share in chosen])

    def align(self, parts: Sequence[Tensor], like: Tensor) -> Tensor:
        """Statistics of several pictures as the targets of a batch, one row each, of a common shape.

        A row's distance to its target stays what it is without the others.

        Args:
            parts: Statistics of the same layer, 1×… each.
            like: Those of a result, of which only the shape counts.

        Raises:
            InputError: The pictures differ in size and the loss cannot resample its statistics.
        """
        if len({part.shape for part in parts}) > 1:
            raise InputError(f"{type(self).__name__}: pictures of several sizes cannot be compared; give one size")
        return torch.cat(list(parts))

    def _mix(self, parts: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
        """The blend of parts whose shares are positive and sum to 1."""
        if len({part.shape for part in parts}) > 1:
            raise InputError(f"{type(self).__name__}: pictures of several sizes cannot be blended; give one size")
        return torch.stack([share * part for part, share in zip(parts, shares, strict=True)]).sum(0)


class Regulariser(nn.Module):
    """A term R(x, w) that compares with nothing, one value per row.

    Args:
        weight: λ, factor of the term; several: a task makes a row of each.

    Attributes:
        row_weight: λ of each row, set by the task; None: the first ``weight``.
    """

    row_weight: Tensor | float | None = None

    def __init__(self, weight: Weight = 1.0) -> None:
        super().__init__()
        self.weight = weight
        _weights(self)

    @property
    def weights(self) -> list[float]:
        """All values of λ."""
        return _weights(self)

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
        return _factor(self) * self.penalty(image, latent)


def _weights(term: Loss | Regulariser) -> list[float]:
    given: list[float | None] = term.weight if isinstance(term.weight, list) else [term.weight]  # type: ignore[assignment]
    weights = [math.nan if weight is None else float(weight) for weight in given]
    if not weights or not all(0 <= weight <= HEAVIEST for weight in weights):
        raise InputError(
            f"{type(term).__name__}: weight is {term.weight}; give a number from 0 to {HEAVIEST:g}, or several"
        )
    return weights


def _factor(term: Loss | Regulariser) -> Tensor | float:
    return term.weights[0] if term.row_weight is None else term.row_weight


def _full(x: Tensor) -> Tensor:
    """Half precisions become float32; float32 and float64 stay."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
