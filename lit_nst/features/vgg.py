"""VGG, cut at the deepest layer that is asked for."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from torch import Tensor, nn

from lit_nst.errors import InputError
from lit_nst.features.chain import Chain
from lit_nst.features.layers import vgg_names
from lit_nst.features.modules import Convolution, Padding, Pooling

WIDTHS = (64, 128, 256, 512, 512)


class _VGG(Chain):
    """The VGG networks of Simonyan & Zisserman, 2015, as torchvision builds them, without the classifier.

    Layers are ``conv1_1, relu1_1, …, pool1, …, pool5``; a ``conv`` layer is the map before its ReLU. The
    usual ImageNet mean and standard deviation are applied inside, for every choice of weights. Weights
    are frozen; gradients flow to the image.

    Departures from the paper, all by option: average pooling where weights are random or the shipped
    ones (as Gatys et al., 2015, had it), fewer channels, other padding than zeros.
    """

    # Where another pooling takes the place of max, its maps are multiplied by 2 (average) or 0.78 (l2), as in
    # crowsonkb's style-transfer-pytorch, so that the layers behind get about what they were trained for. Gatys et al.
    # did not rescale.
    poolings: ClassVar[dict[Pooling, float]] = {"max": 1.0, "average": 2.0, "l2": 0.78}
    paddings = ("zero", "replicate", "reflect", "circular")

    def __init__(
        self,
        weights: str = "random",
        layers: list[str] | None = None,
        width: float = 1.0,
        pool: Pooling | None = None,
        padding: Padding = "zero",
        seed: int = 0,
    ) -> None:
        """Chooses the network; it is built once its layers are known.

        Args:
            weights: ``"random"``: seeded and calibrated, made in one to three seconds without a file; see
                ``calibration``. ``"embedded"``: the small encoder that comes with the package, for VGG19.
                ``"imagenet"``: torchvision's, downloads about half a gigabyte. Or the path of a ``.pth``, ``.pt``
                or ``.safetensors`` file with torchvision's names, ``features.0.weight``, …, of any widths.
            layers: What a call returns; None: to be chosen by ``select`` before the first call.
            width: Factor of the channels 64, 128, 256, 512, 512 of random weights, rounded, at least 4. All other
                weights have the channels that they have.
            pool: ``max``, ``average`` or ``l2``, √(Σ x²) over 2×2; None: what the weights were made with, average
                for random and embedded ones, max for others, unless the metadata of a ``.safetensors`` file say
                ``{"pool": …}``. Another pooling than that of trained weights is rescaled: average for max ×2, l2
                for max ×0.78, max for average ×0.5, and so on (factors of crowsonkb's style-transfer-pytorch;
                Gatys et al. used none). Random weights are calibrated through the pooling instead.
            padding: Of the first convolution, ``zero`` (as in the paper), ``replicate`` or ``reflect``; all others pad
                with zeros. ``circular`` is for every convolution: the features of an image whose sides are multiples
                of 2ᵏ, for k poolings, move with it round its edges, so a texture tiles without a seam.
            seed: Of the random weights, which do not depend on the padding.

        Raises:
            InputError: An unknown layer, weights that are not there or do not fit, a bad width, pooling, padding or
                seed.
        """
        super().__init__(weights, pool, padding, seed)
        if width <= 0:
            raise InputError(f"features.width is {width:g}; give a positive factor, 1 for the paper's width")
        self.width = width
        if layers is not None:
            self.select(layers)

    def modules_of(self, names: Sequence[str], state: dict[str, Tensor] | None) -> Iterator[nn.Module]:
        """Convolutions, ReLUs and poolings, as wide as the weights are."""
        channels = 3
        for index, name in enumerate(names):
            if name.startswith("conv"):
                before, channels = channels, self._channels(name, index, state)
                mode = self.padding if index == 0 or self.padding == "circular" else "zero"
                yield Convolution(before, channels, 3, padding=1, mode=mode)
            else:
                # In place, a ReLU would overwrite the convolution's map, which may be a layer that was asked for.
                yield nn.ReLU(inplace=False) if name.startswith("relu") else self.pooling(2)

    def least(self, poolings: int) -> int:
        """Two pixels for one behind each pooling; a reflection needs a neighbour."""
        return max(1 << poolings, 2 if self.padding == "reflect" else 1)

    def _channels(self, name: str, index: int, state: dict[str, Tensor] | None) -> int:
        if state is None:
            return max(4, round(WIDTHS[int(name[4]) - 1] * self.width))
        # A weight without channels gets a width that it does not fit.
        channels: int = max([1, *state[f"features.{index}.weight"].shape[:1]])
        return channels


class VGG16(_VGG):
    """VGG-16: 13 convolutions in blocks of 2, 2, 3, 3, 3."""

    names = tuple(vgg_names([2, 2, 3, 3, 3]))
    enum = "VGG16_Weights.IMAGENET1K_V1"


class VGG19(_VGG):
    """VGG-19: 16 convolutions in blocks of 2, 2, 4, 4, 4."""

    names = tuple(vgg_names([2, 2, 4, 4, 4]))
    enum = "VGG19_Weights.IMAGENET1K_V1"
