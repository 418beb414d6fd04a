"""What the losses see of a picture."""

import re
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.features import Features

# Side that a network can see of a picture enlarged for it.
HIGHEST = 4096


class View:
    """Pictures → layers, at one or several sizes.

    A layer ``NAME/s`` is that of the picture at 1/s of its sides (means of s×s pixels), such as ``relu2_2/2`` or
    ``image/4``.

    Args:
        layers: Names that the losses give.
        features: The network; None: the losses name no layer of one.
        cap: Longest side that is compared; larger pictures are first shrunk by a whole factor. None: no limit.
        floor: Shortest side that the network sees; smaller pictures, at whatever scale, are enlarged for it by
            repetition, since its deep layers would have no position left. None: no limit.

    Attributes:
        layers: Those of the network that are needed.

    Raises:
        InputError: Layers without a network, a scale that is no whole number, or a cap or a floor out of range.
    """

    def __init__(
        self, layers: Sequence[str], features: Features | None, cap: int | None = None, floor: int | None = None
    ) -> None:
        for name, side in (("cap", cap), ("floor", floor)):
            if side is not None and side < 1:
                raise InputError(f"model.{name} is {side}; give at least 1, or null")
        if floor is not None and floor > HIGHEST:
            raise InputError(f"model.floor is {floor}; give at most {HIGHEST}, or null")
        self.cap, self.floor = cap, floor
        self.wanted: dict[int, list[str]] = {}
        for layer in layers:
            name, scale = _parsed(layer)
            if name not in self.wanted.setdefault(scale, []):
                self.wanted[scale].append(name)
        self.layers = list(dict.fromkeys(n for names in self.wanted.values() for n in names if n != "image"))
        if self.layers and features is None:
            needed = ", ".join(self.layers)
            raise InputError(f"the losses compare {needed}, but there is no network; give --model.features VGG19")
        if features is not None and self.layers:
            features.select(self.layers)

    def __call__(self, images: Tensor, features: Features | None) -> dict[str, Tensor]:
        """B×3×H×W → name, as the losses give it, → B×C×h×w; always with ``image``."""
        if self.cap is not None:
            images = shrunk(images, -(-max(images.shape[-2:]) // self.cap))
        found = {"image": images}
        for scale, names in self.wanted.items():
            smaller, end = shrunk(images, scale), f"/{scale}" if scale > 1 else ""
            if "image" in names:
                found[f"image{end}"] = smaller
            if features is not None and names != ["image"]:
                found |= {
                    name + end: value for name, value in features(self._enlarged(smaller)).items() if name in names
                }
        return found

    def _enlarged(self, images: Tensor) -> Tensor:
        times = -(-(self.floor or 1) // min(images.shape[-2:]))
        return images if times == 1 else images.repeat_interleave(times, -1).repeat_interleave(times, -2)


def shrunk(images: Tensor, factor: int) -> Tensor:
    """Means of factor×factor pixels; at a side that the factor does not divide, the last ones of what there is."""
    factor = min(factor, max(images.shape[-2:]))
    return images if factor == 1 else F.avg_pool2d(images, factor, ceil_mode=True)


def _parsed(layer: str) -> tuple[str, int]:
    """``relu2_2/2`` → its name and its scale."""
    name, slash, scale = layer.partition("/")
    if slash and (not re.fullmatch(r"[1-9]\d{0,3}", scale) or scale == "1"):
        raise InputError(f'layer "{layer}": the scale "{scale}" is no whole number from 2 on; such as {name}/2')
    return name, int(scale or 1)
