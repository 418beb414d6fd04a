"""L and R: what an image is judged by."""

from lit_nst.losses.base import Loss, Regulariser
from lit_nst.losses.content import ContentLoss
from lit_nst.losses.covariance import CovarianceLoss
from lit_nst.losses.gram import GramLoss
from lit_nst.losses.histogram import HistogramLoss
from lit_nst.losses.latent_distance import LatentDistance
from lit_nst.losses.lpips import LPIPSLoss
from lit_nst.losses.mean_var import MeanVarLoss
from lit_nst.losses.nearest_neighbour import NearestNeighbourLoss
from lit_nst.losses.perceptual import PerceptualLoss
from lit_nst.losses.pixel import PixelLoss
from lit_nst.losses.sliced_wasserstein import SlicedWassersteinLoss
from lit_nst.losses.total_variation import TotalVariation
from lit_nst.losses.wasserstein import WassersteinLoss

__all__ = [
    "ContentLoss",
    "CovarianceLoss",
    "GramLoss",
    "HistogramLoss",
    "LPIPSLoss",
    "LatentDistance",
    "Loss",
    "MeanVarLoss",
    "NearestNeighbourLoss",
    "PerceptualLoss",
    "PixelLoss",
    "Regulariser",
    "SlicedWassersteinLoss",
    "TotalVariation",
    "WassersteinLoss",
]
