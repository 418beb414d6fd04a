"""Distance of Gram matrices."""

from typing import Literal

from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.functional.reduce import row_mean
from lit_nst.functional.statistics import gram
from lit_nst.losses.base import Loss, Weight


class GramLoss(Loss):
    """Squared difference of Gram matrices, λ·Σₗ λₗ·1/C²·Σᵢⱼ (Gᵢⱼ(x) − Gᵢⱼ(t))².

    G = F·Fᵀ/(H·W), the mean over positions (``"mean"``), or F·Fᵀ/(C·H·W) (``"gatys"``, the name under which
    it is widely used), with F of C channels × H·W positions. Each picture is divided by its own
    H·W, so the target may have another size.

    Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural Networks", 2016, write
    E = Σᵢⱼ (ΔGᵢⱼ)²/(4·N²·M²) with G = F·Fᵀ, N = C and M = H·W. With d the distance of this class, for pictures of
    one size, E = ¼·d for "mean" and E = C²/4·d for "gatys". neural-style (mean over the C² entries of
    F·Fᵀ/(C·H·W), squared) is d for "gatys", and d/C² for "mean". Johnson, Alahi & Fei-Fei, 2016, take
    the sum of these entries: C²·d for "gatys", d for "mean". Departures: none but these factors.

    Args:
        layers: Names of the layers that are compared.
        weight: λ, factor of the whole term.
        layer_weights: λₗ, one per layer; None: 1/number of layers each, as Gatys et al. have it.
        normalization: What F·Fᵀ is divided by.

    Raises:
        InputError: No layer, another number of weights than of layers, or another normalisation.
    """

    def __init__(
        self,
        layers: list[str],
        weight: Weight = 1.0,
        layer_weights: list[float] | None = None,
        normalization: Literal["mean", "gatys"] = "mean",
    ) -> None:
        super().__init__(layers, weight, layer_weights)
        if normalization not in ("mean", "gatys"):
            raise InputError(f"GramLoss: normalization is {normalization!r}; give mean or gatys")
        self.normalization = normalization

    def statistics(self, feature: Tensor) -> Tensor:
        """G, B×C×C."""
        matrix = gram(feature)
        return matrix / feature.shape[1] if self.normalization == "gatys" else matrix

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """Mean over the C² entries of the squared difference, B values."""
        return row_mean((a - b).square())
