from itertools import pairwise

import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.samplers import Sampler, Travel
from lit_nst.samplers.kinds import KINDS, kind_of
from tests.samplers.cases import CASES, FLOW, STOCHASTIC, VP, built, plain

# Of classes of diffusers that hand numpy tensors.
pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")

BY_CLASS = {name: next(case for case in CASES if CASES[case][2] == name.removesuffix("Scheduler")) for name in KINDS}


@pytest.mark.parametrize("steps", [1, 5, 61])
@pytest.mark.parametrize("name", KINDS)
def test_calls_and_levels(name, steps):
    calls = kind_of(name).calls(steps)
    process = built(BY_CLASS[name], passes=calls)
    times, ratios = process.timesteps, [level.sigma / level.alpha if level.alpha else 1e9 for level in process.levels]
    assert len(times) == calls == len(process.levels) - 1
    assert float(times.min()) >= 0
    assert all(b <= a for a, b in pairwise(ratios))
    assert ratios[-1] < 0.03
    distinct = calls if name == "KDPM2DiscreteScheduler" else steps
    assert len(set(process.levels[:-1])) == distinct


@pytest.mark.parametrize("case", CASES)
def test_levels_are_where_diffusers_says(case):
    process, (*_, scheduler) = built(case), list(plain(case))[-1]
    assert torch.equal(process.timesteps, scheduler.timesteps)
    if hasattr(scheduler, "sigmas"):
        table = scheduler.sigmas.clone()
        if hasattr(scheduler, "sigmas_interpol"):
            table[1::2] = scheduler.sigmas_interpol[1::2]
        want = table[: len(process.levels)]
        shift = 1.0 if "flow" in case else 0.0
        got = [level.sigma / (level.alpha + shift * level.sigma) for level in process.levels]
    else:
        share = scheduler.alphas_cumprod[scheduler.timesteps]
        want = torch.cat(
            [((1 - share) / share).sqrt(), torch.tensor([(0.00085 / 0.99915) ** 0.5 if case != "ddpm" else 0.0])]
        )
        got = [level.sigma / level.alpha for level in process.levels]
    torch.testing.assert_close(torch.tensor(got), want, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("case", CASES)
def test_spaces(case):
    space = {"flow": 1, "vp": 0, "ve": 0}
    for level in built(case).levels:
        if "flow" in case:
            assert level.alpha + level.sigma == pytest.approx(space["flow"], abs=1e-12)
        elif case.split()[0] in ("euler", "euler_a", "heun", "lms", "kdpm2"):
            assert level.alpha == 1
        else:
            assert level.alpha**2 + level.sigma**2 == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_which_draw_noise(case):
    assert built(case).stochastic == (case in STOCHASTIC)


@pytest.mark.parametrize("name", [name for name in KINDS if "Flow" not in name and "Singlestep" not in name])
def test_one_step_too_many_is_cut_off(name):
    # 1000 − 61·(1000/61) rounds to just above 0, which would be one more step at a time of −1.
    process = built(BY_CLASS[name], passes=kind_of(name).calls(61))
    assert float(process.timesteps[-1]) == 15
    before, after = process.levels[-2:]
    assert 0.05 < before.sigma / before.alpha < 0.15
    assert after.sigma < 0.03


def test_an_unknown_class_is_refused():
    with pytest.raises(InputError, match=r"sampler\.name: the model's own LCMScheduler is not supported"):
        Sampler("model").build(VP | {"_class_name": "LCMScheduler"}, 4, Travel())


def test_a_flow_model_starts_at_pure_noise():
    level = Sampler("flow_euler").build(FLOW, 4, Travel()).levels[0]
    assert (level.alpha, level.sigma) == (0.0, 1.0)
