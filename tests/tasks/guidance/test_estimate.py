import math

import pytest
import torch

from lit_nst.functional.guidance import projected
from lit_nst.samplers import Sampler, Travel
from lit_nst.tasks.guidance import Cfg, Prompted

CONFIG = {
    "_class_name": "DDIMScheduler", "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000, "steps_offset": 1,
}  # fmt: skip
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 1.0}
CALL, STATES = 4, (torch.zeros(3, 1, 1), torch.arange(1.0, 4).view(3, 1, 1))


def process(sampler="ddim", prediction="epsilon"):
    config = FLOW if prediction == "flow_prediction" else CONFIG
    return Sampler(sampler).build({**config, "prediction_type": prediction}, 10, Travel())


def latents(rows=3):
    return torch.randn(rows, 4, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Network:
    """Keeps what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, x, time, states):
        self.asked.append((x, time, states))
        return 0.5 * x + states.double().view(-1, 1, 1, 1) * x.flip(1).cos()


def estimate(cfg, sampler="ddim", prediction="epsilon", rows=3):
    network, own = Network(), process(sampler, prediction)
    x, states = latents(rows), tuple(state[:rows] for state in STATES)
    return Prompted(own, cfg, network, states)(x, CALL), own, network, x


def parts(own, x):
    """The outputs with the prompt and without."""
    fed = own.scaled(x, CALL)
    with_ = 0.5 * fed + STATES[1][: len(x)].double().view(-1, 1, 1, 1) * fed.flip(1).cos()
    return with_, 0.5 * fed


def test_one_call_of_the_network_asks_both_prompts():
    found, own, network, x = estimate(Cfg(3.0))
    assert len(network.asked) == 1
    fed, time, states = network.asked[0]
    assert torch.equal(fed, torch.cat([x, x]))
    assert torch.equal(states, torch.cat(STATES))
    assert time == own.timesteps[CALL]
    with_, without = parts(own, x)
    torch.testing.assert_close(found.output, without + 3 * (with_ - without), rtol=0, atol=1e-12)
    level = own.levels[CALL]
    torch.testing.assert_close(found.clean, (x - level.sigma * found.output) / level.alpha, rtol=0, atol=1e-12)


def test_a_ve_sampler_shows_the_network_the_vp_latent():
    _, own, network, x = estimate(Cfg(3.0), "euler")
    level = own.levels[CALL]
    torch.testing.assert_close(network.asked[0][0][:3], x / math.hypot(1, level.sigma), rtol=1e-6, atol=0)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_the_prompt_alone_is_asked_alone_on_an_even_number_of_rows(rows):
    found, own, network, x = estimate(Cfg(1.0), rows=rows)
    (asked,) = network.asked
    assert len(asked[0]) == len(asked[2]) == rows + rows % 2
    assert torch.equal(asked[0][:rows], x)
    torch.testing.assert_close(found.output, parts(own, x)[0], rtol=0, atol=1e-12)
    assert found.pull.shape == (rows, 1, 1, 1)
    assert found.pull.eq(0).all()


@pytest.mark.parametrize(
    ("sampler", "prediction"),
    [("ddim", "epsilon"), ("ddim", "v_prediction"), ("euler", "epsilon"), ("euler", "v_prediction"),
     ("flow_euler", "flow_prediction"), ("ddim", "sample")],
)  # fmt: skip
def test_the_pull_is_the_prompts_in_units_of_the_noise(sampler, prediction):
    found, own, _, x = estimate(Cfg(3.0), sampler, prediction)
    level = own.levels[CALL]
    noises = [(x - level.alpha * level.clean(output, x, prediction)) / level.sigma for output in parts(own, x)]
    expected = 3 * (noises[0] - noises[1]).square().mean((1, 2, 3), keepdim=True).sqrt()
    torch.testing.assert_close(found.pull, expected, rtol=1e-10, atol=0)


def test_rescale_gives_back_the_deviation_of_the_prompts_output():
    found, own, _, x = estimate(Cfg(6.0, rescale=1.0))
    with_, without = parts(own, x)
    torch.testing.assert_close(found.output.flatten(1).std(1), with_.flatten(1).std(1))
    plain = without + 6 * (with_ - without)
    half, *_ = estimate(Cfg(6.0, rescale=0.5))
    torch.testing.assert_close(half.output, (plain + found.output) / 2)


def test_apg_projects_the_predicted_pictures():
    found, own, _, x = estimate(Cfg(6.0, apg=0.25, apg_limit=2.0))
    level = own.levels[CALL]
    with_, without = (level.clean(output, x, "epsilon") for output in parts(own, x))
    torch.testing.assert_close(found.clean, projected(with_, without, 6.0, 0.25, 2.0), rtol=1e-9, atol=1e-9)
    plain, *_ = estimate(Cfg(6.0))
    same, *_ = estimate(Cfg(6.0, apg=1.0))
    torch.testing.assert_close(same.output, plain.output, rtol=1e-9, atol=1e-9)
    limit, *_ = estimate(Cfg(6.0, apg_limit=2.0))
    torch.testing.assert_close(limit.clean, projected(with_, without, 6.0, 1.0, 2.0), rtol=1e-9, atol=1e-9)
    assert (limit.output - plain.output).abs().max() > 0.01


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_the_output_stands_for_the_clamped_picture(prediction):
    plain, own, _, x = estimate(Cfg(6.0), prediction=prediction)
    found, *_ = estimate(Cfg(6.0, percentile=90.0), prediction=prediction)
    bound = plain.clean.abs().flatten(1).quantile(0.9, dim=1).clamp_min(1).view(-1, 1, 1, 1)
    torch.testing.assert_close(found.clean, plain.clean.clamp(-bound, bound))
    assert (found.clean - plain.clean).abs().amax() > 0.1
    torch.testing.assert_close(own.clean(found.output, CALL, x), found.clean)
    assert torch.equal(found.pull, plain.pull)


@pytest.mark.parametrize("cfg", [Cfg(1.0), Cfg(4.0), Cfg(4.0, 0.7, apg=0.0, apg_limit=3.0, percentile=95.0)])
def test_a_row_does_not_depend_on_its_neighbours(cfg):
    own, x = process(), latents()
    together = Prompted(own, cfg, Network(), STATES)(x, CALL)
    for row in range(3):
        alone = Prompted(own, cfg, Network(), tuple(state[row : row + 1] for state in STATES))(x[row : row + 1], CALL)
        for name in ("output", "clean", "pull"):
            torch.testing.assert_close(getattr(alone, name)[0], getattr(together, name)[row], rtol=1e-12, atol=1e-12)
