"""L and R: what an image is judged by."""

from lit_nst.losses.base import Loss, Regulariser
from lit_nst.losses.latent_distance import LatentDistance
from lit_nst.losses.perceptual import PerceptualLoss
from lit_nst.losses.pixel import PixelLoss
from lit_nst.losses.total_variation import TotalVariation

__all__ = ["LatentDistance", "Loss", "PerceptualLoss", "PixelLoss", "Regulariser", "TotalVariation"]
