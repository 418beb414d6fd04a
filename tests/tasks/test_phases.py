"""A search that passes through several latent spaces."""

import pytest
import torch
from lightning.pytorch import Callback

from lit_nst.callbacks import History
from lit_nst.data import Images
from lit_nst.errors import InputError
from lit_nst.generators import StyleGAN2
from lit_nst.generators.stylegan2.checkpoint import read, write
from lit_nst.losses import LatentDistance, PixelLoss
from lit_nst.optimizers import NormalizedGradient, RowLBFGS
from lit_nst.tasks import Inversion, Search
from tests.fitting import fit, inversion, save_images
from tests.tasks.test_base import Recorder

STEPS = 12


@pytest.fixture
def images(smooth_images, tmp_path):
    return Images(target=save_images(smooth_images, tmp_path / "targets"))


def task(path, space, **options):
    optimizer = options.pop("optimizer", lambda parameters: torch.optim.Adam(parameters, lr=0.1))
    return inversion(path, StyleGAN2(str(path), space=space, samples=200), optimizer=optimizer, **options)


def spread(w):
    """Largest deviation of a row of the latent from the first."""
    return (w - w[:, :1]).abs().amax()


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, NormalizedGradient])
def test_latents_part_when_their_phase_begins(tiny_generator, images, tmp_path, optimizer):
    search = Search(phases=[1, 2, 1])
    run = task(tiny_generator, ["w", "w+", "w++"], search=search, optimizer=lambda p: optimizer(p, lr=0.1))
    fit(run, images, tmp_path, STEPS, callbacks=[seen := Recorder()])
    group = run.generator.spaces.group
    assert run.w.shape == (4, 60, 8)
    assert all(spread(w) == 0 for w in seen.w[:3])
    assert all(spread(w) > 1e-3 for w in seen.w[3:])
    firsts = [int((group == row).nonzero()[0]) for row in range(6)]
    assert all(torch.equal(w, w[:, firsts][:, group]) for w in seen.w[:9])
    assert not torch.equal(seen.w[10], seen.w[10][:, firsts][:, group])


def test_the_first_phase_is_a_run_in_its_space(tiny_generator, images, tmp_path):
    search = Search(ramp_up=0, ramp_down=0)
    both = task(tiny_generator, ["w", "w+"], search=search)
    fit(both, images, tmp_path, STEPS, callbacks=[seen := Recorder()])
    alone = task(tiny_generator, "w", search=search)
    fit(alone, images, tmp_path, STEPS // 2, callbacks=[own := Recorder()])
    for w, expected in zip(seen.w[: STEPS // 2], own.w, strict=True):
        torch.testing.assert_close(w[:, 0], expected, rtol=0, atol=1e-4)


def test_noise_parts_no_latents_of_a_phase(tiny_generator, images, tmp_path):
    """Neither that of the start nor the jitter, which the best ``w`` keeps."""

    class First(Callback):
        def on_train_batch_end(self, trainer, task, *_):
            if trainer.global_step == 2:
                seen.extend([task.w.detach().clone(), task.best.clone(), task._jittered().detach()])

    seen, search = [], Search(spread=0.5, jitter=0.5, restarts=2, phases=[1, 2])
    fit(task(tiny_generator, ["w", "w++"], search=search), images, tmp_path, STEPS, callbacks=[First()])
    assert [float(spread(w)) for w in seen] == [0, 0, 0]
    assert not torch.equal(seen[0][0], seen[0][1])
    assert not torch.equal(seen[0], seen[2])


def test_noise_of_a_phase_is_that_of_each_of_its_latents(tiny_generator):
    net = StyleGAN2(str(tiny_generator), space=["w", "w+", "w++"], samples=200)
    noise, group = torch.randn(2, 60, 8), net.spaces.group
    rows = net.share(noise, 1)
    assert torch.equal(rows, rows[:, [int((group == row).nonzero()[0]) for row in range(6)]][:, group])
    assert len(rows[0].unique(dim=0)) == 6
    assert torch.equal(net.share(noise, 0), noise[:, :1].expand_as(noise))
    assert torch.equal(net.share(noise, 2), noise)
    assert torch.equal(net.tie(noise, 1)[:, 0], noise[:, group == 0].mean(1))


def test_steps_have_a_factor_in_each_phase(tiny_generator, images, tmp_path):
    search = Search(ramp_up=0, ramp_down=0, phase_steps=[1.0, 0.25])
    run = task(tiny_generator, ["w", "w+"], search=search, optimizer=lambda p: NormalizedGradient(p, lr=0.1))
    fit(run, images, tmp_path, 4, callbacks=[seen := Recorder()])
    moves = [
        (b - a).square().mean(-1).sqrt() / run.generator.scale for a, b in zip(seen.w[:-1], seen.w[1:], strict=True)
    ]
    for move, expected in zip(moves, [0.1, 0.025, 0.025], strict=True):
        torch.testing.assert_close(move, torch.full_like(move, expected), rtol=1e-3, atol=0)


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, NormalizedGradient])
@pytest.mark.parametrize("stop", [3, 6, 7])
def test_resumed_run_equals_the_uninterrupted_one(tiny_generator, images, tmp_path, stop, optimizer):
    class Save(Callback):
        def on_train_batch_end(self, trainer, *_):
            if trainer.global_step == stop:
                trainer.save_checkpoint(tmp_path / "stop.ckpt")

    def make():
        kind = {"momentum": 0.9} if optimizer is NormalizedGradient else {}
        search = Search(candidates=4, jitter=0.1)
        return task(tiny_generator, ["w", "w+"], search=search, optimizer=lambda p: optimizer(p, lr=0.1, **kind))

    whole, again = make(), make()
    fit(whole, images, tmp_path, STEPS, callbacks=[Save()])
    fit(again, images, tmp_path, STEPS, ckpt_path=tmp_path / "stop.ckpt")
    for name in ("w", "best", "best_loss"):
        assert torch.equal(getattr(whole, name), getattr(again, name)), name


def test_rows_do_not_see_each_other(tiny_generator, images, smooth_images, tmp_path):
    make = lambda: task(tiny_generator, ["w", "w+", "w++"], search=Search(), optimizer=NormalizedGradient)  # noqa: E731
    fit(together := make(), images, tmp_path, STEPS)
    fit(alone := make(), Images(target=save_images(smooth_images[:1], tmp_path / "one")), tmp_path, STEPS)
    assert torch.equal(together.w[:1], alone.w)


@pytest.mark.parametrize("prior", ["isotropic", "standardized", "whitened", "pn"])
def test_unit_of_the_latent_plays_no_part(tiny_generator, images, tmp_path, prior):
    """Three times the latent through a third of the affine weights is the same generator."""
    architecture, state = read(tiny_generator)
    for name, value in state.items():
        last = f"mapping.fc{architecture.mapping_layers - 1}."
        if name.startswith(last) or name == "mapping.w_avg":
            value.mul_(3)
        elif name.endswith("affine.weight"):
            value.div_(3)
    write(tmp_path / "scaled.safetensors", architecture, state)
    results = []
    for path in (tiny_generator, tmp_path / "scaled.safetensors"):
        net = StyleGAN2(str(path), space=["w", "w+"], prior=prior, samples=200)
        optimizer = lambda p: torch.optim.Adam(p, lr=0.1)  # noqa: E731
        run = Inversion(net, PixelLoss(), None, LatentDistance(0.01), search=Search(), optimizer=optimizer)
        fit(run, images, tmp_path, 30)
        results.append(run(run.best))
    torch.testing.assert_close(results[1], results[0], rtol=0, atol=1e-3)


def test_noise_maps_are_optimised_and_stay_normalised(tiny_generator, images, tmp_path):
    net = StyleGAN2(str(tiny_generator), space="w", noise="optimized", noise_weight=1.0, samples=200)
    run = inversion(tiny_generator, net, search=Search())
    before = net.maps(net.center[None])
    trainer = fit(run, images, tmp_path, STEPS, callbacks=[History()])
    assert (tmp_path / "metrics.csv").read_text().splitlines()[0] == "step,loss,target,regulariser,noise,rows"
    assert set(run.terms(run.w)) == {"target", "regulariser", "noise"}
    for x, old in zip(net.maps(run.best), before, strict=True):
        assert (x - old).abs().amax() > 0.05
        torch.testing.assert_close(x.square().mean((1, 2, 3)), torch.ones(4), rtol=1e-3, atol=1e-3)
    assert [name for name, p in run.named_parameters() if p.requires_grad] == ["w"]
    assert trainer.global_step == STEPS


def test_noise_maps_get_no_noise_of_the_search(tiny_generator, images, tmp_path):
    net = StyleGAN2(str(tiny_generator), space="w", noise="optimized", samples=200)
    run = inversion(tiny_generator, net, search=Search(spread=0.5, jitter=0.5))
    before = net.maps(net.center[None])
    still = lambda p: torch.optim.SGD(p, lr=1e-12)  # noqa: E731
    run.optimizer = still
    fit(run, images, tmp_path, 1)
    for w in (run.w, run.best):
        assert (net.standardize(w).abs().amax(1) > 0.1).all()
        for x, old in zip(net.maps(w), before, strict=True):
            torch.testing.assert_close(x, old.expand_as(x), rtol=0, atol=1e-4)


def test_a_line_search_needs_one_space(tiny_generator, images, tmp_path):
    noisy = StyleGAN2(str(tiny_generator), space="w", noise="optimized", samples=200)
    with pytest.raises(InputError, match=r"RowLBFGS: generator\.noise optimized would move w .* use const or none$"):
        fit(inversion(tiny_generator, noisy, search=Search(), optimizer=RowLBFGS), images, tmp_path, 2)
    with pytest.raises(InputError, match=r"RowLBFGS: a change of generator\.space"):
        fit(task(tiny_generator, ["w", "w+"], search=Search(), optimizer=RowLBFGS), images, tmp_path, 2)


def test_number_of_shares_is_that_of_the_spaces(tiny_generator, images, tmp_path):
    with pytest.raises(InputError, match=r"search\.phases: 3 numbers for 2 space"):
        fit(task(tiny_generator, ["w", "w+"], search=Search(phases=[1, 1, 1])), images, tmp_path, 2)
