"""The network that judges results."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.features import Features
from lit_nst.losses import Loss, LPIPSLoss
from lit_nst.report import feature_distance, feature_realism

FEWEST, SIDE, BATCH, SEED = 8, 64, 8, 2_002


class Judge:
    """Distances by a network that, as a rule, guided nothing.

    Convolutions round a lone picture otherwise than two, but agree on any even number: of an odd one the last picture
    is taken twice, so that a figure does not depend on the others.

    Args:
        network: Gives the maps.
        distance: Of the maps; None: LPIPS-type, unit-normalised features without learnt weights.

    Attributes:
        name: Of the figure.
    """

    def __init__(self, network: Features, distance: Loss | None = None) -> None:
        self.network, self.distance = network.eval().requires_grad_(False), distance
        self.samples: dict[str, Tensor] | None = None
        # VGG takes any picture up to its fourth pooling; AlexNet needs 31 pixels, SqueezeNet 17.
        self.name, self.smallest = "perceptual", 16 if distance is None else 32
        if distance is None and not network.layers:
            name = type(network).__name__
            raise InputError(f"results.judge: {name} has no layers to compare; give --results.judge.layers")
        if distance is not None:
            self.name = "lpips" if isinstance(distance, LPIPSLoss) else type(distance).__name__.lower()
            network.select(distance.layers)

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """Maps, a few images at a time; pictures too small for the network are enlarged by repetition."""
        while min(images.shape[-2:]) < self.smallest:
            images = images.repeat_interleave(2, -1).repeat_interleave(2, -2)
        parts = [{"image": part, **self.network(part)} for part in torch.split(_even(images), BATCH)]
        return {layer: torch.cat([part[layer] for part in parts])[: len(images)] for layer in self.network.layers}

    def between(self, a: Tensor, b: Tensor) -> Tensor:
        """The distance of pictures, B values."""
        own, other = self.maps(_even(a)), self.maps(_even(b))
        if self.distance is None:
            return feature_distance(own, other)[: len(a)]
        value: Tensor = self.distance(own, self.distance.measure(other))
        return value[: len(a)]

    @torch.no_grad()
    def check(self, size: Sequence[int]) -> None:
        """Tries the network on a picture, of at most 64 pixels to a side.

        Raises:
            InputError: It does not take pictures of that size, or its maps do not fit the distance.
        """
        probe = torch.full((1, 3, *(min(side, SIDE) for side in size)), 0.5)
        try:
            self.between(probe, probe)
        except InputError as error:
            # A loss knows the option of a task's network only.
            reason = str(error).replace("--model.features", "--results.judge")
            raise InputError(f"results.judge: {reason}") from None

    @torch.no_grad()
    def know(self, generator: Any, count: int) -> None:
        """Looks at random samples of a generator."""
        rows = generator.sample(count + count % 2, SEED)
        drawn = [_small(generator(part).clamp(0, 1).float().cpu()) for part in torch.split(rows, BATCH)]
        self.samples = self.maps(torch.cat(drawn))

    def realism(self, images: Tensor) -> Tensor | None:
        """How far pictures are from the samples: 1 as a typical one; None without samples."""
        return None if self.samples is None else feature_realism(self.maps(_small(images)), self.samples)


def _even(images: Tensor) -> Tensor:
    return torch.cat([images, images[-1:]]) if len(images) % 2 else images


def _small(images: Tensor) -> Tensor:
    """Means of pixels, at most 64 to a side."""
    factor = -(-max(images.shape[-2:]) // SIDE)
    return torch.nn.functional.avg_pool2d(images, factor, ceil_mode=True)
