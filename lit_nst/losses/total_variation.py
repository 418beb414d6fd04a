"""Smoothness of the picture."""

import torch
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.functional.total_variation import total_variation
from lit_nst.losses.base import Regulariser, Weight


class TotalVariation(Regulariser):
    """Anisotropic total variation of the picture, R = ⟨|∂x/∂i|ᵖ⟩ + ⟨|∂x/∂j|ᵖ⟩.

    A mean over channels and pairs of neighbours: it hardly depends on the size of the picture.
    See ``lit_nst.functional.total_variation`` for the papers and the departures.

    Args:
        weight: λ, factor of the term.
        power: p, from 1 to 100: 1 keeps edges, 2 smooths them.

    Raises:
        InputError: A power outside 1 to 100.
    """

    def __init__(self, weight: Weight = 1e-4, power: float = 1.0) -> None:
        super().__init__(weight)
        if not 1 <= power <= 100:
            raise InputError(f"TotalVariation: power is {power:g}; give 1 to 100")
        self.power = power

    def penalty(self, image: Tensor, latent: Tensor) -> Tensor:
        """R, B values; the latent is not used."""
        return total_variation(image.to(torch.promote_types(image.dtype, torch.float32)), self.power)
