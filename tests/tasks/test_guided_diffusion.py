import csv
import json
import math
import warnings

import pytest
import torch
from lightning.pytorch import Callback

from lit_nst.callbacks import Degrade, History, Results, Trajectory
from lit_nst.cli import CLI, CONFIGS
from lit_nst.data import Images, write_png
from lit_nst.degradations import Downsample, Mask
from lit_nst.errors import InputError
from lit_nst.functional.random import normal, seeded_normal
from lit_nst.losses import GramLoss, PixelLoss, TotalVariation
from lit_nst.minimise import minimise
from lit_nst.samplers import Pass, Sampler, Schedule, Travel
from lit_nst.tasks.guidance import Cfg, Guidance
from tests.fitting import fit, save_pictures
from tests.tasks.sampling import LATENT, SIDE, Way, gram, guided, model, write_model

PASSES = 4
DSG = Guidance(inject="post_step", scale="spherical")
ADAM = Guidance(path="adam", inject="clean", scale="none", inner=2)


@pytest.fixture
def images(tmp_path):
    return Images(style=save_pictures(tmp_path, "style", (16, 16), (12, 20)))


@pytest.fixture
def one(images):
    return Images(style=images.sources["style"][0])


def sampled(task, images, folder, passes=PASSES, **options):
    fit(task, images, folder, passes, **options)
    return task


def followed(task, images, folder, passes=PASSES, callbacks=(), **options):
    """The run, and the latents after each of its passes."""
    way = Way()
    fit(task, images, folder, passes, callbacks=[*callbacks, way], **options)
    return task, way


class Scaled(GramLoss):
    """A style loss in another unit."""

    def __init__(self, factor, weight):
        super().__init__(["relu1_1"], weight)
        self.factor = factor

    def distance(self, a, b):
        return self.factor * super().distance(a, b)


class Steep(torch.autograd.Function):
    """Values as they are, with other slopes."""

    @staticmethod
    def forward(ctx, x, factor):
        ctx.save_for_backward(factor)
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.saved_tensors[0], None


class Spoilt(GramLoss):
    """A style loss whose value or gradient is not finite in some rows at some of its calls."""

    def __init__(self, where, value=math.nan, gradient=False, weight=0.3):
        super().__init__(["relu1_1"], weight)
        self.where, self.value, self.gradient, self.calls = where, value, gradient, 0

    def distance(self, a, b):
        found = super().distance(a, b)
        bad = torch.tensor([self.calls in self.where.get(row, ()) for row in range(len(found))])
        self.calls += 1
        factor = torch.where(bad, self.value, 1.0)
        return Steep.apply(found, factor) if self.gradient else found * factor


@pytest.mark.parametrize(("name", "scheduler"), [("ddim", "DDIMScheduler"), ("euler", "EulerDiscreteScheduler")])
def test_without_terms_it_is_diffusers_own_pipeline(tmp_path, name, scheduler):
    import diffusers

    pipe = diffusers.StableDiffusionPipeline.from_pretrained(write_model(tmp_path / "model"), local_files_only=True)
    config = {**pipe.scheduler.config, "timestep_spacing": "trailing"}
    pipe.scheduler = getattr(diffusers, scheduler).from_config(config)
    pipe.set_progress_bar_config(disable=True)
    start = [torch.randn(LATENT, generator=torch.Generator().manual_seed(seed)) for seed in (7, 8)]
    made = pipe(
        ["red circle"] * 2, negative_prompt=["blue"] * 2, latents=torch.stack(start), num_inference_steps=PASSES,
        guidance_scale=3.0, output_type="pt", height=SIDE, width=SIDE,
    ).images  # fmt: skip
    task = guided(negative="blue", samples=2, seed=7, sampler=Sampler(name))
    found = minimise(task, Images(), PASSES, progress=False, accelerator="cpu")
    assert made.std() > 0.01
    torch.testing.assert_close(found, made, rtol=0, atol=1e-5)
    assert task.seeds == [7, 8]
    assert task.names == ["red-circle_1", "red-circle_2"]


@pytest.mark.parametrize(
    ("guidance", "sampler"),
    [
        (Guidance(schedule=Schedule(start=0.5)), Sampler("dpm++")),
        (Guidance(inject="post_step", scale="none", schedule=Schedule(start=0.5)), Sampler("euler_a")),
        (Guidance(inject="post_step", scale="spherical", schedule=Schedule(start=0.5)), Sampler(eta=1.0)),
        (Guidance(path="both", inject="post_step", schedule=Schedule(start=0.5)), Sampler("ddpm")),
        (Guidance(path="adam", inject="clean", scale="none", schedule=Schedule(start=0.5)), Sampler("unipc")),
    ],
    ids=["unet", "raw", "dsg", "both", "adam"],
)
def test_rows_of_weight_0_and_steps_before_the_start_are_the_plain_sampling_bit_for_bit(
    one, tmp_path, guidance, sampler
):
    plain, way = followed(guided(gram([0.0, 0.0]), guidance, sampler=sampler), one, tmp_path)
    assert torch.equal(plain.best[0], plain.best[1])
    task, steered = followed(guided(gram([0.0, 0.5]), guidance, sampler=sampler), one, tmp_path)
    for step in range(PASSES):
        assert torch.equal(steered.w[step][0], way.w[step][0])
        assert torch.equal(steered.clean[step][0], way.clean[step][0])
    for step in range(PASSES // 2):
        assert torch.equal(steered.w[step][1], way.w[step][0])
    for step in range(PASSES // 2, PASSES):
        assert (steered.w[step][1] - way.w[step][0]).abs().max() > 1e-3
    assert torch.equal(task.best[0], plain.best[0])
    assert torch.equal(task.w, task.best)
    assert task.best_loss[0] == 0 < task.best_loss[1]
    assert task.skipped.tolist() == [0, 0]


WAYS = {
    "rms": Guidance(scale="rms"),
    "cfg": Guidance(path="decoder", inject="clean"),
    "spherical": DSG,
    "adam": ADAM,
}


@pytest.mark.parametrize("way", WAYS)
def test_the_scale_of_a_loss_changes_nothing(one, tmp_path, way):
    def picture(factor):
        task = guided(Scaled(factor, 0.2), WAYS[way], sampler=Sampler(eta=1.0))
        sampled(task, one, tmp_path, 3)
        with torch.no_grad():
            return task(task.best)

    usual = picture(1.0)
    for factor in (1e-4, 1e4):
        torch.testing.assert_close(picture(factor), usual, rtol=0, atol=1e-5)


def test_but_it_does_without_a_scale(one, tmp_path):
    found = [sampled(guided(Scaled(f, 0.2), Guidance(scale="none")), one, tmp_path, 3).best for f in (1.0, 100.0)]
    assert (found[0] - found[1]).abs().max() > 1e-3


def test_a_weight_counts_once(one, tmp_path):
    task = guided(gram([0.0, 0.1, 0.2]), Guidance(path="decoder", scale="none", inject="post_step"))
    _, way = followed(task, one, tmp_path, 2)
    moved = way.w[0] - way.w[0][0]
    torch.testing.assert_close(moved[2], 2 * moved[1], rtol=1e-3, atol=1e-5)
    loss = task.compared["style"]
    with torch.no_grad():
        own = loss.measure(task.maps(task.generator(task.best)))["relu1_1"]
        distance = loss.distance(own, task.references["style"]["relu1_1"][:3])
    torch.testing.assert_close(task.best_loss, torch.tensor([0.0, 0.1, 0.2]) * distance)


def test_guidance_has_the_size_that_its_weight_says(one, tmp_path):
    task = guided(gram([0.3, 0.0]), Guidance(schedule=Schedule(start=0.5, factors=[[0.7, 2.0]])))
    sampled(task, one, tmp_path, 10, callbacks=[History()], log_every_n_steps=5)
    lines = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert list(lines[0]) == ["step", "loss", "style", "guidance", "rows"]
    mean = [float(line["guidance"]) for line in lines]
    assert mean == pytest.approx([0.0] * 5 + [0.15] * 2 + [0.3] * 3, rel=1e-4)
    # Before the start the loss is looked at for the log alone.
    assert [bool(line["style"]) for line in lines] == [False] * 4 + [True] * 6
    for line in lines[5:]:
        assert 0 < float(line["loss"]) < 0.6 * float(line["style"])


def white(folder, tone=1.0):
    """A style picture of one colour."""
    write_png(torch.full((3, 16, 16), tone), folder / "white.png")
    return Images(style=str(folder / "white.png"))


@pytest.fixture
def constant(tmp_path):
    """A model whose every picture is white."""
    from lit_nst.generators import LatentDiffusion

    generator = LatentDiffusion(str(write_model(tmp_path / "constant")))
    generator.vae.decoder.conv_out.weight.data.zero_()
    generator.vae.decoder.conv_out.bias.data.fill_(1.0)
    return generator


class Root(GramLoss):
    """A distance whose gradient is no number where it is zero."""

    def distance(self, a, b):
        return (a - b).square().flatten(1).sum(1).sqrt()


@pytest.mark.parametrize("guidance", [DSG, ADAM], ids=["dsg", "adam"])
def test_nothing_to_be_gained_is_no_guidance(constant, tmp_path, guidance):
    plain = sampled(guided(generator=constant, sampler=Sampler(eta=1.0)), Images(), tmp_path, 3)
    task = sampled(guided(gram(), guidance, generator=constant, sampler=Sampler(eta=1.0)), white(tmp_path), tmp_path, 3)
    assert torch.equal(task.best, plain.best)
    assert task.best_loss.eq(0).all()
    assert task.skipped.tolist() == [0]
    root = guided(Root(["relu1_1"]), guidance, generator=constant, sampler=Sampler(eta=1.0))
    with pytest.warns(UserWarning, match=r"row 0 \(red-circle\+white\): 3 gradients were not finite and were left out"):
        sampled(root, white(tmp_path), tmp_path, 3)
    assert torch.equal(root.best, plain.best)
    assert root.skipped.tolist() == [3]


def test_styles_of_one_colour_and_a_style_that_is_the_picture_itself(one, tmp_path):
    plain = sampled(guided(), Images(), tmp_path, 4)
    with torch.no_grad():
        write_png(plain(plain.best)[0], tmp_path / "itself.png")
    styles = Images(style=[str(tmp_path / "itself.png"), white(tmp_path, 0.0).sources["style"]])
    for loss in (gram(), Root(["relu1_1"], weight=0.3)):
        task = sampled(guided(loss, Guidance(scale="rms")), styles, tmp_path, 4)
        assert task.best.isfinite().all()
        assert task.skipped.tolist() == [0, 0]


WHERE = {1: (2, 3), 2: (0,)}


RAW = Guidance(path="decoder", inject="post_step", scale="none")


@pytest.mark.parametrize(
    ("value", "gradient", "guidance"),
    [(math.nan, False, RAW), (-math.inf, False, RAW), (math.inf, False, Guidance()), (math.nan, True, Guidance()),
     (math.inf, True, RAW), (math.nan, True, DSG)],
    ids=["nan", "-inf", "inf unet", "nan slope unet", "inf slope", "nan slope dsg"],
)  # fmt: skip
def test_gradients_that_are_not_finite_are_left_out_and_told_of(one, tmp_path, value, gradient, guidance):
    settings = {"prompt": ["red", "blue"], "samples": 2, "sampler": Sampler(eta=1.0)}
    _, way = followed(guided(gram(), guidance, **settings), one, tmp_path)
    task = guided(Spoilt(WHERE, value, gradient), guidance, **settings)
    with pytest.warns(UserWarning, match="row ") as told:
        task, spoilt = followed(task, one, tmp_path)
    said = sorted(str(each.message) for each in told if str(each.message).startswith("row "))
    assert said == [
        "row 1 (red+style0_2): 2 gradients were not finite and were left out",
        "row 2 (blue+style0_1): 1 gradients were not finite and were left out",
    ]
    assert task.skipped.tolist() == [0, 2, 1, 0]
    assert task.stopped.tolist() == [-1] * 4
    assert task.best.isfinite().all()
    for row in (0, 3):
        assert all(torch.equal(a[row], b[row]) for a, b in zip(spoilt.w, way.w, strict=True))
    for row in (1, 2):
        first = WHERE[row][0]
        assert all(torch.equal(a[row], b[row]) for a, b in zip(spoilt.w[:first], way.w[:first], strict=True))
        assert not torch.equal(spoilt.w[first][row], way.w[first][row])


def test_what_was_left_out_is_in_the_figures_and_goes_on_after_a_resume(one, tmp_path):
    class Halfway(Results):
        def on_train_batch_end(self, trainer, task, *_):
            if trainer.global_step == 2:
                trainer.save_checkpoint(tmp_path / "2.ckpt")

    def make():
        return guided(Spoilt({1: (1, 3)}), samples=2)

    with pytest.warns(UserWarning, match=r"row 1 \(red-circle\+style0_2\): 2 gradients"):
        task = sampled(make(), one, tmp_path, callbacks=[Halfway(summary=False)])
    rows = json.loads((tmp_path / "metrics.json").read_text())["rows"]
    assert [row["skipped"] for row in rows] == [0, 2]
    assert [(row["prompt"], row["seed"], row["passes"]) for row in rows] == [("red circle", 3, 4), ("red circle", 4, 4)]
    again = make()
    again.compared["style"].calls = 2
    with pytest.warns(UserWarning, match=r"row 1 \(red-circle\+style0_2\): 2 gradients"):
        sampled(again, one, tmp_path, ckpt_path=tmp_path / "2.ckpt")
    assert again.skipped.tolist() == [0, 2]
    assert torch.equal(again.best, task.best)


def test_a_row_whose_model_fails_is_told_of_and_the_others_go_on(one, tmp_path, monkeypatch):
    whole = sampled(guided(gram(), samples=3), one, tmp_path)
    calls, predict = [], model().predict

    def failing(x, time, states):
        calls.append(time)
        output = predict(x, time, states)
        return output * torch.tensor([1.0, math.nan if len(calls) == 3 else 1.0, 1.0] * 2).view(-1, 1, 1, 1)

    monkeypatch.setattr(model(), "predict", failing)
    told = r"row 1 \(red-circle\+style0_2\): the latents are not finite from step 2 on; give smaller weights or cfg"
    with pytest.warns(UserWarning, match=told):
        task = sampled(guided(gram(), samples=3), one, tmp_path)
    assert task.stopped.tolist() == [-1, 2, -1]
    assert torch.equal(task.best[[0, 2]], whole.best[[0, 2]])


@pytest.mark.parametrize("guidance", [None, Guidance(inject="post_step")], ids=["plain", "guided"])
def test_a_batch_is_its_singles_and_rows_go_where_prompts_and_styles_go(images, tmp_path, guidance):
    def run(prompts, styles, samples=1, seed=3):
        style = gram(0.3 if guidance else 0.0)
        task = guided(style, guidance, prompt=prompts, samples=samples, seed=seed, sampler=Sampler("euler_a"))
        return sampled(task, Images(style=styles), tmp_path, 3)

    def pictures(task, w):
        with torch.no_grad():
            return task(w)

    prompts, styles = ["red circle", "blue"], images.sources["style"]
    together = run(prompts, styles, 2)
    assert together.w.shape == (8, *LATENT)
    assert together.names[:3] == ["red-circle+style0_1", "red-circle+style0_2", "red-circle+style1_1"]
    rows = together.best.view(2, 2, 2, *LATENT)
    assert len({tuple(row.flatten()[:3].tolist()) for row in together.best}) == (8 if guidance else 4)
    swapped = run(prompts[::-1], styles[::-1], 2).best.view(2, 2, 2, *LATENT)
    assert torch.equal(swapped.flip(0, 1), rows)
    for prompt, style, sample in ((0, 0, 0), (0, 1, 1), (1, 0, 1)):
        alone = run(prompts[prompt], styles[style], seed=3 + sample)
        own = pictures(together, rows[prompt, style, sample][None])
        torch.testing.assert_close(pictures(alone, alone.best), own, rtol=0, atol=1e-5)


def test_an_odd_number_of_rows_has_the_bits_of_a_larger_run(one, tmp_path):
    many = sampled(guided(gram(), samples=4), one, tmp_path, 4)
    three = sampled(guided(gram(), samples=3), one, tmp_path, 4)
    assert torch.equal(three.best, many.best[:3])
    alone = {"cfg": Cfg(1.0), "guidance": Guidance(scale="rms")}
    many = sampled(guided(gram(), samples=4, **alone), one, tmp_path, 4)
    three = sampled(guided(gram(), samples=3, **alone), one, tmp_path, 4)
    assert torch.equal(three.best, many.best[:3])


def test_looking_on_changes_no_bit(one, tmp_path):
    settings = {"samples": 2, "sampler": Sampler("dpm++_sde"), "guidance": Guidance(travel=Travel(2))}
    alone = sampled(guided(gram(), **settings), one, tmp_path)
    torch.manual_seed(5)
    lookers = [Trajectory(every=1), History(), Results(summary=False)]
    watched = sampled(guided(gram(), **settings), one, tmp_path, callbacks=lookers, log_every_n_steps=1)
    for name in alone.row_state:
        assert torch.equal(getattr(watched, name), getattr(alone, name)), name
    assert len(list((tmp_path / "results" / "trajectory").glob("step_*_00.png"))) == PASSES + 1
    assert (tmp_path / "results" / "red-circle+style0_1.png").is_file()


def test_what_is_shown_is_the_prediction_and_the_latent_in_one_size(one, tmp_path):
    class Look(Way):
        def on_train_batch_end(self, trainer, task, *_):
            super().on_train_batch_end(trainer, task)
            seen.append((task.shown.clone(), task.noisy.clone()))

    seen = []
    task = guided(gram(), sampler=Sampler("euler"))
    fit(task, one, tmp_path, PASSES, callbacks=[way := Look()])
    for step, (shown, noisy) in enumerate(seen):
        level = task.process.levels[step + 1]
        assert torch.equal(shown, way.clean[step])
        torch.testing.assert_close(noisy, way.w[step] / math.hypot(1, level.sigma))
    assert torch.equal(seen[-1][0], seen[-1][1])


def test_terms_have_schedules_of_their_own(images, tmp_path):
    images.sources["target"] = save_pictures(tmp_path, "target", (16, 16))
    early, late = Schedule(stop=0.5), Schedule(start=0.5)

    def run(style, target):
        guidance = Guidance(scale="rms", schedule=late, target_schedule=early)
        own = Images(style=images.sources["style"][0], target=images.sources["target"])
        own = own if style else Images(target=images.sources["target"])
        own = own if target else Images(style=images.sources["style"][0])
        task = guided(gram() if style else None, guidance, pixel=PixelLoss(0.3) if target else None)
        return followed(task, own, tmp_path)

    (both, way), (_, style), (_, target) = run(True, True), run(True, False), run(False, True)
    assert both.columns == ["style", "pixel", "guidance"]
    for step in range(PASSES):
        assert torch.equal(way.w[step], target.w[step]) == (step < PASSES // 2)
        assert not torch.equal(way.w[step], style.w[step])
    # Without the target the first half is plain.
    plain = followed(guided(), Images(), tmp_path)[1]
    assert all(torch.equal(a, b) for a, b in zip(style.w[:2], plain.w[:2], strict=True))


def test_several_terms_share_a_network_and_a_term_of_weight_0_says_nothing(images, tmp_path):
    images.sources["target"] = save_pictures(tmp_path, "target", (16, 16))
    own = Images(style=images.sources["style"][0], target=images.sources["target"])

    def run(**terms):
        return sampled(guided(guidance=Guidance(scale="rms"), **terms), own, tmp_path, 3)

    both = run(style=gram(), pixel=PixelLoss(0.2), regulariser=TotalVariation(0.1))
    assert both.best.isfinite().all()
    alone, silent = run(style=gram(), pixel=PixelLoss(0.0)), run(style=gram(0.3), pixel=PixelLoss(0.2))
    assert not torch.equal(alone.best, silent.best)
    quiet = run(style=gram([0.3, 0.0]), pixel=PixelLoss([0.0, 0.2]), regulariser=TotalVariation(0.0))
    assert quiet.w.shape[0] == 4
    torch.testing.assert_close(quiet.best[0], alone.best[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("operator", [Downsample(4), Mask([0.25, 0.25, 0.75, 0.75])], ids=["downsample", "mask"])
@pytest.mark.parametrize(
    "guidance", [Guidance(path="decoder", inject="clean", scale="rms"), Guidance(scale="rms")], ids=["decoder", "unet"]
)
def test_it_restores(tmp_path, operator, guidance):
    target = Images(target=save_pictures(tmp_path, "target", (SIDE, SIDE)))
    task = guided(pixel=PixelLoss([0.0, 2.0]), guidance=guidance, cfg=Cfg(1.0))
    fit(task, target, tmp_path, 8, callbacks=[Degrade(operator)])
    with torch.no_grad():
        image = task(task.best)
    error = (operator(image) - task.target).square().mean((1, 2, 3))
    assert error[1] < 0.7 * error[0]


def test_the_gradient_is_the_slope_of_the_whole_way(one, tmp_path):
    generator = model(precision="float64", resolution=SIDE)
    task = guided(gram(1.0), Guidance(scale="none", inject="post_step"), generator=generator)
    fit(task, one, tmp_path, 4, precision="64-true")
    assert task.best.dtype == torch.float64
    x, direction = (normal((1, *LATENT), name).double() for name in ("x", "direction"))
    guided_step = task.guide(x, Pass(2, 0, False), {"style": torch.ones(1, 1, 1, 1)})

    def value(step):
        with torch.no_grad():
            return task.terms(task.guide.estimate(x + step * direction, 2).clean)["style"].sum()

    slope = float(value(1e-5) - value(-1e-5)) / 2e-5
    assert slope != 0
    assert float(-(guided_step.shift * direction).sum()) == pytest.approx(slope, rel=1e-3)


def test_checkpointing_of_activations_changes_no_bit(one, tmp_path):
    again = sampled(guided(gram(), generator=model(checkpointing=True)), one, tmp_path, 3)
    assert torch.equal(sampled(guided(gram()), one, tmp_path, 3).best, again.best)


def assert_guided(task, one, folder):
    sampled(task, one, folder, 5)
    assert task.best.isfinite().all()
    assert (task.best[0] - task.best[1]).abs().max() > 1e-3
    assert task.skipped.tolist() == [0, 0]


CLEAN = Guidance(path="decoder", inject="clean")


@pytest.mark.parametrize(("name", "way"), [("ddpm", DSG), ("dpm++", CLEAN), ("euler", Guidance()), ("heun", CLEAN)])
def test_models_of_velocities_are_guided_too(one, tmp_path, name, way):
    task = guided(gram([0.0, 0.3]), way, generator=model("v_prediction"), sampler=Sampler(name))
    assert_guided(task, one, tmp_path)


@pytest.mark.parametrize(
    ("name", "way"),
    [("flow_euler", Guidance()), ("flow_euler", CLEAN), ("dpm++", Guidance(path="both", inject="post_step", inner=1))],
)
def test_flow_models_are_guided_from_pure_noise_on(one, tmp_path, name, way, monkeypatch):
    config = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 1.0}
    monkeypatch.setattr(model(), "scheduler", {**config, "prediction_type": "flow_prediction"})
    assert_guided(guided(gram([0.0, 0.3]), way, sampler=Sampler(name)), one, tmp_path)


@pytest.mark.parametrize("way", [Guidance(), CLEAN, DSG])
def test_models_that_start_without_any_picture_are_guided(one, tmp_path, way, monkeypatch):
    generator = model("v_prediction")
    monkeypatch.setattr(generator, "scheduler", {**generator.scheduler, "rescale_betas_zero_snr": True})
    task = guided(gram([0.0, 0.3]), way, generator=generator, sampler=Sampler(eta=1.0))
    assert_guided(task, one, tmp_path)
    assert task.process.levels[0].alpha == 0


def test_half_precision_is_guided(one, tmp_path):
    task = sampled(guided(gram(), generator=model(precision="bfloat16")), one, tmp_path, 3)
    assert task.best.dtype == torch.float32
    assert task.best.isfinite().all()
    mixed = sampled(guided(gram()), one, tmp_path, 3, precision="bf16-mixed")
    assert mixed.best.isfinite().all()
    assert mixed.skipped.tolist() == task.skipped.tolist() == [0]


def test_seeds_are_those_of_the_run_where_none_is_given(monkeypatch, tmp_path):
    monkeypatch.setenv("PL_GLOBAL_SEED", "11")
    task = sampled(guided(seed=None, samples=2), Images(), tmp_path, 1)
    assert task.seeds == [11, 12]
    assert torch.equal(task.first(torch.Size(LATENT))[1], seeded_normal(LATENT, 12))


def test_second_fit_of_a_task_starts_anew(one, tmp_path):
    task = sampled(guided(gram()), one, tmp_path, 3)
    before = task.best.clone()
    assert torch.equal(sampled(task, one, tmp_path, 3).best, before)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"prompt": []}, r"^model\.prompt is empty or no text; give one, or several$"),
        ({"samples": 0}, r"^model\.samples is 0; give at least 1$"),
        ({"seed": -1}, r"^model\.seed is -1; give a number from 0 to"),
        ({"seed": 2**64}, r"^model\.seed is 18446744073709551616; give a number from 0 to"),
        ({"style": gram(), "cfg": Cfg(1.0)}, r"^guidance\.scale is cfg, but cfg\.scale is 1; use guidance\.scale rms"),
        ({"style": gram(), "cfg": Cfg(0.0)}, r"^guidance\.scale is cfg, but cfg\.scale is 0; use guidance\.scale rms"),
        (
            {"style": gram(), "prompt": ["red", ""]},
            r'^guidance\.scale is cfg, but the prompt "" says what .* rms, or another prompt$',
        ),
        ({"style": gram(), "prompt": "red", "negative": "red"}, r'^guidance\.scale is cfg, but the prompt "red" says'),
    ],
)
def test_bad_settings_are_refused(settings, words):
    with pytest.raises(InputError, match=words):
        guided(**settings)


def test_prompts_need_no_guidance_where_nothing_else_guides():
    for settings in ({"cfg": Cfg(1.0)}, {"prompt": ""}, {"style": gram(0.0), "prompt": ""}):
        guided(**settings)


def test_turned_noise_needs_a_sampler_that_draws_some(one, tmp_path):
    with pytest.raises(InputError, match=r"^guidance\.scale spherical after the step .* ddim draws none; use ddim"):
        fit(guided(gram(), DSG), one, tmp_path, 2)


def test_samplers_that_take_a_step_again_are_not_changed_after_it(one, tmp_path):
    task = guided(gram(), Guidance(inject="post_step"), sampler=Sampler("heun"))
    with pytest.raises(
        InputError, match=r"^guidance\.inject post_step: heun takes each step again .* use model_output"
    ):
        fit(task, one, tmp_path, 3)


def test_schedule_that_leaves_no_pass_is_refused(one, tmp_path):
    task = guided(gram(), Guidance(schedule=Schedule(start=0.5, stop=0.51)))
    with pytest.raises(InputError, match=r"^guidance\.schedule leaves style none of the 3 passes; lower its start"):
        fit(task, one, tmp_path, 3)


def test_prompt_that_reads_as_the_negative_one_is_refused(one, tmp_path):
    task = guided(gram(), prompt=" red", negative="red")
    with pytest.raises(InputError, match=r'^guidance\.scale is cfg, but the prompt " red" says what'):
        fit(task, one, tmp_path, 3)


def test_each_term_has_its_schedule(one):
    early, late = Schedule(stop=0.5), Schedule(start=0.5)
    settings = Guidance(schedule=early, target_schedule=late, regulariser_schedule=late)
    assert [settings.schedule_of(name) for name in ("style", "palette", "target", "pixel", "regulariser")] == [
        early, early, late, late, late,
    ]  # fmt: skip
    assert Guidance(pixel_schedule=late, palette_schedule=late).schedule_of("pixel") == late
    assert Guidance(palette_schedule=late).schedule_of("palette") == late


def test_row_that_is_not_finite_leaves_the_figures_of_the_others(one, tmp_path):
    class Broken(Callback):
        def on_train_batch_start(self, trainer, task, *_):
            with torch.no_grad():
                task.w[1] = torch.nan

    def lines(samples, *callbacks):
        folder = tmp_path / f"{samples}{len(callbacks)}"
        task = guided(gram(), samples=samples, sampler=Sampler(eta=1.0))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            minimise(task, one, 3, folder=folder, callbacks=callbacks, progress=False)
        return list(csv.DictReader((folder / "metrics.csv").open()))

    broken, alone = lines(2, Broken()), lines(1)
    assert [line["rows"] for line in broken] == ["1"] * 3
    for name in ("loss", "style", "guidance"):
        assert [float(line[name]) for line in broken] == pytest.approx([float(line[name]) for line in alone], rel=1e-3)


def test_roles_follow_from_the_losses(one, tmp_path):
    with pytest.raises(InputError, match=r"^`GuidedDiffusion` needs a style; give --data\.style FILE$"):
        fit(guided(gram()), Images(), tmp_path, 1)
    with pytest.raises(InputError, match=r"^--data\.style: GuidedDiffusion has no style; it takes "):
        fit(guided(), one, tmp_path, 1)


def command(folder, *options):
    """Options of a run of the shipped config by the tiny model."""
    return [
        "fit", "--config", "guided_diffusion.yaml", *options, "--model.generator.weights", str(folder / "model"),
        "--model.features.weights", "random", "--model.features.width", "0.0625", "--model.prompt", "red circle",
        "--model.samples", "2", "--trainer.max_steps", "8", "--trainer.enable_progress_bar", "false",
        "--trainer.accelerator", "cpu",
    ]  # fmt: skip


@pytest.fixture
def place(tmp_path, monkeypatch):
    write_model(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.name for path in (CONFIGS / "guidance").glob("*.yaml")))
def test_presets_run_as_they_stand(place, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cli = CLI(command(place, "--config", f"guidance/{name}"))
    plain = sampled(
        guided(prompt=cli.model.prompts, generator=cli.model.generator, sampler=cli.model.sampler, cfg=cli.model.cfg,
               guidance=Guidance(travel=cli.model.guidance.travel), samples=2, seed=0), Images(), place, 8,
    )  # fmt: skip
    assert cli.model.best.isfinite().all()
    assert cli.model.skipped.tolist() == [0, 0]
    assert (cli.model.best - plain.best).abs().amax((1, 2, 3)).gt(1e-3).all()


@pytest.mark.slow
def test_a_run_of_the_command_line_goes_on_where_it_was_stopped(place):
    def run(*options):
        torch.manual_seed(len(options))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return CLI(command(place, "--config", "guidance/freedom.yaml", *options)).model

    whole = run("--checkpoint.every_n_train_steps", "3", "--checkpoint.save_top_k", "-1")
    (stopped,) = (place / "logs" / "guided_diffusion" / "version_0" / "checkpoints").glob("*step=3.ckpt")
    again = run("--ckpt_path", str(stopped))
    for name in whole.row_state:
        assert torch.equal(getattr(whole, name), getattr(again, name)), name
