"""Distance of means and covariances."""

from torch import Tensor

from lit_nst.functional.reduce import row_mean
from lit_nst.functional.statistics import covariance, moments
from lit_nst.losses.base import Loss


class CovarianceLoss(Loss):
    """Mean and covariance of the channels, λ·Σₗ λₗ·(1/C²·‖Σ(x) − Σ(t)‖² + 1/C·‖μ(x) − μ(t)‖²).

    ‖·‖ of a matrix is that of Frobenius. Where Gram matrices mix the mean of the features into every
    product, and so let a brighter flat area stand for contrast, here both are matched for themselves.
    The statistics are the raw moments, so a blend is that of the pictures side by side.

    The covariance is the Gram matrix of centred features, as in Li, Fang, Yang, Wang, Lu & Yang,
    "Universal Style Transfer via Feature Transforms", 2017, who reach it by a transform of the features.
    Departure: it is a loss, and the mean has a term of its own.

    Args:
        layers: Names of the layers that are compared.
        weight: λ, factor of the whole term.
        layer_weights: λₗ, one per layer; None: 1/number of layers each.

    Raises:
        InputError: No layer, or another number of weights than of layers.
    """

    def statistics(self, feature: Tensor) -> Tensor:
        """Mean, and second raw moment below it, B×(C+1)×C."""
        return moments(feature)

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """Mean squared difference of the covariances' entries plus that of the means', B values."""
        (mean_a, cov_a), (mean_b, cov_b) = covariance(a), covariance(b)
        return row_mean((cov_a - cov_b).square()) + row_mean((mean_a - mean_b).square())
