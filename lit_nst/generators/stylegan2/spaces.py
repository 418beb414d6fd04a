"""Latent spaces: which coordinates of a latent are free."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.generators.stylegan2.network import Architecture

NESTED = ("w", "w+", "w++")


class Spaces:
    """One latent space, or several that a search passes through, each wider than the last.

    ``z``: the input of the mapping network. ``w``: one latent for all layers. ``w+``: one per layer. ``w++``: one for
    each input channel of each convolution (Poirier-Ginter & Lalonde, "Robust Unsupervised StyleGAN Image
    Restoration", 2023). ``w`` has the shape of the last one all along; in a phase before it, coordinates
    that its space does not tell apart stay equal.

    Args:
        names: One name or several.
        architecture: Sizes.

    Raises:
        InputError: An unknown space, or several that do not widen.
    """

    def __init__(self, names: str | Sequence[str], architecture: Architecture) -> None:
        self.names = [names] if isinstance(names, str) else list(names)
        if not self.names or (self.names != ["z"] and not set(self.names) <= set(NESTED)):
            raise InputError(f"generator.space is {names}; give z, w, w+, w++, or some of the last three in that order")
        ranks = [NESTED.index(name) for name in self.names if name != "z"]
        if ranks != sorted(set(ranks)):
            raise InputError(f"generator.space is {self.names}; each must be wider than the last: w, w+, w++")
        self.last = self.names[-1]
        self.num_ws, self.fans = architecture.num_ws, architecture.fans
        w_dim = architecture.w_dim
        self.shape = {
            "z": (architecture.z_dim,), "w": (w_dim,), "w+": (self.num_ws, w_dim), "w++": (sum(self.fans), w_dim)
        }[self.last]  # fmt: skip
        # The row of W+ that each latent of W++ belongs to; those of one row lie side by side.
        self.group = torch.tensor(architecture.rows).repeat_interleave(torch.tensor(self.fans))
        self.sizes = self.group.bincount().tolist()

    def tie(self, x: Tensor, phase: int) -> Tensor:
        """The mean of x over the coordinates that are one in a phase, in each of them: B×shape → the same."""
        if self.names[phase] == self.last:
            return x
        return torch.cat([part.mean(1, keepdim=True).expand_as(part) for part in self._parts(x, phase)], 1)

    def share(self, x: Tensor, phase: int) -> Tensor:
        """The first x of the coordinates that are one in a phase, in each of them: B×shape → the same."""
        if self.names[phase] == self.last:
            return x
        return torch.cat([part[:, :1].expand_as(part) for part in self._parts(x, phase)], 1)

    def latent(self, w: Tensor) -> Tensor:
        """Rows of W, W+ or W++ → what the synthesis network takes."""
        return w.unsqueeze(1).expand(-1, self.num_ws, -1) if w.dim() == 2 else w

    def _parts(self, x: Tensor, phase: int) -> tuple[Tensor, ...]:
        """The coordinates that are one in a phase before the last."""
        return torch.split(x, [x.shape[1]] if self.names[phase] == "w" else self.sizes, 1)
