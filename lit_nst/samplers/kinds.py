"""What is known of each scheduler class of diffusers: its space, its state, its calls."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.samplers.level import Level

Space = Literal["alphas", "vp_sigmas", "ve", "flow"]


def _one(steps: int) -> int:
    return steps


def _two(steps: int) -> int:
    return 2 * steps - 1


def _one_more(steps: int) -> int:
    return steps + (steps > 1)


@dataclass(frozen=True)
class Kind:
    """One class of schedulers.

    Attributes:
        space: "alphas" is VP with a table of ᾱ; "vp_sigmas" VP, "ve" VE and "flow" flow with one of σ. A class of
            "vp_sigmas" can be told to work on flow levels.
        state: The attributes that decide the next call, besides the latents and the number of the call.
        calls: Number of calls of n steps.
        noise32: Draws its noise in float32 whatever the type of the latents.
    """

    space: Space
    state: tuple[str, ...] = ()
    calls: Callable[[int], int] = _one
    noise32: bool = False


KINDS: dict[str, Kind] = {
    "DDIMScheduler": Kind("alphas"),
    "DDPMScheduler": Kind("alphas"),
    # Only as linear multistep: its Runge-Kutta start is switched off, as Stable Diffusion does.
    "PNDMScheduler": Kind("alphas", ("ets", "counter", "cur_sample"), _one_more),
    "DPMSolverMultistepScheduler": Kind("vp_sigmas", ("model_outputs", "lower_order_nums"), noise32=True),
    "DPMSolverSinglestepScheduler": Kind("vp_sigmas", ("model_outputs", "sample")),
    "DEISMultistepScheduler": Kind("vp_sigmas", ("model_outputs", "lower_order_nums")),
    "UniPCMultistepScheduler": Kind("vp_sigmas", ("model_outputs", "lower_order_nums", "last_sample", "this_order")),
    "EulerDiscreteScheduler": Kind("ve"),
    "EulerAncestralDiscreteScheduler": Kind("ve"),
    "HeunDiscreteScheduler": Kind("ve", ("prev_derivative", "dt", "sample"), _two),
    "LMSDiscreteScheduler": Kind("ve", ("derivatives",)),
    "KDPM2DiscreteScheduler": Kind("ve", ("sample",), _two),
    "FlowMatchEulerDiscreteScheduler": Kind("flow", noise32=True),
}


def kind_of(name: str) -> Kind:
    """What is known of a class.

    Raises:
        InputError: Nothing.
    """
    if name not in KINDS:
        known = ", ".join(sorted(each.removesuffix("Scheduler") for each in KINDS))
        raise InputError(f"sampler.name: the model's own {name} is not supported ({known} are); name another sampler")
    return KINDS[name]


def space_of(scheduler: Any) -> Space:
    """The space that a scheduler works in."""
    return "flow" if scheduler.config.get("use_flow_sigmas") else kind_of(type(scheduler).__name__).space


def levels_of(scheduler: Any) -> list[Level]:
    """The level before each call, then the one after the last call.

    The numbers are those that the scheduler computes with, in float32. Where the number of steps does not
    divide the model's own, DDIM and PNDM end a step one of the model's levels beside that of the next call.
    """
    space, calls = space_of(scheduler), len(scheduler.timesteps)
    if space == "alphas":
        last = _last_alpha(scheduler)
        table = [*scheduler.alphas_cumprod[scheduler.timesteps.long()], last]
        return [Level(float(alpha**0.5), float((1 - alpha) ** 0.5)) for alpha in table]
    sigmas: list[Tensor] = list(scheduler.sigmas[: calls + 1])
    if hasattr(scheduler, "sigmas_interpol"):
        sigmas[1::2] = scheduler.sigmas_interpol[1 : calls + 1 : 2]
    if space == "ve":
        return [Level(1.0, float(sigma)) for sigma in sigmas]
    if space == "flow":
        return [Level(1 - float(sigma), float(sigma)) for sigma in sigmas]
    shares = [1 / (sigma**2 + 1) ** 0.5 for sigma in sigmas]
    return [Level(float(alpha), float(sigma * alpha)) for alpha, sigma in zip(shares, sigmas, strict=True)]


def _last_alpha(scheduler: Any) -> Tensor:
    """ᾱ after the last call."""
    if hasattr(scheduler, "one"):
        return torch.ones(())
    config = scheduler.config
    left = int(scheduler.timesteps[-1]) - config.num_train_timesteps // scheduler.num_inference_steps
    alpha: Tensor = scheduler.alphas_cumprod[left] if left >= 0 else scheduler.final_alpha_cumprod
    return alpha


def is_stochastic(scheduler: Any, eta: float) -> bool:
    """Whether a scheduler's steps draw noise."""
    if type(scheduler).__name__ in ("DDPMScheduler", "EulerAncestralDiscreteScheduler"):
        return True
    config = scheduler.config
    return eta > 0 or str(config.get("algorithm_type")).startswith("sde") or bool(config.get("stochastic_sampling"))
