"""A network of named layers, one after the other."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from lit_nst.errors import InputError
from lit_nst.features.base import Features
from lit_nst.features.calibration import calibrate
from lit_nst.features.layers import in_depth_order
from lit_nst.features.modules import Padding, Pool, Pooling
from lit_nst.features.weights import check_keys, fill, native_pooling, source, state_dict

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Chain(Features):
    """What VGG and SqueezeNet share: the network is cut at the deepest layer that is asked for.

    The usual ImageNet mean and standard deviation are applied inside, for every choice of weights.
    Weights are frozen; gradients flow to the image. ReLUs are not in place.

    Subclasses say which layers there are and make their modules.

    Attributes:
        names: All layers in depth order, at torchvision's indices.
        enum: Member of torchvision's weight enums that ``"imagenet"`` stands for.
        poolings: Choices of ``pool``, each with the size of its maps relative to those of the others.
        paddings: Choices of ``padding``.
        pictures: Height and width of the pictures that random weights are calibrated with.
        native: The pooling that the weights were made with.
    """

    names: ClassVar[tuple[str, ...]]
    enum: ClassVar[str]
    poolings: ClassVar[dict[Pooling, float]]
    paddings: ClassVar[tuple[Padding, ...]]
    pictures: ClassVar[int] = 32
    mean: Tensor
    std: Tensor
    net: nn.Sequential | None
    chosen: dict[str, str]

    def __init__(self, weights: str, pool: Pooling | None, padding: Padding, seed: int) -> None:
        super().__init__()
        if not 0 <= seed < 2**32:
            raise InputError(f"features.seed is {seed}; give a number from 0 to {2**32 - 1}")
        if pool not in (None, *self.poolings):
            raise InputError(f'features.pool: there is no pooling "{pool}"; give {_choice(self.poolings)}')
        if padding not in self.paddings:
            raise InputError(
                f'features.padding: {type(self).__name__} has no padding "{padding}"; give {_choice(self.paddings)}'
            )
        self.weights, self.padding, self.seed = weights, padding, seed
        self.found = source(weights, type(self).__name__)
        self.native = native_pooling(weights, self.found, self.poolings)
        self.pool = pool or self.native
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)
        self.layers, self.chosen, self.net = [], {}, None
        self.eval()

    def modules_of(self, names: Sequence[str], state: dict[str, Tensor] | None) -> Iterator[nn.Module]:
        """The modules of the first layers, their weights not yet set.

        Args:
            names: Those layers.
            state: The weights that will be set, by torchvision's names; None: random ones.
        """
        raise NotImplementedError

    def least(self, poolings: int) -> int:
        """Height and width that an image needs to pass so many poolings."""
        raise NotImplementedError

    def select(self, layers: Sequence[str]) -> None:
        """Chooses the layers and builds the network up to the deepest of them.

        Args:
            layers: Names in any order, as the papers or Caffe spell them (``conv4_2``, ``CONV4-2``), or
                torchvision's indices (``features.21``, ``21``). A call returns them as they are spelled here.

        Raises:
            InputError: No name, one that the network does not have, or weights that do not fit.
        """
        chosen = in_depth_order(layers, self.names, type(self).__name__)
        names = self.names[: self.names.index(list(chosen.values())[-1]) + 1]
        named = OrderedDict(zip(names, self._filled(names), strict=True))
        # On a CPU, float32 convolutions are two to five times faster with channels last.
        net = nn.Sequential(named).to(memory_format=torch.channels_last)
        self.layers, self.chosen = list(chosen), chosen
        self.net = net.to(self.mean).requires_grad_(False).eval()

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """The chosen layers, shallowest first.

        Args:
            image: B×3×H×W in [0, 1], large enough for a pixel to remain behind each pooling.

        Returns:
            Layer → B×C×h×w, with channels last in memory.

        Raises:
            InputError: No layers were chosen yet, or an image of the wrong shape.
        """
        if self.net is None:
            raise InputError(f"{type(self).__name__} was called before its layers were chosen; call select first")
        self._check_shape(image)
        found = {}
        wanted = set(self.chosen.values())
        x = ((image - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        for name, module in self.net.named_children():
            x = module(x)
            if name in wanted:
                found[name] = x
        return {layer: found[name] for layer, name in self.chosen.items()}

    def pooling(self, size: Literal[2, 3]) -> Pool:
        """A pooling of the chosen kind, rescaled where it replaces the one that the weights were made with."""
        factor = 1.0 if self.weights == "random" else self.poolings[self.pool] / self.poolings[self.native]
        return Pool(self.pool, factor, size, self.padding == "circular")

    def _filled(self, names: Sequence[str]) -> nn.Sequential:
        if self.found == "random":
            net = nn.Sequential(*self.modules_of(names, None))
            calibrate(net, self.seed, _normalise, self.pictures)
            return net
        state = state_dict(self.found, self.enum)
        check_keys(state, self.names, len(names), self.found)
        net = nn.Sequential(*self.modules_of(names, state))
        fill(net, state, self.found)
        return net

    def _check_shape(self, image: Tensor) -> None:
        least = self.least(sum(isinstance(module, Pool) for module in self.net or ()))
        if image.dim() != 4 or image.shape[1] != 3 or min(image.shape[2:]) < least:
            raise InputError(
                f"{type(self).__name__}: the image is {'×'.join(map(str, image.shape))}; "
                f"up to {self.layers[-1]} it must be B×3×H×W of at least {least}×{least} pixels"
            )


def _normalise(image: Tensor) -> Tensor:
    mean, std = (torch.tensor(values, dtype=image.dtype).view(3, 1, 1) for values in (MEAN, STD))
    return (image - mean) / std


def _choice(options: Iterable[str]) -> str:
    *first, last = options
    return f"{', '.join(first)} or {last}"
