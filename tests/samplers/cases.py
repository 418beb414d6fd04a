"""Every sampler that a run can have, on a small made-up model."""

import copy
import functools
import inspect
import warnings

import torch

from lit_nst.functional.random import normal
from lit_nst.samplers import Denoising, Pass, Sampler, Travel, noises

SEEDS = (11, 12, 13)
VP = {
    "_class_name": "DDIMScheduler",
    "_diffusers_version": "0.42.1",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "prediction_type": "epsilon",
}
V = VP | {"prediction_type": "v_prediction"}
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0}
SDE, KARRAS = {"algorithm_type": "sde-dpmsolver++"}, {"use_karras_sigmas": True}
FLOW_SIGMAS = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0}


def own(name, **options):
    return VP | {"_class_name": name, **options}


# Sampler, the model's config, and for the comparison the class of diffusers with what it is told.
CASES = {
    "ddim": (Sampler(), VP, "DDIM", {}),
    "ddim v": (Sampler(), V, "DDIM", {}),
    "ddim eta": (Sampler(eta=0.7), VP, "DDIM", {}),
    "ddpm": (Sampler("ddpm"), VP, "DDPM", {}),
    "pndm": (Sampler("pndm"), VP, "PNDM", {"skip_prk_steps": True}),
    "dpm++": (Sampler("dpm++"), VP, "DPMSolverMultistep", {}),
    "dpm++ v": (Sampler("dpm++"), V, "DPMSolverMultistep", {}),
    "dpm++ karras": (Sampler("dpm++", karras=True), VP, "DPMSolverMultistep", KARRAS),
    "dpm++ flow": (Sampler("dpm++"), FLOW, "DPMSolverMultistep", FLOW_SIGMAS),
    "dpm++ 3": (
        Sampler("dpm++"),
        own("DPMSolverMultistepScheduler", solver_order=3),
        "DPMSolverMultistep",
        {"solver_order": 3},
    ),
    "dpm++_sde": (Sampler("dpm++_sde"), VP, "DPMSolverMultistep", SDE),
    "dpm single": (Sampler("model"), own("DPMSolverSinglestepScheduler"), "DPMSolverSinglestep", {}),
    "unipc": (Sampler("unipc"), VP, "UniPCMultistep", {}),
    "unipc 3": (
        Sampler("unipc"),
        own("UniPCMultistepScheduler", solver_order=3),
        "UniPCMultistep",
        {"solver_order": 3},
    ),
    "unipc flow": (Sampler("unipc"), FLOW, "UniPCMultistep", FLOW_SIGMAS),
    "deis": (Sampler("deis"), VP, "DEISMultistep", {}),
    "euler": (Sampler("euler"), VP, "EulerDiscrete", {}),
    "euler v": (Sampler("euler"), V, "EulerDiscrete", {}),
    "euler_a": (Sampler("euler_a"), VP, "EulerAncestralDiscrete", {}),
    "heun": (Sampler("heun"), VP, "HeunDiscrete", {}),
    "lms": (Sampler("lms"), VP, "LMSDiscrete", {}),
    "kdpm2": (Sampler("kdpm2"), VP, "KDPM2Discrete", {}),
    "kdpm2 karras": (Sampler("kdpm2", karras=True), VP, "KDPM2Discrete", KARRAS),
    "flow_euler": (Sampler("flow_euler"), FLOW, "FlowMatchEulerDiscrete", {}),
    "flow noise": (
        Sampler("model"),
        FLOW | {"stochastic_sampling": True},
        "FlowMatchEulerDiscrete",
        {"stochastic_sampling": True},
    ),
}
STOCHASTIC = ("ddim eta", "ddpm", "dpm++_sde", "euler_a", "flow noise")


@functools.cache
def _built(case, passes, travel):
    sampler, config, *_ = CASES[case]
    with warnings.catch_warnings():
        # Classes of diffusers hand numpy tensors in a way that it no longer likes.
        warnings.filterwarnings("ignore", "__array", DeprecationWarning)
        return sampler.build(config, passes, travel)


def built(case, passes=7, travel=Travel()):  # noqa: B008
    """A process of its own; making one anew takes some classes half a second."""
    return copy.deepcopy(_built(case, passes, travel))


def start(process, seeds=SEEDS, dtype=torch.float32):
    rows = [normal((2, 4, 4), "start", seed) for seed in seeds]
    return torch.nn.Parameter(torch.stack(rows).to(dtype) * process.start_scale)


def model(scaled):
    """A network that treats every number alone, so that nothing depends on the size of a batch."""
    return torch.tanh(scaled) * 0.3


def optimizer(case, seeds=SEEDS, dtype=torch.float32, **options):
    process = built(case, **options)
    return Denoising(start(process, seeds, dtype), process, seeds)


def advance(denoising, passes=None):
    """Goes on by some passes, or to the end; returns the latents."""
    process, w = denoising.process, denoising.param_groups[0]["params"][0]
    for turn in process.plan[denoising.position :][:passes]:
        denoising.output = model(process.scaled(w.detach(), turn.index))
        denoising.step()
    return w.detach()


@functools.cache
def _scheduler(case, steps):
    import diffusers

    _, config, name, told = CASES[case]
    options = {key: value for key, value in config.items() if not key.startswith("_")}
    options |= {"timestep_spacing": "trailing", "clip_sample": False, **told}
    cls = getattr(diffusers, f"{name}Scheduler")
    known = inspect.signature(cls.__init__).parameters
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array", DeprecationWarning)
        scheduler = cls(**{key: value for key, value in options.items() if key in known})
        scheduler.set_timesteps(steps)
    return scheduler


def plain(case):
    """The usual loop of 7 calls of diffusers; yields each call's latents, output, result, and the scheduler."""
    steps = {"heun": 4, "kdpm2": 4, "kdpm2 karras": 4, "pndm": 6}.get(case, 7)
    scheduler, eta = copy.deepcopy(_scheduler(case, steps)), CASES[case][0].eta
    x = torch.stack([normal((2, 4, 4), "start", seed) for seed in SEEDS]) * getattr(scheduler, "init_noise_sigma", 1.0)
    takes = inspect.signature(scheduler.step).parameters
    for index, time in enumerate(scheduler.timesteps):
        scaled = scheduler.scale_model_input(x, time) if hasattr(scheduler, "scale_model_input") else x
        options = {"generator": noises(SEEDS, Pass(index, 0, False))} if "generator" in takes else {}
        options |= {"eta": eta} if eta else {}
        output = model(scaled)
        result = scheduler.step(output, time, x, **options)
        yield x, output, result, scheduler
        x = result.prev_sample
