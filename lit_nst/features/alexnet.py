"""AlexNet, cut at the deepest layer that is asked for."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from torch import Tensor, nn

from lit_nst.features.chain import Chain
from lit_nst.features.modules import Convolution, Pool, Pooling

# Channels, size, stride and padding of each convolution.
CONVOLUTIONS = {
    "conv1": (64, 11, 4, 2),
    "conv2": (192, 5, 1, 2),
    "conv3": (384, 3, 1, 1),
    "conv4": (256, 3, 1, 1),
    "conv5": (256, 3, 1, 1),
}


class AlexNet(Chain):
    """AlexNet of one column (Krizhevsky, 2014), as torchvision builds it, without the classifier.

    Layers are ``conv1, relu1, pool1, conv2, relu2, pool2, conv3, relu3, conv4, relu4, conv5, relu5, pool5``, with
    64, 192, 384, 256, 256 channels behind the five convolutions; a ``conv`` layer is the map before its ReLU.
    The usual ImageNet mean and standard deviation are applied inside; weights are frozen; gradients flow to
    the image.

    Departures from the first AlexNet (Krizhevsky, Sutskever & Hinton, 2012), which are torchvision's: one column, no
    local response normalisation, 64 and 192 channels in place of 96 and 256. By option: average pooling where
    weights are random.
    """

    names = (
        *("conv1", "relu1", "pool1", "conv2", "relu2", "pool2"),
        *("conv3", "relu3", "conv4", "relu4", "conv5", "relu5", "pool5"),
    )
    enum = "AlexNet_Weights.IMAGENET1K_V1"
    # SqueezeNet's factor, for the same windows of 3; it was not measured with AlexNet's own weights.
    poolings: ClassVar[dict[Pooling, float]] = {"max": 1.0, "average": 1.5}
    paddings = ("zero",)
    # 32 pixels, enough for VGG, would leave a single position behind the second pooling.
    pictures = 64

    def __init__(
        self,
        weights: str = "random",
        layers: list[str] | None = None,
        pool: Literal["max", "average"] | None = None,
        seed: int = 0,
    ) -> None:
        """Chooses the network; it is built once its layers are known.

        Args:
            weights: ``"random"``: seeded and calibrated, made without a file; see ``calibration``. ``"imagenet"``:
                torchvision's, downloads 233 MB. Or the path of a ``.pth``, ``.pt`` or ``.safetensors`` file with
                torchvision's names, ``features.0.weight``, ….
            layers: What a call returns; None: to be chosen by ``select`` before the first call.
            pool: None: what the weights were made with, average for random ones, max for others, unless the metadata
                of a ``.safetensors`` file say ``{"pool": …}``. Average for trained max is rescaled ×1.5, max for
                average ×0.67; random weights are calibrated through the pooling instead.
            seed: Of the random weights.

        Raises:
            InputError: An unknown layer, weights that are not there or do not fit, a bad pooling or seed.
        """
        super().__init__(weights, pool, "zero", seed)
        if layers is not None:
            self.select(layers)

    def modules_of(self, names: Sequence[str], state: dict[str, Tensor] | None) -> Iterator[nn.Module]:
        """Modules of torchvision's widths, whatever the weights."""
        channels = 3
        for name in names:
            if name in CONVOLUTIONS:
                before, (channels, size, stride, padding) = channels, CONVOLUTIONS[name]
                yield Convolution(before, channels, size, stride, padding)
            elif name.startswith("relu"):
                # In place, a ReLU would overwrite the convolution's map, which may be a layer that was asked for.
                yield nn.ReLU(inplace=False)
            else:
                pool = self.pooling(3)
                yield _Inside(pool.kind, pool.factor, pool.size)

    def least(self, poolings: int) -> int:
        """Seven pixels for the first convolution, and two for one, and one more, behind each pooling."""
        return (8 << poolings) - 1


class _Inside(Pool):
    """A pooling whose windows of 3 stay inside: of an even side the last line is left out, as AlexNet does."""

    def forward(self, x: Tensor) -> Tensor:
        """B×C×h×w → B×C×(h−1)/2×(w−1)/2, rounded down."""
        height, width = (side - 1 + side % 2 for side in x.shape[2:])
        return super().forward(x[..., :height, :width])
