"""What a guidance makes of one step, against the formulas written out by hand, in float64."""

import math

import pytest
import torch

from lit_nst.functional.random import normal
from lit_nst.samplers import Denoising, Pass, Sampler, Schedule, Travel, noises
from lit_nst.tasks.guidance import Cfg, Guidance, Guide, Prompted

VP = {
    "_class_name": "DDIMScheduler", "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000, "steps_offset": 1, "clip_sample": False, "set_alpha_to_one": False,
}  # fmt: skip
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 1.0}
KINDS = [
    ("ddim", "epsilon"), ("ddim", "v_prediction"), ("ddim", "sample"), ("dpm++", "epsilon"), ("euler", "epsilon"),
    ("euler", "v_prediction"), ("flow_euler", "flow_prediction"), ("dpm++", "flow_prediction"),
]  # fmt: skip
EVERY = pytest.mark.parametrize(("sampler", "prediction"), KINDS)
SEEDS, CALL, CFG = (3, 8), 4, 5.0
WEIGHTS = torch.tensor([0.7, 1.9], dtype=torch.float64).view(2, 1, 1, 1)
TEXT, MIX, GOAL = (normal(shape, name).double() for shape, name in (((4, 4, 4), "t"), ((4, 4), "m"), ((4, 4, 4), "g")))


def network(x, time, states):
    """Neither linear nor alike in any two channels; a text moves all of it."""
    return 0.5 * torch.einsum("cd,bdhw->bchw", MIX, x).tanh() + 0.3 * x + 0.1 * states.view(-1, 1, 1, 1) * TEXT


def distance(clean):
    """A loss on the picture, one value per row."""
    return {"style": (clean - GOAL).square().flatten(1).sum(1) + clean.sin().flatten(1).sum(1)}


class Setting:
    """A sampler of ten steps at its fifth, and what its network says there."""

    def __init__(self, sampler="ddim", prediction="epsilon", cfg=CFG, **options):
        config = FLOW if prediction == "flow_prediction" else VP
        self.process = Sampler(sampler, **options).build({**config, "prediction_type": prediction}, 10, Travel())
        self.prediction, self.level, self.after = prediction, *self.process.levels[CALL : CALL + 2]
        self.vp, self.vp_after = (
            (1.0 if sampler in ("ddim", "ddpm") or (sampler.startswith("dpm") and config is VP) else
             1 / math.hypot(level.alpha, level.sigma)) for level in (self.level, self.after)
        )  # fmt: skip
        self.x = normal((2, 4, 4, 4), "x").double() / self.vp
        states = torch.zeros(2, 1, 1), torch.ones(2, 1, 1)
        self.estimate = Prompted(self.process, Cfg(cfg), network, states)

    def steer(self, terms=distance, amounts=WEIGHTS, **settings):
        guide = Guide(Guidance(**settings), self.process, self.estimate, terms, SEEDS)
        return guide(self.x, Pass(CALL, 0, False), {} if amounts is None else {"style": amounts})

    def picture(self, output, x):
        """x₀ by the definition of what the network predicts."""
        a, s = self.level.alpha, self.level.sigma
        return {
            "epsilon": lambda: (x - s * output) / a,
            "v_prediction": lambda: a * self.vp * (x * self.vp) - s * self.vp * output,
            "flow_prediction": lambda: x - s * output,
            "sample": lambda: output,
        }[self.prediction]()

    def noise(self, output):
        """The predicted noise."""
        return (self.x - self.level.alpha * self.picture(output, self.x)) / self.level.sigma

    def outputs(self, x):
        """With the prompt, without, and guided."""
        fed = self.process.scaled(x, CALL)
        with_, without = (network(fed, 0, torch.full((2,), text)) for text in (1.0, 0.0))
        return with_, without, without + CFG * (with_ - without)

    @property
    def plain(self):
        return self.outputs(self.x)[2]

    def slope(self):
        """The gradient at the latent as VP samplers have it, through the network."""
        at = (self.x * self.vp).requires_grad_()
        clean = self.picture(self.outputs(at / self.vp)[2], at / self.vp)
        return torch.autograd.grad(distance(clean)["style"].sum(), at)[0]

    def slope_of_picture(self):
        """The gradient at x₀."""
        at = self.picture(self.plain, self.x).requires_grad_()
        return torch.autograd.grad(distance(at)["style"].sum(), at)[0]

    @property
    def pull(self):
        """s·rms(c − u), of the noises."""
        with_, without = (self.noise(output) for output in self.outputs(self.x)[:2])
        return CFG * rms(with_ - without)


def rms(x):
    return x.square().mean((1, 2, 3), keepdim=True).sqrt()


def unit(x):
    return x / rms(x)


def assert_same(found, expected, tolerance=1e-12):
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


@EVERY
def test_raw_guidance_of_the_output_is_the_scores(sampler, prediction):
    own = Setting(sampler, prediction)
    guided = own.steer(scale="none")
    share = own.level.sigma * own.vp
    assert_same(own.noise(guided.output) - own.noise(own.plain), share * WEIGHTS * own.slope())
    assert_same(guided.clean, own.picture(guided.output, own.x))
    assert guided.shift is None
    assert_same(guided.size, rms(share * WEIGHTS * own.slope()).flatten())


@EVERY
def test_so_it_is_on_the_picture(sampler, prediction):
    own = Setting(sampler, prediction)
    guided = own.steer(scale="none", inject="clean")
    share, kept = own.level.sigma * own.vp, own.level.alpha * own.vp
    moved = guided.clean - own.picture(own.plain, own.x)
    assert_same(moved, -(share**2) / kept * WEIGHTS * own.slope())
    assert_same(guided.output, own.steer(scale="none").output)


@EVERY
def test_through_the_decoder_alone_it_is_a_step_on_the_picture(sampler, prediction):
    own = Setting(sampler, prediction)
    before = own.picture(own.plain, own.x)
    guided = own.steer(scale="none", inject="clean", path="decoder")
    assert_same(guided.clean - before, -WEIGHTS * own.slope_of_picture())
    assert_same(own.picture(guided.output, own.x), guided.clean)
    # With ∂x₀/∂x for 1/α, the other two are the same gradient at the latent.
    share, kept = own.level.sigma * own.vp, own.level.alpha * own.vp
    guided = own.steer(scale="none", path="decoder")
    assert_same(own.noise(guided.output) - own.noise(own.plain), share / kept * WEIGHTS * own.slope_of_picture())
    guided = own.steer(scale="none", path="decoder", inject="post_step")
    assert_same(guided.shift * own.vp_after, -WEIGHTS / kept * own.slope_of_picture())


@EVERY
def test_raw_guidance_after_the_step_moves_the_latent(sampler, prediction):
    own = Setting(sampler, prediction)
    guided = own.steer(scale="none", inject="post_step")
    assert_same(guided.shift * own.vp_after, -WEIGHTS * own.slope())
    assert_same(guided.output, own.plain)
    assert_same(guided.clean, own.picture(own.plain, own.x))


@EVERY
@pytest.mark.parametrize("scale", ["rms", "cfg"])
def test_scaled_guidance_has_its_size_in_units_of_the_noise_or_of_the_prompts_pull(sampler, prediction, scale):
    own = Setting(sampler, prediction)
    guided, length = own.steer(scale=scale), WEIGHTS * (own.pull if scale == "cfg" else 1.0)
    change = own.noise(guided.output) - own.noise(own.plain)
    assert_same(change, length * unit(own.slope()), 1e-11)
    assert_same(guided.size, length.flatten(), 1e-11)
    assert_same(guided.pull, own.pull.flatten(), 1e-11)


@EVERY
def test_freedoms_step(sampler, prediction):
    own = Setting(sampler, prediction)
    guided = own.steer(scale="cfg", inject="post_step", amounts=torch.full_like(WEIGHTS, 0.2))
    shift = guided.shift * own.vp_after
    assert_same(rms(shift), 0.2 * own.pull)
    assert_same(unit(shift), -unit(own.slope()))
    assert_same(guided.output, own.plain)


@EVERY
def test_mpgds_step(sampler, prediction):
    own = Setting(sampler, prediction)
    guided = own.steer(scale="cfg", inject="clean", path="decoder", amounts=torch.full_like(WEIGHTS, 15.0))
    expected = own.picture(own.plain, own.x) - 15 * own.pull * unit(own.slope_of_picture())
    assert_same(guided.clean, expected, 1e-11)
    assert_same(own.picture(guided.output, own.x), expected, 1e-11)


@EVERY
@pytest.mark.parametrize("draws", [1, 3])
def test_tfgs_step(sampler, prediction, draws):
    own = Setting(sampler, prediction)
    rho, mu, share = 0.25 * WEIGHTS, 2.0 * WEIGHTS / 100, own.level.sigma * own.vp
    noise = [
        torch.stack([normal((4, 4, 4), "smoothing", seed, CALL, 0, draw).double() for seed in SEEDS])
        for draw in range(draws)
    ]

    def smooth(clean):
        likelihoods = [(-distance(clean + 0.1 * share * each)["style"]).exp() for each in noise]
        return -(sum(likelihoods) / draws).log()

    at = (own.x * own.vp).requires_grad_()
    value = smooth(own.picture(own.outputs(at / own.vp)[2], at / own.vp))
    variance = -rho * torch.autograd.grad(value.sum(), at)[0]
    clean = own.picture(own.plain, own.x)
    found = clean.clone()
    for _ in range(4):
        found.requires_grad_()
        found = (found - mu * torch.autograd.grad(smooth(found).sum(), found)[0]).detach()
    kept, kept_after = own.level.alpha * own.vp, own.after.alpha * own.vp_after
    expected = variance / math.sqrt(kept**2 / kept_after**2) + kept_after * (found - clean)
    guided = own.steer(
        path="both", inject="post_step", scale="none", inner=4, mu=0.08, smoothing=0.1, draws=draws, amounts=rho
    )
    assert expected.abs().amax() > 1e-3
    assert_same(guided.shift * own.vp_after, expected, 1e-10)
    assert_same(guided.output, own.plain)


def test_both_without_a_scale_has_the_sizes_of_its_parts():
    own = Setting()
    guided = own.steer(path="both", inject="clean", scale="cfg", inner=1, mu=3.0)
    # The change of the output's size is not the picture's, which the descent is in.
    expected = -WEIGHTS * own.pull * (unit(own.slope()) + 3.0 * unit(own.slope_of_picture()))
    assert_same(guided.clean - own.picture(own.plain, own.x), expected, 1e-11)


@pytest.mark.parametrize(
    ("sampler", "options"), [("ddim", {"eta": 1.0}), ("ddpm", {}), ("dpm++_sde", {}), ("euler_a", {})], ids=str
)
def test_dsgs_step_keeps_the_norm_of_its_noise_and_turns_it_down_the_loss(sampler, options):
    own, k = Setting(sampler, **options), torch.tensor([0.1, 0.6], dtype=torch.float64).view(2, 1, 1, 1)
    guided = own.steer(scale="spherical", inject="post_step", amounts=k)
    turn = Pass(CALL, 0, False)
    drawn = own.process.noise(own.x, noises(SEEDS, turn))
    mean, scale = own.process.split(own.plain, CALL, own.x)
    turned = (own.process.step(guided.output, CALL, own.x, noises(SEEDS, turn)) + guided.shift - mean) / scale
    # Some samplers compute in float32 inside.
    assert_same(turned.flatten(1).norm(dim=1), drawn.flatten(1).norm(dim=1), 1e-5)
    mixed = (1 - k) * unit(drawn) - k * unit(own.slope())
    assert_same(turned, rms(drawn) * unit(mixed), 1e-5)
    assert_same(guided.shift, scale * (rms(drawn) * unit(mixed) - drawn), 1e-6)
    assert ((turned - drawn) * own.slope()).sum((1, 2, 3)).lt(0).all()


def test_dsgs_noise_is_ddims():
    own = Setting(eta=1.0)
    (a, s), (b, t) = ((level.alpha, level.sigma) for level in (own.level, own.after))
    mean, scale = own.process.split(own.plain, CALL, own.x)
    assert scale == pytest.approx(math.sqrt((1 - a**2 / b**2) * t**2 / s**2), rel=1e-5)
    expected = b * own.picture(own.plain, own.x) + math.sqrt(t**2 - scale**2) * own.plain
    assert_same(mean, expected, 1e-6)


@pytest.mark.parametrize("path", ["unet", "decoder"])
@pytest.mark.parametrize(("sampler", "prediction"), [("ddim", "epsilon"), ("euler", "v_prediction")])
def test_turned_output_keeps_the_norm_of_its_noise(sampler, prediction, path):
    own, k = Setting(sampler, prediction), torch.tensor([0.1, 0.6], dtype=torch.float64).view(2, 1, 1, 1)
    guided = own.steer(scale="spherical", path=path, amounts=k)
    before, after = own.noise(own.plain), own.noise(guided.output)
    slope = own.slope() if path == "unet" else own.slope_of_picture()
    assert_same(rms(after), rms(before), 1e-11)
    assert_same(after, rms(before) * unit((1 - k) * unit(before) + k * unit(slope)), 1e-11)


def test_share_of_a_turn_is_at_most_1():
    own = Setting()
    guided = own.steer(scale="spherical", amounts=torch.full_like(WEIGHTS, 7.0))
    assert_same(unit(own.noise(guided.output)), unit(own.slope()), 1e-11)


@EVERY
def test_gradient_of_the_latent_after_the_step(sampler, prediction):
    own = Setting(sampler, prediction)
    state = own.process.state()
    guided = own.steer(path="latent", inject="post_step", scale="none")
    assert own.process.state().keys() == state.keys()
    assert all(value is state[key] or torch.equal(value, state[key]) for key, value in own.process.state().items())
    at = (own.process.step(own.plain, CALL, own.x) * own.vp_after).requires_grad_()
    slope = torch.autograd.grad(distance(at)["style"].sum(), at)[0]
    assert_same(guided.shift * own.vp_after, -WEIGHTS * slope, 1e-9)
    own.process.reset()
    guided = own.steer(path="latent", inject="post_step", scale="cfg")
    assert_same(guided.shift * own.vp_after, -WEIGHTS * own.pull * unit(slope), 1e-9)


def test_gradient_of_the_latent_sees_the_noise_that_the_step_will_draw():
    own = Setting("ddpm")
    guided = own.steer(path="latent", inject="post_step", scale="none")
    at = own.process.step(own.plain, CALL, own.x, noises(SEEDS, Pass(CALL, 0, False))).requires_grad_()
    assert_same(guided.shift, -WEIGHTS * torch.autograd.grad(distance(at)["style"].sum(), at)[0])


@EVERY
def test_adams_way_is_that_of_the_picture(sampler, prediction):
    own = Setting(sampler, prediction)
    guided = own.steer(path="adam", inject="clean", scale="none", inner=1, rate=0.1)
    moved = guided.clean - own.picture(own.plain, own.x)
    assert_same(moved, -0.1 * WEIGHTS * own.slope_of_picture().sign(), 1e-9)
    assert_same(own.picture(guided.output, own.x), guided.clean)
    assert_same(guided.terms["style"], distance(own.picture(own.plain, own.x))["style"])


def test_adams_way_too_has_a_limit():
    own = Setting()
    guided = own.steer(path="adam", inject="clean", scale="none", limit=1e-3)
    assert_same(rms(guided.clean - own.picture(own.plain, own.x)), torch.full_like(WEIGHTS, 1e-3))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("sampler", ["ddim", "euler"])
def test_the_gradient_is_the_slope(sampler, prediction):
    own = Setting(sampler, prediction)
    gradient = -own.steer(scale="none", inject="post_step").shift * own.vp_after / WEIGHTS
    direction = normal((2, 4, 4, 4), "direction").double()

    def value(step):
        x = own.x + step * direction / own.vp
        return distance(own.estimate(x, CALL).clean)["style"]

    slope = (value(1e-5) - value(-1e-5)) / 2e-5
    torch.testing.assert_close((gradient * direction).sum((1, 2, 3)), slope, rtol=1e-6, atol=0)


@pytest.mark.parametrize("path", ["unet", "decoder", "both"])
@pytest.mark.parametrize("inject", ["model_output", "post_step"])
@pytest.mark.parametrize("scale", ["none", "rms", "cfg"])
def test_the_limit_is_in_units_of_the_noise(path, inject, scale):
    own = Setting()
    plain, tight = (own.steer(path=path, inject=inject, scale=scale, limit=limit, mu=0.0) for limit in (None, 1e-3))
    assert (plain.size > 1e-3).all()
    assert_same(tight.size, torch.full_like(tight.size, 1e-3))


def test_without_amounts_the_model_is_asked_and_nothing_else():
    def refuse(clean):
        raise AssertionError

    own = Setting()
    for path in ("unet", "decoder", "both"):
        guided = own.steer(refuse, None, path=path)
        assert_same(guided.output, own.plain)
        assert (guided.shift, guided.size, guided.lost, dict(guided.terms)) == (None, None, None, {})


WAYS = [
    {"path": path, "inject": inject, "scale": scale}
    for path in ("unet", "decoder", "both") for inject in ("model_output", "clean", "post_step")
    for scale in ("none", "rms", "cfg")
] + [
    {"path": "latent", "inject": "post_step", "scale": "none"}, {"path": "adam", "inject": "clean", "scale": "none"},
    {"path": "unet", "inject": "model_output", "scale": "spherical"},
    {"path": "decoder", "inject": "post_step", "scale": "spherical"},
]  # fmt: skip
# Of any length.
LONG = [way for way in WAYS if way["scale"] != "spherical" and way["path"] != "adam"]
EACH = pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(way.values()))


@EACH
def test_a_row_of_weight_0_is_the_plain_step_bit_for_bit(way):
    own = Setting("ddpm")
    plain = own.steer(amounts=None)
    guided = own.steer(amounts=WEIGHTS * torch.tensor([1.0, 0.0]).view(2, 1, 1, 1), **way)
    assert torch.equal(guided.output[1], plain.output[1])
    assert torch.equal(guided.clean[1], plain.clean[1])
    moved = guided.output != plain.output if guided.shift is None else guided.shift != 0
    assert moved[0].any()
    assert not moved[1].any()


@EACH
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_lost_gradient_leaves_its_row_plain_and_the_others_as_they_are(way, value):
    def spoilt(clean):
        return {"style": distance(clean)["style"] * torch.tensor([1.0, value])}

    own = Setting("ddpm")
    plain, whole, guided = own.steer(amounts=None), own.steer(**way), own.steer(spoilt, **way)
    assert whole.lost.tolist() == [False, False]
    assert guided.lost.tolist() == [False, True]
    for name in ("output", "clean"):
        assert torch.equal(getattr(guided, name)[0], getattr(whole, name)[0])
        assert torch.equal(getattr(guided, name)[1], getattr(plain, name)[1])
    if guided.shift is not None:
        assert torch.equal(guided.shift[0], whole.shift[0])
        assert guided.shift[1].eq(0).all()


def test_a_gradient_lost_on_the_way_down_is_told_of():
    calls = []

    def spoilt(clean):
        calls.append(clean)
        return {"style": distance(clean)["style"] * torch.tensor([1.0, math.nan if len(calls) == 3 else 1.0])}

    own = Setting()
    guided = own.steer(spoilt, path="both", inject="post_step", inner=4)
    assert len(calls) == 5
    assert guided.lost.tolist() == [False, True]
    assert guided.shift.isfinite().all()
    assert torch.equal(guided.shift[0], own.steer(path="both", inject="post_step", inner=4).shift[0])


@pytest.mark.parametrize("way", LONG, ids=lambda way: "-".join(way.values()))
def test_a_change_that_overflows_is_left_out(way):
    own = Setting("ddpm")
    huge = torch.tensor([1.0, 1e308], dtype=torch.float64).view(2, 1, 1, 1)
    guided = own.steer(lambda x: {"style": 1e3 * distance(1e3 * x)["style"]}, 1e5 * huge, **way)
    assert guided.lost.tolist() == [False, True]
    assert guided.output.isfinite().all()
    assert guided.shift is None or guided.shift.isfinite().all()


@EACH
def test_no_gradient_is_no_guidance(way):
    own = Setting("ddpm")
    plain = own.steer(amounts=None)
    guided = own.steer(lambda clean: {"style": 0 * clean.flatten(1).sum(1)}, **way)
    assert torch.equal(guided.output, plain.output)
    assert guided.shift is None or guided.shift.eq(0).all()
    assert not guided.lost.any()


@EACH
@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_the_scale_of_a_loss_matters_to_none_alone(way, factor):
    own = Setting("ddpm")
    before = own.steer(**way)
    after = own.steer(lambda clean: {"style": factor * distance(clean)["style"]}, **way)
    parts = [(before.output, after.output)] if before.shift is None else [(before.shift, after.shift)]
    same = all(torch.allclose(a, b, rtol=1e-9, atol=1e-9) for a, b in parts)
    assert same == (way["scale"] != "none" or way["path"] == "adam")


@EACH
def test_rows_are_guided_as_if_alone(way):
    own = Setting("ddpm")
    together = own.steer(**way)
    guide = Guide(Guidance(**way), own.process, own.estimate, distance, SEEDS[::-1])
    swapped = guide(own.x.flip(0), Pass(CALL, 0, False), {"style": WEIGHTS.flip(0)})
    for name in ("output", "clean", "pull", "size", "lost"):
        assert torch.equal(getattr(swapped, name).flip(0), getattr(together, name))
    assert together.shift is None or torch.equal(swapped.shift.flip(0), together.shift)


def test_terms_add_up_and_each_has_its_own_weights():
    def terms(clean):
        return {"a": distance(clean)["style"], "b": 1e6 * clean.cos().flatten(1).sum(1)}

    own = Setting()
    settings, turn = Guidance(path="decoder", scale="rms", inject="clean"), Pass(CALL, 0, False)
    guide = Guide(settings, own.process, own.estimate, terms, SEEDS)
    before = own.picture(own.plain, own.x)
    guided = guide(own.x, turn, {"a": WEIGHTS, "b": 0.5 * WEIGHTS.flip(0)})
    expected = WEIGHTS * unit(own.slope_of_picture()) - 0.5 * WEIGHTS.flip(0) * unit(before.sin())
    assert_same(guided.clean - before, -expected, 1e-11)
    torch.testing.assert_close(guided.terms["b"], 1e6 * before.cos().flatten(1).sum(1))
    # A term whose turn it is not has no say, and no gradient.
    guided = guide(own.x, turn, {"b": 0.5 * WEIGHTS})
    assert_same(guided.clean - before, 0.5 * WEIGHTS * unit(before.sin()), 1e-11)


@pytest.mark.parametrize("way", [{"path": "unet"}, {"path": "decoder", "inject": "clean"}, {"path": "both"}], ids=str)
def test_pure_noise_is_not_guided(way):
    own = Setting("flow_euler", "flow_prediction")
    assert own.process.levels[0].alpha == 0
    for scale in ("none", "rms", "cfg"):
        guide = Guide(Guidance(scale=scale, **way), own.process, own.estimate, distance, SEEDS)
        plain, guided = (guide(own.x, Pass(0, 0, False), amounts) for amounts in ({}, {"style": WEIGHTS}))
        assert torch.equal(guided.output, plain.output)
        assert (guided.size, guided.shift) == (None, None)


MEAN, SPREAD = normal((4, 1, 1), "mean").double(), 0.6


def ideal(x, time, states):
    """The noise that is expected in a VP latent of pictures with a mean and a deviation."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    kept = (1 - betas).cumprod(0)[time.long()]
    a, s = kept.sqrt(), (1 - kept).sqrt()
    return s * (x - a * states.view(-1, 1, 1, 1) * MEAN) / (a**2 * SPREAD**2 + s**2)


def sampled(sampler, settings, weight, passes=20, **options):
    """Two pictures."""
    process = Sampler(sampler, **options).build({**VP, "prediction_type": "epsilon"}, passes, settings.travel)
    start = torch.stack([normal((4, 4, 4), "start", seed).double() for seed in SEEDS])
    w = torch.nn.Parameter(process.start_scale * start)
    optimizer = Denoising(w, process, SEEDS)
    estimate = Prompted(process, Cfg(1.0), ideal, (torch.zeros(2, 1, 1), torch.ones(2, 1, 1)))
    guide = Guide(settings, process, estimate, lambda x: {"style": 0.5 * (x - GOAL).square().flatten(1).sum(1)}, SEEDS)
    weights = settings.schedule.weights(process.levels[:-1])
    for turn in process.plan:
        amount = torch.full((2, 1, 1, 1), weight * weights[turn.index], dtype=torch.float64)
        guided = guide(w.detach(), turn, {"style": amount} if weight * weights[turn.index] else {})
        optimizer.output, optimizer.shift = guided.output, guided.shift
        optimizer.step()
    return w.detach()


@pytest.mark.parametrize("scale", ["none", "rms"])
@pytest.mark.parametrize("path", ["unet", "decoder"])
def test_samplers_gain_the_same_style_from_the_same_guidance(path, scale):
    settings = Guidance(path=path, scale=scale, schedule=Schedule(start=0.2))
    way, gain = {}, {}
    for sampler in ("ddim", "dpm++", "euler"):
        before, after = (sampled(sampler, settings, weight) for weight in (0.0, 0.15))
        way[sampler] = (after - before).flatten()
        gain[sampler] = 1 - float((after - GOAL).square().sum() / (before - GOAL).square().sum())
    assert gain["ddim"] > 0.05
    for sampler in ("dpm++", "euler"):
        assert gain[sampler] == pytest.approx(gain["ddim"], rel=0.15)
        assert torch.cosine_similarity(way[sampler], way["ddim"], 0) > 0.99


def test_more_weight_is_more_style():
    settings = Guidance(scale="rms", schedule=Schedule(start=0.2))
    left = [float((sampled("ddim", settings, weight) - GOAL).square().sum()) for weight in (0, 0.05, 0.1, 0.2, 0.4)]
    assert left == sorted(left, reverse=True)
