"""A sampler over one run: its passes, its levels, its steps and its state."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.samplers.kinds import is_stochastic, kind_of, levels_of, space_of
from lit_nst.samplers.level import Level, Prediction
from lit_nst.samplers.travel import Pass

PROBE = (1, 1, 8, 8)


class Process:
    """A diffusers scheduler as a function: what comes next depends on the arguments and on ``state()`` alone.

    Schedulers count their calls and keep earlier outputs in attributes of their own, each class others. Here
    the number of the call is an argument, and the rest of what a call needs is a flat dictionary, so that a
    run can be stored at any pass, and a level passed twice. Latents are B×C×h×w in the sampler's own
    space; rows never touch each other. The steps are those of diffusers to the last bit.

    Args:
        scheduler: A scheduler of diffusers of a class in ``kinds.KINDS``, its timesteps set.
        plan: The passes.
        eta: Share of DDIM's noise.

    Attributes:
        plan: The passes, in order.
        levels: The level before each call, and the one after the last.
        timesteps: What the network is told at each call, on the CPU.
        prediction: What the network predicts.
        start_scale: Standard deviation of the first latents.
        stochastic: Whether steps draw noise.
        corrects: Whether a step is two calls, of which the second goes again from the latents before the first.
        fingerprint: A number that two processes share if they do the same.
    """

    def __init__(self, scheduler: Any, plan: Sequence[Pass], eta: float = 0.0) -> None:
        self.plan = list(plan)
        self.levels: list[Level] = levels_of(scheduler)
        self.timesteps: Tensor = scheduler.timesteps
        self.prediction: Prediction = scheduler.config.get("prediction_type") or "flow_prediction"
        self.start_scale = float(getattr(scheduler, "init_noise_sigma", 1.0))
        self.stochastic = is_stochastic(scheduler, eta)
        self.corrects = kind_of(type(scheduler).__name__).calls(3) == 5
        self._kind = kind_of(type(scheduler).__name__)
        self._space = space_of(scheduler)
        self._eta = eta
        self._scheduler = scheduler
        if hasattr(scheduler, "is_scale_input_called"):
            # ``scaled`` does it in its place; without this every step warns.
            scheduler.is_scale_input_called = True
        self._fresh = self.state()
        # Rounded: another processor may compute other last digits.
        levels = [f"{level.alpha:.4g} {level.sigma:.4g}" for level in self.levels]
        parts = (type(scheduler).__name__, self.prediction, self.stochastic, eta, levels, self.plan)
        self.fingerprint = zlib.crc32(repr(parts).encode())

    def scaled(self, x: Tensor, call: int) -> Tensor:
        """The network's input: latents of a VE sampler divided by √(σ² + 1), all others as they are."""
        if self._space != "ve":
            return x
        sigma = torch.tensor(self.levels[call].sigma)
        return x / ((sigma**2 + 1) ** 0.5)

    def clean(self, output: Tensor, call: int, x: Tensor) -> Tensor:
        """The picture x0 that an output stands for, before the step."""
        return self.levels[call].clean(output, x, self.prediction)

    @torch.no_grad()
    def step(self, output: Tensor, call: int, x: Tensor, generators: Sequence[torch.Generator] | None = None) -> Tensor:
        """The latents after a call.

        Euler, DPM-Solver++ and flow Euler compute in float32 inside, even if ``x`` has more digits.

        Args:
            output: The network's output, B×C×h×w.
            call: Number of the call, from 0; ``state()`` must be that before it.
            x: Latents before, B×C×h×w; they are not changed, now or later.
            generators: One per row; only stochastic samplers take numbers from them.

        Returns:
            Latents in the type of ``x``.

        Raises:
            ValueError: A stochastic sampler without generators.
        """
        if self.stochastic and generators is None:
            raise ValueError("this sampler draws noise; give one generator per row")
        options: dict[str, Any] = {"generator": list(generators or ())} if self.stochastic else {}
        if self._eta:
            options["eta"] = self._eta
        if hasattr(self._scheduler, "_step_index"):
            self._scheduler._step_index = call
        # Schedulers keep what they are given; the caller may write to it afterwards.
        output, x = output.detach().to(x.dtype, copy=True), x.detach().clone()
        # Some multiply matrices, which a run in mixed precision would round.
        with torch.autocast(x.device.type, enabled=False):
            result: Tensor = self._scheduler.step(output, self.timesteps[call], x, return_dict=False, **options)[0]
        return result.to(x.dtype)

    def noise(self, x: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """The standard normal numbers that ``step`` would draw from these generators, in the type of ``x``."""
        dtype = torch.float32 if self._kind.noise32 else x.dtype
        rows = [torch.randn((1, *x.shape[1:]), generator=each, dtype=dtype) for each in generators]
        return torch.cat(rows).to(x)

    def split(self, output: Tensor, call: int, x: Tensor) -> tuple[Tensor, float]:
        """The parts m and c of a stochastic step m + c·z with standard normal z.

        A step is affine in its noise, with a factor that depends on the call alone. So c is read off a step
        whose latents, output and history are all zero, and m is a step with known noise less c times it. The
        state stays as it is.

        Args:
            output: The network's output, B×C×h×w.
            call: Number of the call.
            x: Latents before.

        Returns:
            m, like ``x``, and c; ``step`` gives m + c·``noise`` but for rounding.

        Raises:
            ValueError: A sampler without noise.
        """
        if not self.stochastic:
            raise ValueError("this sampler draws no noise")
        state, zeros = self.state(), torch.zeros(PROBE)
        self.load_state({key: torch.zeros(PROBE) if torch.is_tensor(value) else value for key, value in state.items()})
        only_noise = self.step(zeros, call, zeros, _seeded(1))
        z = self.noise(zeros, _seeded(1))
        largest = z.abs().argmax()
        scale = float(only_noise.double().view(-1)[largest] / z.double().view(-1)[largest])
        self.load_state(state)
        full = self.step(output, call, x, _seeded(len(x)))
        self.load_state(state)
        return full - scale * self.noise(x, _seeded(len(x))), scale

    def state(self) -> dict[str, Any]:
        """What the next call needs besides the latents: tensors B×C×h×w, plain numbers and ``None``.

        Lists are flat, "model_outputs.0" and so on. A later step does not change it; nor must the caller.
        """
        state: dict[str, Any] = {}
        for name in self._kind.state:
            value = getattr(self._scheduler, name, None)
            if isinstance(value, list):
                state |= {f"{name}.{index}": _plain(each) for index, each in enumerate(value)}
            else:
                state[name] = _plain(value)
        return state

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Puts the scheduler into a state.

        Raises:
            InputError: A state of another sampler.
        """
        left = dict(state)
        for name in self._kind.state:
            if isinstance(getattr(self._scheduler, name, None), list):
                keys = sorted(
                    (key for key in left if key.startswith(f"{name}.")), key=lambda key: int(key[len(name) + 1 :])
                )
                setattr(self._scheduler, name, [left.pop(key) for key in keys])
            else:
                setattr(self._scheduler, name, left.pop(name, None))
        if left:
            raise InputError(f"checkpoint: {min(left)} belongs to another sampler; resume with that of its config")

    def reset(self) -> None:
        """Puts the scheduler before its first call."""
        self.load_state(self._fresh)


def _plain(value: Any) -> Any:
    """Numbers out of their tensors, because torch casts an optimiser's tensors when it loads them."""
    return value.item() if torch.is_tensor(value) and value.dim() == 0 else value


def _seeded(rows: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(row) for row in range(rows)]
