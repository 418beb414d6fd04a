"""Gradient descent by unit steps."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from lit_nst.errors import InputError


class NormalizedGradient(Optimizer):
    """w ← w − lr·√d·g/‖g‖, for each latent (the last axis of ``w``, of d coordinates) by itself.

    Each latent moves by lr times the spread of the samples in each step, however steep the loss is; in n steps no
    farther than n·lr. That bound, rather than a weight, keeps it near its start: one setting serves objectives of
    very different sizes.

    Where noise maps are optimised, ``w`` is one vector for all: latents and maps share its step.

    Poirier-Ginter & Lalonde, "Robust Unsupervised StyleGAN Image Restoration", 2023. Departure: their steps have no √d
    and are absolute; in the task, ``lr`` is in units of the generator's scale.

    Args:
        params: ``w``.
        lr: Step per coordinate, root mean square.
        momentum: Share of the last steps' directions that goes on, as an average; 0: none. The averaged step is
            shorter where directions change.

    Raises:
        InputError: A step that is not positive, or a momentum outside [0, 1).
    """

    def __init__(self, params: Iterable[Tensor], lr: float = 0.1, momentum: float = 0.0) -> None:
        if not 0 < lr < float("inf"):
            raise InputError(f"NormalizedGradient: lr is {lr}; give a positive number")
        if not 0 <= momentum < 1:
            raise InputError(f"NormalizedGradient: momentum is {momentum}; give 0 to below 1")
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; a latent whose gradient is 0 stays."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is None:
                    continue
                direction = _unit(w.grad) * w.shape[-1] ** 0.5
                if group["momentum"]:
                    mean = self.state[w].setdefault("mean", torch.zeros_like(w))
                    mean.lerp_(direction, 1 - group["momentum"])
                    count = self.state[w]["count"] = self.state[w].get("count", 0) + 1
                    # As in Adam: the first average is not biased to 0.
                    direction = mean / (1 - group["momentum"] ** count)
                w.sub_(group["lr"] * direction)
        return loss


def _unit(gradient: Tensor) -> Tensor:
    """Rows of length 1; by their largest entry first, so that tiny gradients do not vanish when squared."""
    largest = gradient.abs().amax(-1, keepdim=True)
    scaled = gradient / torch.where(largest > 0, largest, 1)
    length: Tensor = torch.linalg.vector_norm(scaled, dim=-1, keepdim=True)
    return scaled / length.clamp_min(1)
