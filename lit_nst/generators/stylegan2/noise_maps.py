"""Noise maps as part of ``w``: the mode of NVlabs' projector."""

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST = 8


def normalized(maps: list[Tensor]) -> list[Tensor]:
    """Maps of mean 0 and mean square 1, each B×1×h×h for itself."""
    centered = [x - x.mean((2, 3), keepdim=True) for x in maps]
    return [x * (x.square().mean((2, 3), keepdim=True) + 1e-12).rsqrt() for x in centered]


def autocorrelation(maps: list[Tensor]) -> Tensor:
    """Σ over maps and their halvings down to 8×8 of ⟨n·n→⟩² + ⟨n·n↓⟩², B values.

    n→ and n↓ are the map moved by a pixel, around the border. White noise has next to none, a picture hidden in the
    noise has much. Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2020, appendix D.
    """
    total = maps[0].new_zeros(len(maps[0]))
    for x in maps:
        while True:
            for axis in (2, 3):
                total = total + (x * torch.roll(x, 1, axis)).mean((1, 2, 3)).square()
            if x.shape[2] <= SMALLEST:
                break
            x = F.avg_pool2d(x, 2)
    return total
