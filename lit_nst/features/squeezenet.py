"""SqueezeNet, cut at the deepest layer that is asked for."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from torch import Tensor, nn

from lit_nst.features.chain import Chain
from lit_nst.features.modules import Convolution, Fire, Pooling

SQUEEZED = {2: 16, 3: 16, 4: 32, 5: 32, 6: 48, 7: 48, 8: 64, 9: 64}


class SqueezeNet(Chain):
    """SqueezeNet 1.1 (Iandola et al., 2016), as torchvision builds it, without the classifier.

    Layers are ``conv1, relu1, pool1, fire2, fire3, pool3, fire4, fire5, pool5, fire6, …, fire9``, with 64, 64,
    64, 128, 128, 128, 256, 256, 256, 384, 384, 512, 512 channels; a fire layer is the map behind its ReLUs. ImageNet
    weights take 3 MB, against half a gigabyte of VGG's. The usual mean and standard deviation are applied
    inside; weights are frozen; gradients flow to the image.

    Departures from the paper, all by option: average pooling where weights are random, circular padding.
    """

    names = (
        *("conv1", "relu1", "pool1", "fire2", "fire3", "pool3", "fire4", "fire5", "pool5"),
        *("fire6", "fire7", "fire8", "fire9"),
    )
    enum = "SqueezeNet1_1_Weights.IMAGENET1K_V1"
    # There is no published number for windows of 3. With 1.5, norms of max pooling's fire layers are 0.85 to 1.3 times
    # those of average pooling (ImageNet's weights, five photographs and paintings); without, up to 4.4 times.
    poolings: ClassVar[dict[Pooling, float]] = {"max": 1.0, "average": 1.5}
    paddings = ("zero", "circular")
    # 32 pixels, enough for VGG, would leave a single position behind the third pooling.
    pictures = 64

    def __init__(
        self,
        weights: str = "random",
        layers: list[str] | None = None,
        pool: Literal["max", "average"] | None = None,
        padding: Literal["zero", "circular"] = "zero",
        seed: int = 0,
    ) -> None:
        """Chooses the network; it is built once its layers are known.

        Args:
            weights: ``"random"``: seeded and calibrated, made without a file; see ``calibration``. ``"imagenet"``:
                torchvision's, downloads 5 MB. Or the path of a ``.pth``, ``.pt`` or ``.safetensors`` file with
                torchvision's names, ``features.0.weight``, ….
            layers: What a call returns; None: to be chosen by ``select`` before the first call.
            pool: None: what the weights were made with, average for random ones, max for others, unless the metadata
                of a ``.safetensors`` file say ``{"pool": …}``. Average for trained max is rescaled ×1.5, max for
                average ×0.67, as measured on a few pictures; random weights are calibrated through the pooling instead.
            padding: ``zero``, as in the paper: the first convolution does not pad, the 3×3 filters of the fires pad
                with zeros. ``circular``: they, the first convolution and the poolings go round the edges, and the
                features of an image whose sides are multiples of 2ᵏ⁺¹, for k poolings, move with it; maps are a
                pixel larger, and shifted by less than one.
            seed: Of the random weights.

        Raises:
            InputError: An unknown layer, weights that are not there or do not fit, a bad pooling, padding or seed.
        """
        super().__init__(weights, pool, padding, seed)
        if layers is not None:
            self.select(layers)

    def modules_of(self, names: Sequence[str], state: dict[str, Tensor] | None) -> Iterator[nn.Module]:
        """Modules of version 1.1's widths, whatever the weights."""
        channels = 3
        for name in names:
            if name.startswith("fire"):
                squeezed = SQUEEZED[int(name[4])]
                yield Fire(channels, squeezed, 4 * squeezed, self.padding)
                channels = 8 * squeezed
            elif name == "conv1":
                channels = 64
                yield Convolution(3, channels, 3, 2, padding=int(self.padding == "circular"), mode=self.padding)
            else:
                yield nn.ReLU(inplace=False) if name == "relu1" else self.pooling(3)

    def least(self, poolings: int) -> int:
        """Three pixels for the first convolution, and two for one behind each pooling, whose windows overlap."""
        return 1 if self.padding == "circular" else 2 ** (poolings + 1) + 1
