"""Denoising as an optimiser: a step is one pass of a diffusion sampler."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lit_nst.errors import InputError
from lit_nst.functional.random import generator, normal
from lit_nst.samplers.process import Process
from lit_nst.samplers.travel import Pass

PREFIX = "scheduler."


class Denoising(torch.optim.Optimizer):
    """Moves latents ``w`` along a plan of passes; the network's output takes the gradient's place.

    w ← step(output, call, w) + shift, and after a pass that is repeated, w ← r·w + √(σ² − r²σ′²)·noise back up to
    the call's own level, with the sampler's state as it was before. Noise is keyed by (purpose, seed, call,
    repeat): a row does not depend on its neighbours, and a resumed run draws the numbers of an uninterrupted one. All
    that a resume needs is in ``state[w]`` as tensors like ``w``, numbers and ``None``.

    The first noise is not its business: fill ``w`` before. The step size "lr" is 1 and means nothing.

    Args:
        w: Latents in the sampler's own space, B×C×h×w, float32 or float64.
        process: The sampler; it belongs to this optimiser from now on.
        seeds: One per row.

    Attributes:
        output: The network's output, guided or not, for the next step; it is used up by it.
        shift: What to add to the latents after the next step; used up as well.
        process: The sampler.
        seeds: One per row.

    Raises:
        InputError: Not one seed per row, or another type of numbers.
    """

    def __init__(self, w: nn.Parameter, process: Process, seeds: Sequence[int]) -> None:
        if len(seeds) != len(w):
            raise InputError(f"Denoising: {len(seeds)} seeds for {len(w)} rows; give one per row")
        if w.dtype not in (torch.float32, torch.float64):
            raise InputError(f"Denoising: {w.dtype} is too coarse for latents; use float32")
        super().__init__([w], {"lr": 1.0})
        self.process, self.seeds = process, list(seeds)
        self.output: Tensor | None = None
        self.shift: Tensor | None = None
        process.reset()
        self._keep(0)

    @property
    def position(self) -> int:
        """Number of passes done; the next one is ``process.plan[position]``."""
        return int(self.state[self._w]["position"])

    @property
    def _w(self) -> Tensor:
        w: Tensor = self.param_groups[0]["params"][0]
        return w

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One pass.

        Args:
            closure: Called first; it may set ``output`` and ``shift``.

        Returns:
            What the closure returns.

        Raises:
            RuntimeError: No output, or no pass left.
        """
        result = None
        if closure is not None:
            with torch.enable_grad():
                result = closure()
        output, shift, self.output, self.shift = self.output, self.shift, None, None
        if output is None:
            raise RuntimeError("Denoising: set output before each step")
        position = self.position
        if position >= len(self.process.plan):
            raise RuntimeError("Denoising: all passes are done")
        self._move(output, shift, self.process.plan[position])
        self._keep(position + 1)
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on where another run was stored.

        Raises:
            InputError: That run had another sampler, number of steps or time travel.
        """
        super().load_state_dict(state_dict)
        if self.state[self._w].get("process") != self.process.fingerprint:
            raise InputError("checkpoint: its sampling had other steps or another sampler; resume with its own config")
        self._restore()

    def _move(self, output: Tensor, shift: Tensor | None, current: Pass) -> None:
        w, process, index = self._w, self.process, current.index
        before = process.state() if current.again else None
        moved = process.step(output, index, w, noises(self.seeds, current))
        if shift is not None:
            moved = moved + shift
        if before is not None:
            rows = [normal(w.shape[1:], "travel", seed, index, current.repeat) for seed in self.seeds]
            moved = process.levels[index].renoise(moved, process.levels[index + 1], torch.stack(rows).to(w))
            process.load_state(before)
        w.copy_(moved)

    def _restore(self) -> None:
        """Puts the sampler into the stored state."""
        state = self.state[self._w]
        self.process.load_state({k.removeprefix(PREFIX): v for k, v in state.items() if k.startswith(PREFIX)})

    def _keep(self, position: int) -> None:
        stored = {PREFIX + key: value for key, value in self.process.state().items()}
        self.state[self._w] = {"position": position, "process": self.process.fingerprint, **stored}


def noises(seeds: Sequence[int], current: Pass) -> list[torch.Generator]:
    """What the step of a pass draws its noise from, one per row."""
    return [generator("noise", seed, current.index, current.repeat) for seed in seeds]
