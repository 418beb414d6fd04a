"""Distance of the distributions of every channel."""

from torch import Tensor

from lit_nst.losses.quantile import QuantileLoss


class HistogramLoss(QuantileLoss):
    """Match of histograms, channel by channel, λ·Σₗ λₗ·⟨(f(x)₍ᵢ₎ − f(t)₍ᵢ₎)²⟩ over channels and quantiles i.

    The prediction's sorted values are drawn to the target's. A target with another number of positions is
    resampled to the prediction's, linearly between its quantiles. Channels are matched each for itself:
    put a loss that knows of pairs beside it. A blend is the mean of the quantiles, that of the longest
    picture, in between the styles; not both side by side.

    Risser, Wilmot & Barnes, "Stable and Controllable Neural Texture Synthesis and Style Transfer Using
    Histogram Losses", 2017: ‖f − R(f)‖² with R(f) the map after matching, held constant in the gradient. That
    is the gradient here, too. Departures: exact order of the values in place of a histogram of bins;
    the mean in place of the sum.

    Args:
        layers: Names of the layers that are compared; the paper takes relu1_1 and relu4_1.
        weight: λ, factor of the whole term.
        layer_weights: λₗ, one per layer; None: 1/number of layers each.

    Raises:
        InputError: No layer, or another number of weights than of layers.
    """

    def statistics(self, feature: Tensor) -> Tensor:
        """Sorted values of each channel, B×C×H·W."""
        return feature.flatten(2).sort(-1).values
