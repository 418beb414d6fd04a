"""The choice of a sampler, and how it is fitted to a model."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

from lit_nst.errors import InputError
from lit_nst.samplers.kinds import kind_of
from lit_nst.samplers.process import Process
from lit_nst.samplers.travel import Travel, plan

Name = Literal[
    "model", "ddim", "ddpm", "pndm", "dpm++", "dpm++_sde", "unipc", "deis", "euler", "euler_a", "heun", "lms", "kdpm2",
    "flow_euler",
]  # fmt: skip

CLASSES = {
    "ddim": "DDIMScheduler",
    "ddpm": "DDPMScheduler",
    "pndm": "PNDMScheduler",
    "dpm++": "DPMSolverMultistepScheduler",
    "dpm++_sde": "DPMSolverMultistepScheduler",
    "unipc": "UniPCMultistepScheduler",
    "deis": "DEISMultistepScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler_a": "EulerAncestralDiscreteScheduler",
    "heun": "HeunDiscreteScheduler",
    "lms": "LMSDiscreteScheduler",
    "kdpm2": "KDPM2DiscreteScheduler",
    "flow_euler": "FlowMatchEulerDiscreteScheduler",
}
ALGORITHMS = {"dpm++": "dpmsolver++", "dpm++_sde": "sde-dpmsolver++", "deis": "deis"}
FLOW = ("flow_euler", "dpm++", "dpm++_sde", "unipc")
NO_KARRAS = ("ddim", "ddpm", "pndm", "euler_a", "flow_euler")
NO_SAMPLE = ("PNDMScheduler", "EulerAncestralDiscreteScheduler", "KDPM2DiscreteScheduler")
# What a scheduler's config says of the model; the rest is about that one scheduler.
MODEL_KEYS = (
    "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "prediction_type",
    "steps_offset", "set_alpha_to_one", "rescale_betas_zero_snr", "shift",
)  # fmt: skip


@dataclass(frozen=True)
class Sampler:
    """Which sampler takes noise to latents; the number of steps follows from the passes.

    Attributes:
        name: "model" is the one in the model's folder. "ddim" (Song et al. 2021), "ddpm" (Ho et al. 2020),
            "pndm" (Liu et al. 2022), "dpm++" and "dpm++_sde" (Lu et al. 2022, second order, and with noise),
            "unipc" (Zhao et al. 2023), "deis" (Zhang & Chen 2023), "euler", "euler_a" (with noise), "heun", "kdpm2"
            (Karras et al. 2022), "lms" (needs scipy), "flow_euler" for flow models.
        spacing: How steps are spread over the levels (Lin et al. 2024, "Common Diffusion Noise Schedules and
            Sample Steps are Flawed", table 2). "trailing" starts at the noisiest level. Samplers can be compared at
            equal spacing only. Flow models have their own.
        eta: Share of noise of DDIM, 0 to 1.
        karras: The levels of Karras et al. (2022), rho 7. Off leaves "model" what its config says.

    Raises:
        InputError: An option that the sampler does not have, or out of range.
    """

    name: Name = "ddim"
    spacing: Literal["trailing", "leading", "linspace"] = "trailing"
    eta: float = 0.0
    karras: bool = False

    def __post_init__(self) -> None:
        if self.name != "model" and self.name not in CLASSES:
            raise InputError(f"sampler.name: {self.name} is not a sampler; take model, {', '.join(CLASSES)}")
        if not 0 <= self.eta <= 1:
            raise InputError(f"sampler.eta: {self.eta} is not a share; give 0 to 1")
        if self.eta and self.name not in ("ddim", "model"):
            raise InputError(
                f"sampler.eta: {self.name} has no such option; set sampler.eta 0, or take sampler.name ddim"
            )
        if self.karras and self.name in NO_KARRAS:
            raise InputError(f"sampler.karras: {self.name} has its own levels; leave it out, or take dpm++ or euler")

    def build(self, config: Mapping[str, Any], passes: int, travel: Travel) -> Process:
        """The sampler of a model over a number of passes.

        Clipping and thresholding of x0, which are for pixels, are off, and so is PNDM's Runge-Kutta start,
        whatever the config says.

        Args:
            config: Config of the model's own scheduler, with its "_class_name".
            passes: Evaluations of the network, ``--trainer.max_steps``.
            travel: Which levels are passed several times.

        Raises:
            InputError: The sampler does not fit the model, or the passes not the sampler.
        """
        own = str(config.get("_class_name"))
        name = CLASSES.get(self.name, own)
        steps, passed = plan(passes, kind_of(name).calls, travel)
        scheduler = _made(name, self._options(name, own, config))
        _set_timesteps(scheduler, steps, kind_of(name).calls(steps))
        process = Process(scheduler, passed, self.eta)
        if len(set(process.levels[:-1])) < steps:
            raise InputError(f"--trainer.max_steps {passes}: the model has not so many levels of noise; set it lower")
        if process.levels[0].alpha == 0 and process.prediction == "epsilon":
            raise InputError("sampler.name: a model of noise cannot start without any picture; take dpm++ or euler")
        return process

    def _options(self, name: str, own: str, config: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of the scheduler's class."""
        known = inspect.signature(_class(name).__init__).parameters
        kept = {key: value for key, value in config.items() if name == own or key in MODEL_KEYS}
        if config.get("rescale_betas_zero_snr") and "rescale_betas_zero_snr" not in known:
            raise InputError(f"sampler.name: {name} does not know this model's levels; take ddim, dpm++ or euler")
        if self.eta and name != "DDIMScheduler":
            raise InputError(f"sampler.eta: the model's own {name} has no such option; take sampler.name ddim")
        if self.karras and "use_karras_sigmas" not in known:
            raise InputError(f"sampler.karras: the model's own {name} has its own levels; take dpm++ or euler")
        kept |= {"clip_sample": False, "thresholding": False, "skip_prk_steps": True, "timestep_spacing": self.spacing}
        kept |= {"use_karras_sigmas": True} if self.karras else {}
        kept |= {"algorithm_type": ALGORITHMS[self.name]} if self.name in ALGORITHMS else {}
        kept |= self._flow(name, config)
        if kept.get("prediction_type") == "sample" and name in NO_SAMPLE:
            raise InputError(f"sampler.name: {name} cannot run a model that predicts the picture; take ddim or dpm++")
        return {key: value for key, value in kept.items() if key in known}

    def _flow(self, name: str, config: Mapping[str, Any]) -> dict[str, Any]:
        """What a flow model asks of a sampler."""
        own = str(config.get("_class_name"))
        if not own.startswith("FlowMatch") and config.get("prediction_type") != "flow_prediction":
            if name == CLASSES["flow_euler"]:
                raise InputError("sampler.name: flow_euler is for flow models, this one is none; take ddim or dpm++")
            return {}
        if self.name not in (*FLOW, "model"):
            raise InputError(f"sampler.name: {self.name} cannot run a flow model; take {', '.join(FLOW)}")
        if self.karras:
            raise InputError("sampler.karras: a flow model has its own levels; leave it out")
        shift = config.get("shift", config.get("flow_shift", 1.0))
        return {
            "use_flow_sigmas": True,
            "prediction_type": "flow_prediction",
            "flow_shift": shift,
            "shift": shift,
        }


def _class(name: str) -> Any:
    import diffusers

    return getattr(diffusers, name)


def _made(name: str, options: Mapping[str, Any]) -> Any:
    try:
        return _class(name)(**options)
    except ImportError as error:
        raise InputError(f"sampler.name: {name} needs a package that is missing: {_line(error)}") from error
    except (ValueError, NotImplementedError) as error:
        raise InputError(f"sampler.name: {name} does not take this model's config: {_line(error)}") from error


def _set_timesteps(scheduler: Any, steps: int, calls: int) -> None:
    try:
        scheduler.set_timesteps(steps)
    except ValueError as error:
        raise InputError(f"--trainer.max_steps: {steps} steps do not work: {_line(error)}") from error
    # By a rounding error the class counts one step too many for some numbers (61, 103, ...): its
    # last would tell the network a time of -1.
    extra = len(scheduler.timesteps) - calls
    if extra:
        scheduler.timesteps = scheduler.timesteps[:calls]
        for table in ("sigmas", "sigmas_interpol"):
            if hasattr(scheduler, table):
                sigmas = getattr(scheduler, table)
                setattr(scheduler, table, torch.cat([sigmas[:calls], sigmas[calls + extra :]]))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
