"""Where the latents of a generator lie."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_nst.errors import InputError
from lit_nst.generators.stylegan2.layers import linear

FLOOR = 1e-3
KINDS = ("isotropic", "standardized", "whitened", "pn")
SLOPE = 5.0

Kind = Literal["isotropic", "standardized", "whitened", "pn"]


class Prior(nn.Module):
    """Latents → coordinates whose mean square is 1 over the samples, or less where a floor holds.

    Whitening divides by Σ + 10⁻³·σ²: directions in which the samples hardly spread, as they do not fill W, count less
    than 1 instead of outweighing all others. A sample of the shipped portraits is at 0.64 (``pn``: 0.57).

    Args:
        samples: Latents of the mapping network, N×w_dim.
        kind: ``isotropic``: (w − w̄)/σ, one σ for all coordinates; ``standardized``: σ of each coordinate;
            ``whitened``: Σ^(−½)·(w − w̄), which also knows the directions in which the samples spread; ``pn``: the
            same of w where it is positive and 5·w where not, which undoes the last leaky ReLU of the mapping
            network and leaves nearly a normal distribution: the space P_N of Zhu et al., "Improved StyleGAN
            Embedding: Where are the Good Latents?", 2020, after PULSE.

    Attributes:
        center: w̄, the mean.
        scale: σ, root of the mean variance of the coordinates.

    Raises:
        InputError: Another kind.
    """

    center: Tensor
    scale: Tensor
    mean: Tensor
    matrix: Tensor

    def __init__(self, samples: Tensor, kind: Kind) -> None:
        super().__init__()
        if kind not in KINDS:
            raise InputError(f'generator.prior is "{kind}"; give {", ".join(KINDS)}')
        self.kind = kind
        w = samples.double()
        center = w.mean(0)
        scale = (w - center).square().mean().sqrt()
        v = self._unbent(w)
        mean, floor = v.mean(0), FLOOR * (v - v.mean(0)).square().mean()
        if kind == "isotropic":
            matrix = 1 / scale
        elif kind == "standardized":
            matrix = 1 / ((v - mean).square().mean(0) + floor).sqrt()
        else:
            variance, axes = torch.linalg.eigh((v - mean).T @ (v - mean) / len(v))
            # Directions in which the samples hardly spread would otherwise outweigh all others.
            matrix = axes.T / (variance + floor).sqrt()[:, None]
        for name, value in (("center", center), ("scale", scale), ("mean", mean), ("matrix", matrix)):
            self.register_buffer(name, value.float(), persistent=False)

    def forward(self, w: Tensor) -> Tensor:
        """B×…×w_dim → the same shape."""
        v = self._unbent(w) - self.mean
        return linear(v, self.matrix) if self.matrix.dim() == 2 else v * self.matrix

    def _unbent(self, w: Tensor) -> Tensor:
        return F.leaky_relu(w, SLOPE) if self.kind == "pn" else w
