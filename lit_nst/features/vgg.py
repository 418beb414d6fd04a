"""VGG, cut at the deepest layer that is asked for."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lit_nst.errors import InputError
from lit_nst.features.base import Features
from lit_nst.features.calibration import calibrate
from lit_nst.features.layers import in_depth_order, vgg_names
from lit_nst.features.weights import check, fill, state_dict

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WIDTHS = (64, 128, 256, 512, 512)


class _Convolution(nn.Conv2d):
    def reset_parameters(self) -> None:
        """Nothing: the usual start would draw from the global stream, and every weight is set afterwards."""


class _VGG(Features):
    """The VGG networks of Simonyan & Zisserman, 2015, as torchvision builds them, without the classifier.

    Layers are ``conv1_1, relu1_1, …, pool1, …, pool5``; a ``conv`` layer is the map before its ReLU. The
    usual ImageNet mean and standard deviation are applied inside, for every choice of weights. Weights
    are frozen; gradients flow to the image. Departures from the paper: average pooling by default where
    weights are random (as Gatys et al., 2015), widths other than 1.
    """

    blocks: ClassVar[tuple[int, ...]]
    mean: Tensor
    std: Tensor
    net: nn.Sequential | None

    def __init__(
        self,
        weights: str = "random",
        layers: list[str] | None = None,
        width: float = 1.0,
        pool: Literal["max", "average"] | None = None,
        seed: int = 0,
    ) -> None:
        """Chooses the network; it is built once its layers are known.

        Args:
            weights: ``"random"``: seeded and calibrated, made in one to three seconds without a file; see
                ``calibration``. ``"imagenet"``: torchvision's, downloads about half a gigabyte. Or the path of a
                ``.pth``, ``.pt`` or ``.safetensors`` file with torchvision's names, ``features.0.weight``, ….
            layers: What a call returns; None: to be chosen by ``select`` before the first call.
            width: Factor of the channels 64, 128, 256, 512, 512, rounded, at least 4.
            pool: None: ``max`` for trained weights, ``average`` for random ones.
            seed: Of the random weights.

        Raises:
            InputError: An unknown layer, weights that are not there or do not fit, a bad width, pooling or seed.
        """
        super().__init__()
        if width <= 0:
            raise InputError(f"features.width is {width:g}; give a positive factor, 1 for the paper's width")
        if not 0 <= seed < 2**32:
            raise InputError(f"features.seed is {seed}; give a number from 0 to {2**32 - 1}")
        check(weights, width)
        self.weights, self.width, self.seed = weights, width, seed
        self.pool = pool or ("average" if weights == "random" else "max")
        if self.pool not in ("max", "average"):
            raise InputError(f'features.pool: there is no pooling "{pool}"; give max or average')
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)
        self.layers, self.net = [], None
        self.eval()
        if layers is not None:
            self.select(layers)

    def select(self, layers: Sequence[str]) -> None:
        """Chooses the layers and builds the network up to the deepest of them.

        Args:
            layers: ``conv1_1``, ``relu1_1``, …, ``pool5``, in any order.

        Raises:
            InputError: No name, one that the network does not have, or weights that do not fit.
        """
        names = vgg_names(self.blocks)
        chosen = in_depth_order(layers, names, type(self).__name__)
        modules = [self._module(name) for name in names[: names.index(chosen[-1]) + 1]]
        self._fill(nn.Sequential(*modules), names)
        # On a CPU, float32 convolutions are two to five times faster with channels last.
        net = nn.Sequential(OrderedDict(zip(names, modules, strict=False))).to(memory_format=torch.channels_last)
        self.layers, self.net = chosen, net.to(self.mean).requires_grad_(False).eval()

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """The chosen layers, shallowest first.

        Args:
            image: B×3×H×W in [0, 1], at least 2ᵏ pixels high and wide where k poolings are passed.

        Returns:
            Layer → B×C×h×w, with channels last in memory.

        Raises:
            InputError: No layers were chosen yet, or an image of the wrong shape.
        """
        net = self._built()
        self._check_shape(image)
        found = {}
        x = ((image - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        for name, module in net.named_children():
            x = module(x)
            if name in self.layers:
                found[name] = x
        return found

    def _built(self) -> nn.Sequential:
        if self.net is None:
            raise InputError(f"{type(self).__name__} was called before its layers were chosen; call select first")
        return self.net

    def _check_shape(self, image: Tensor) -> None:
        least = 2 ** sum(isinstance(module, (nn.MaxPool2d, nn.AvgPool2d)) for module in self._built())
        if image.dim() != 4 or image.shape[1] != 3 or min(image.shape[2:]) < least:
            raise InputError(
                f"{type(self).__name__}: the image is {'×'.join(map(str, image.shape))}; "
                f"up to {self.layers[-1]} it must be B×3×H×W of at least {least}×{least} pixels"
            )

    def _fill(self, net: nn.Sequential, names: Sequence[str]) -> None:
        if self.weights == "random":
            calibrate(net, self.seed, _normalise)
            return
        convolutions = [index for index, name in enumerate(names) if name.startswith("conv")]
        known = {f"features.{index}.{kind}" for index in convolutions for kind in ("weight", "bias")}
        state = state_dict(self.weights, f"{type(self).__name__}_Weights.IMAGENET1K_V1")
        fill(net, state, known, self.weights)

    def _module(self, name: str) -> nn.Module:
        if name.startswith("relu"):
            # In place, it would overwrite the convolution's map, which may be a layer that was asked for.
            return nn.ReLU(inplace=False)
        if name.startswith("pool"):
            return nn.MaxPool2d(2) if self.pool == "max" else nn.AvgPool2d(2)
        block = int(name[4])
        before = self._channels(block - (name == f"conv{block}_1"))
        return _Convolution(before, self._channels(block), 3, padding=1)

    def _channels(self, block: int) -> int:
        return max(4, round(WIDTHS[block - 1] * self.width)) if block else 3


def _normalise(image: Tensor) -> Tensor:
    mean, std = (torch.tensor(values, dtype=image.dtype).view(3, 1, 1) for values in (MEAN, STD))
    return (image - mean) / std


class VGG16(_VGG):
    """VGG-16: 13 convolutions in blocks of 2, 2, 3, 3, 3."""

    blocks = (2, 2, 3, 3, 3)


class VGG19(_VGG):
    """VGG-19: 16 convolutions in blocks of 2, 2, 4, 4, 4."""

    blocks = (2, 2, 4, 4, 4)
