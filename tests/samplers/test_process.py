import math
import warnings

import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.functional.random import normal
from lit_nst.samplers import Pass, Process, noises
from tests.samplers.cases import CASES, SEEDS, STOCHASTIC, built, model, plain, start

# Of classes of diffusers that hand numpy tensors.
pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")

EXACT = {"rtol": 0, "atol": 1e-12}
FINAL = ("ddpm", "dpm++", "dpm++_sde", "dpm single", "euler", "euler_a", "heun", "kdpm2", "flow_euler", "flow noise")


def moved(process, x, call):
    return process.step(model(process.scaled(x, call)), call, x, noises(SEEDS, Pass(call, 0, False)))


@pytest.mark.parametrize("case", CASES)
def test_the_same_as_a_loop_of_diffusers(case):
    process = built(case)
    x = start(process).detach()
    for call, (before, output, result, _) in enumerate(plain(case)):
        assert torch.equal(x, before)
        assert torch.equal(model(process.scaled(x, call)), output)
        x = moved(process, x, call)
        assert torch.equal(x, result.prev_sample)


@pytest.mark.parametrize("case", CASES)
def test_the_picture_is_that_of_the_scheduler(case):
    process, found = built(case), 0
    for call, (x, output, result, scheduler) in enumerate(plain(case)):
        own = getattr(result, "pred_original_sample", None)
        if own is None and "model_outputs" in vars(scheduler) and case != "deis":
            own = scheduler.model_outputs[-1]
        if own is not None:
            torch.testing.assert_close(process.clean(output, call, x), own, rtol=1e-5, atol=2e-5)
            found += 1
    assert found == (0 if case in ("pndm", "deis", "flow_euler", "flow noise") else 7)


@pytest.mark.parametrize("case", FINAL)
def test_the_last_step_arrives_at_the_picture(case):
    process = built(case)
    x = start(process).detach()
    for call in range(len(process.timesteps)):
        before, x = x, moved(process, x, call)
    clean = process.clean(model(process.scaled(before, call)), call, before)
    torch.testing.assert_close(x, clean, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", ["ddim", "ddim v", "euler", "euler v"])
def test_guidance_of_the_output_moves_the_latents_by_its_formula(case):
    process = doubled(case)
    for call in range(6):
        # Euler takes in float32.
        x, output, g = (normal((2, 4, 3, 3), call, key).double() for key in ("x", "output", "g"))
        x = x * process.start_scale
        level, after = process.levels[call], process.levels[call + 1]
        a, s = level.alpha * level.unit, level.sigma * level.unit
        a2, s2 = after.alpha * after.unit, after.sigma * after.unit
        steps = [
            process.step(output + change, call, x)
            for change in (
                torch.zeros_like(g),
                level.output_change(-(s**2) / a * g, process.prediction),
                level.output_change(-level.tweedie * level.unit * g, process.prediction),
                {"epsilon": s * g, "v_prediction": s / a * g}[process.prediction],
            )
        ]
        want = -s * (a2 * s / a - s2) * g / after.unit
        for step in steps[1:]:
            torch.testing.assert_close((step - steps[0]) * after.unit, want * after.unit, **EXACT)


@pytest.mark.parametrize("case", ["ddim", "ddim v", "euler", "euler v"])
def test_the_picture_is_exact(case):
    process = doubled(case)
    for call in range(7):
        x, output = (normal((2, 4, 3, 3), call, key).double() for key in ("x", "output"))
        scheduler = process._scheduler
        if hasattr(scheduler, "_step_index"):
            scheduler._step_index = call
        own = scheduler.step(output, process.timesteps[call], x).pred_original_sample
        torch.testing.assert_close(
            process.clean(output, call, x), own, rtol=0, atol=1e-6 if case == "euler v" else 1e-12
        )


def doubled(case):
    """The same sampler with its tables in float64, where rounding hides nothing."""
    process = built(case, passes=8)
    for name in ("alphas_cumprod", "final_alpha_cumprod", "sigmas"):
        if hasattr(process._scheduler, name):
            setattr(process._scheduler, name, getattr(process._scheduler, name).double())
    return Process(process._scheduler, process.plan)


@pytest.mark.parametrize("case", CASES)
def test_scaling_leaves_the_state_alone_and_passes_gradients(case):
    process = built(case)
    x = start(process)
    after = moved(process, x.detach(), 0)
    process.reset()
    for call in (3, 0, 5):
        process.scaled(x, call).sum().backward()
    assert (x.grad > 0).all()
    assert torch.equal(moved(process, x.detach(), 0), after)


@pytest.mark.parametrize("case", CASES)
def test_a_stored_state_brings_everything_back(case):
    process, other = built(case), built(case)
    x = start(process).detach()
    for call in range(6):
        state = process.state()
        other.reset()
        other.load_state(state)
        first = moved(process, x, call)
        process.load_state(state)
        assert torch.equal(moved(process, x, call), first)
        assert torch.equal(moved(other, x, call), first)
        x = first
    process.reset()
    x = start(process).detach()
    assert torch.equal(moved(process, x, 0), next(plain(case))[2].prev_sample)


@pytest.mark.parametrize("case", CASES)
def test_the_caller_may_write_to_what_was_given(case):
    process, other = built(case), built(case)
    x = start(process).detach()
    for call in range(5):
        output, buffer = model(process.scaled(x, call)), x.clone()
        generators = [noises(SEEDS, Pass(call, 0, False)) for _ in range(2)]
        want = other.step(output.clone(), call, x.clone(), generators[0])
        x = process.step(output, call, buffer, generators[1])
        assert torch.equal(x, want)
        output.fill_(torch.nan)
        buffer.fill_(torch.nan)


@pytest.mark.parametrize("case", CASES)
def test_float64_passes_through(case):
    runs = []
    for dtype in (torch.float32, torch.float64):
        process = built(case)
        x = start(process, dtype=dtype).detach()
        for call in range(7):
            x = moved(process, x, call)
            assert x.dtype == dtype
            assert process.clean(x, call, x).dtype == process.scaled(x, call).dtype == dtype
            assert all(value.dtype == dtype for value in process.state().values() if torch.is_tensor(value))
        runs.append(x.double())
    if case not in STOCHASTIC:
        torch.testing.assert_close(*runs, rtol=1e-3, atol=1e-3)


def test_mixed_precision_does_not_reach_the_sampler():
    plain_run, mixed = built("unipc 3"), built("unipc 3")
    x = start(mixed).detach()
    for call in range(7):
        output = model(mixed.scaled(x, call))
        with torch.autocast("cpu", torch.bfloat16):
            after = mixed.step(output, call, x)
        x = plain_run.step(output, call, x)
        assert torch.equal(after, x)


@pytest.mark.parametrize("case", STOCHASTIC)
def test_a_step_is_its_mean_and_its_noise(case):
    process = built(case, passes=8)
    x = start(process).detach()
    for call in range(8):
        output, state = model(process.scaled(x, call)), process.state()
        mean, scale = process.split(output, call, x)
        after = {key: value for key, value in process.state().items() if value is not None}
        assert after.keys() == {key for key, value in state.items() if value is not None}
        assert all(torch.equal(torch.as_tensor(state[key]), torch.as_tensor(after[key])) for key in after)
        assert scale == pytest.approx(expected(process, call, case), rel=2e-3, abs=1e-6)
        for repeat in (0, 1):
            process.load_state(state)
            noise = process.noise(x, noises(SEEDS, Pass(call, repeat, False)))
            step = process.step(output, call, x, noises(SEEDS, Pass(call, repeat, False)))
            torch.testing.assert_close(mean + scale * noise, step, rtol=1e-6, atol=1e-5)
        x = step


def expected(process, call, case):
    level, after = process.levels[call], process.levels[call + 1]
    if case == "flow noise":
        return after.sigma
    # The posterior's deviation, the same formula in VP and VE.
    kept = level.alpha / after.alpha * after.sigma / level.sigma
    return (0.7 if case == "ddim eta" else 1.0) * after.sigma * math.sqrt(max(0.0, 1 - kept**2))


@pytest.mark.parametrize("case", STOCHASTIC)
def test_noise_in_float64_is_what_the_step_draws(case):
    process = built(case)
    x = start(process, dtype=torch.float64).detach()
    mean, scale = process.split(model(x), 0, x)
    step = process.step(model(x), 0, x, noises(SEEDS, Pass(0, 0, False)))
    noise = process.noise(x, noises(SEEDS, Pass(0, 0, False)))
    assert mean.dtype == noise.dtype == torch.float64
    torch.testing.assert_close(mean + scale * noise, step, rtol=1e-5, atol=1e-5)


def test_noise_needs_generators_and_a_sampler_that_draws():
    process, still = built("ddpm"), built("ddim")
    x = start(process).detach()
    with pytest.raises(ValueError, match="one generator per row"):
        process.step(x, 0, x)
    with pytest.raises(ValueError, match="no noise"):
        still.split(x, 0, x)


def test_the_state_of_another_sampler_is_refused():
    with pytest.raises(InputError, match=r"checkpoint: .* belongs to another sampler"):
        built("pndm").load_state(built("dpm++").state())


def test_fingerprints_tell_processes_apart():
    prints = {case: built(case).fingerprint for case in CASES if case not in ("dpm++ 3", "unipc 3")}
    assert len(set(prints.values())) == len(prints)
    assert built("ddim").fingerprint == prints["ddim"] != built("ddim", passes=8).fingerprint


def test_no_advice_about_scaling():
    process = built("lms")
    x = start(process).detach()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        process.step(x, 0, x)
