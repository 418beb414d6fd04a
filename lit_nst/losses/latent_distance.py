"""Distance of ``w`` from the mean latent."""

import torch
from torch import Tensor

from lit_nst.functional.reduce import row_mean
from lit_nst.losses.base import Regulariser, Weight


class LatentDistance(Regulariser):
    """Mean squared deviation of the latent, R = ⟨((w − w̄)/σ)²⟩ over all coordinates.

    It is 1 for a typical sample of the generator, whatever the number of coordinates, and 0 at the mean
    latent: one weight means the same for every generator and size. Where the generator whitens its latents
    (``StyleGAN2(prior="whitened")``), the mean is that of (w − w̄)ᵀ·Σ⁻¹·(w − w̄). The larger the weight, the nearer the
    result stays to what the generator knows.

    Args:
        weight: λ, factor of the term.
    """

    def __init__(self, weight: Weight = 0.001) -> None:
        super().__init__(weight)

    def penalty(self, image: Tensor, latent: Tensor) -> Tensor:
        """R, B values; ``latent`` comes standardised, the image is not used."""
        return row_mean(latent.to(torch.promote_types(latent.dtype, torch.float32)).square())
