import pytest
import torch
from lightning.pytorch import Callback

from lit_nst.callbacks import Degrade
from lit_nst.data import Images
from lit_nst.degradations import Downsample, Grayscale, Mask
from lit_nst.errors import InputError
from lit_nst.features import VGG16
from lit_nst.generators import Pixels, StyleGAN2
from lit_nst.losses import PerceptualLoss, PixelLoss, Regulariser
from lit_nst.optimizers import RowLBFGS
from lit_nst.tasks import Inversion, Search
from tests.fitting import fit, inversion, save_images


@pytest.fixture
def images(smooth_images, tmp_path):
    return Images(target=save_images(smooth_images, tmp_path / "targets"))


class Recorder(Callback):
    """Keeps w after every step."""

    def __init__(self):
        self.w = []

    def on_train_batch_end(self, trainer, task, *_):
        self.w.append(task.w.detach().clone())


class FailsAt(Regulariser):
    """Is not finite (or has a gradient that is not) for one row from one evaluation on."""

    def __init__(self, row: int, call: int, value: bool = True):
        super().__init__()
        self.row, self.call, self.value, self.calls = row, call, value, 0

    def penalty(self, image, latent):
        self.calls += 1
        penalty = latent.square().flatten(1).mean(1) * 0.01
        if self.calls > self.call:
            spoil = torch.zeros(len(penalty)).index_fill_(0, torch.tensor([self.row]), 1.0)
            if self.value:
                return penalty / (1 - spoil) * (1 + spoil)
            zero = latent.flatten(1)[self.row, 0] * 0
            return penalty + spoil.bool() * zero.abs().sqrt()  # 0, with a slope that is no number
        return penalty


def test_only_w_is_trained(tiny_generator, images, tmp_path):
    task = inversion(tiny_generator, features=VGG16("random", width=0.1))
    fit(task, images, tmp_path, steps=1)
    assert [name for name, _ in task.named_parameters() if _.requires_grad] == ["w"]
    assert task.w.shape == (4, 6, 8)


def test_networks_do_not_change_and_the_loss_falls(tiny_generator, images, tmp_path):
    task = inversion(tiny_generator)
    before = {k: v.clone() for k, v in task.generator.named_parameters()}
    fit(task, images, tmp_path, steps=1)
    first = task.best_loss.clone()
    fit(task := inversion(tiny_generator), images, tmp_path, steps=30)
    assert (task.best_loss < 0.8 * first).all()
    assert all(torch.equal(v, before[k]) for k, v in task.generator.named_parameters())


def test_first_step_moves(tiny_generator, images, tmp_path):
    task = inversion(tiny_generator, search=Search())
    fit(task, images, tmp_path, steps=1)
    assert (task.w - task.generator.center).abs().max() > 0


def test_checkpoint_holds_w_its_bests_and_the_optimiser_alone(tiny_generator, images, tmp_path):
    trainer = fit(inversion(tiny_generator), images, tmp_path, steps=3)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert set(checkpoint["state_dict"]) == {"w", "best", "best_loss", "first_loss", "stopped"}
    assert set(checkpoint["optimizer_states"][0]["state"][0]) == {"step", "exp_avg", "exp_avg_sq"}
    assert (tmp_path / "last.ckpt").stat().st_size < 30_000


@pytest.mark.parametrize("stop", [1, 5, 8])
def test_resumed_run_equals_the_uninterrupted_one(tiny_generator, images, tmp_path, stop):
    whole = inversion(tiny_generator)
    fit(whole, images, tmp_path)

    class Save(Callback):
        def on_train_batch_end(self, trainer, *_):
            if trainer.global_step == stop:
                trainer.save_checkpoint(tmp_path / "stop.ckpt")

    fit(inversion(tiny_generator), images, tmp_path, callbacks=[Save()])
    again = inversion(tiny_generator)
    fit(again, images, tmp_path, ckpt_path=tmp_path / "stop.ckpt")
    for name in ("w", "best", "best_loss"):
        assert torch.equal(getattr(whole, name), getattr(again, name)), name


def test_checkpoint_of_another_problem_is_refused(tiny_generator, images, smooth_images, tmp_path):
    fit(inversion(tiny_generator), images, tmp_path, steps=2).save_checkpoint(tmp_path / "four.ckpt")
    two = Images(target=save_images(smooth_images[:2], tmp_path / "two"))
    with pytest.raises(InputError, match=r"ckpt_path holds w of shape \(4, 6, 8\)"):
        fit(inversion(tiny_generator), two, tmp_path, ckpt_path=tmp_path / "four.ckpt")


def test_rows_do_not_see_each_other(tiny_generator, smooth_images, tmp_path):
    together = inversion(tiny_generator, search=Search())
    fit(together, Images(target=save_images(smooth_images, tmp_path / "all")), tmp_path, steps=20)
    alone = inversion(tiny_generator, search=Search())
    fit(alone, Images(target=save_images(smooth_images[:1], tmp_path / "one")), tmp_path, steps=20)
    torch.testing.assert_close(together.w[:1], alone.w, rtol=0, atol=1e-4)


def test_step_size_is_in_units_of_the_generator_s_scale(images, tmp_path):
    class Scaled(Pixels):
        def __init__(self, factor):
            super().__init__()
            self.factor = factor
            self.scale.fill_(factor)
            self.center.fill_(0.5 * factor)

        def forward(self, w):
            return w / self.factor

    results = []
    for factor in (1.0, 10.0):
        step = {"optimizer": lambda parameters: torch.optim.Adam(parameters, lr=0.005)}
        task = inversion(None, Scaled(factor), search=Search(jitter=0.1, spread=0.2), **step)
        fit(task, images, tmp_path)
        results.append(task(task.w).detach())
    torch.testing.assert_close(*results, rtol=0, atol=5e-3)


def test_best_is_the_w_of_the_lowest_loss(tiny_generator, images, tmp_path):
    class Wild(Callback):
        def on_train_batch_end(self, trainer, task, *_):
            if trainer.global_step >= 10:
                with torch.no_grad():
                    task.w.add_(50.0)

    calm = inversion(tiny_generator, search=Search())
    fit(calm, images, tmp_path, steps=10)
    wild = inversion(tiny_generator, search=Search(ramp_down=0, ramp_up=0.5))
    fit(wild, images, tmp_path, steps=20, callbacks=[Wild()])
    with torch.no_grad():
        wild.references = calm.references
        again = torch.stack(list(wild.terms(wild.best).values())).sum(0)
    torch.testing.assert_close(again, wild.best_loss)
    assert (again < torch.stack(list(wild.terms(wild.w).values())).sum(0)).all()


@pytest.mark.parametrize("value", [True, False], ids=["loss", "gradient"])
def test_row_that_is_not_finite_stops_and_the_others_go_on(tiny_generator, images, tmp_path, value):
    def make(regulariser):
        return Inversion(
            StyleGAN2(str(tiny_generator), samples=200), PixelLoss(), regulariser=regulariser,
            optimizer=lambda p: torch.optim.Adam(p, lr=0.1),
        )  # fmt: skip

    sound, record = make(FailsAt(row=1, call=10**9)), Recorder()
    fit(sound, images, tmp_path)
    spoilt = make(FailsAt(row=1, call=5, value=value))
    fit(spoilt, images, tmp_path, callbacks=[record])
    assert spoilt.stopped.tolist() == [-1, 5, -1, -1]
    others = [0, 2, 3]
    assert torch.equal(spoilt.w[others], sound.w[others])
    assert torch.equal(spoilt.best[others], sound.best[others])
    assert spoilt.w.isfinite().all()
    assert spoilt.best.isfinite().all()
    assert spoilt.best_loss.isfinite().all()
    assert torch.equal(record.w[4][1], record.w[-1][1])
    assert not torch.equal(record.w[4][0], record.w[-1][0])


class Hiccup(FailsAt):
    """Is not finite for one row at one evaluation alone."""

    def penalty(self, image, latent):
        self.call = self.calls if self.calls == self.fails else 10**9
        return super().penalty(image, latent)


@pytest.mark.parametrize("fails", [4, 7])
@pytest.mark.parametrize("value", [True, False], ids=["loss", "gradient"])
def test_line_search_steps_back_from_a_trial_that_is_not_finite(images, tmp_path, value, fails):
    def make(fails):
        regulariser = Hiccup(row=1, call=0, value=value)
        regulariser.fails = fails
        target, features = PerceptualLoss(["relu2_1"], normalize=False), VGG16("random", width=0.1)
        return Inversion(Pixels(), target, regulariser=regulariser, features=features, optimizer=RowLBFGS)

    fit(sound := make(-1), images, tmp_path, 20)
    fit(task := make(fails), images, tmp_path, 20, callbacks=[record := Recorder()])
    assert task.stopped.tolist() == [-1] * 4
    assert not torch.equal(task.best[1], sound.best[1])
    others = [0, 2, 3]
    assert torch.equal(task.best[others], sound.best[others])
    assert torch.stack(record.w).isfinite().all()
    assert task.best_loss[1] < 1.5 * sound.best_loss[1] < 0.2 * sound.first_loss[1]


def test_stopped_row_is_reported(tiny_generator, images, tmp_path):
    task = Inversion(StyleGAN2(str(tiny_generator), samples=200), PixelLoss(), regulariser=FailsAt(2, 3))
    with pytest.warns(UserWarning, match=r"02.*step 3.*stopped"):
        fit(task, images, tmp_path)


def test_l_bfgs_takes_one_row_per_process(tiny_generator, images, smooth_images, tmp_path):
    settings = {"optimizer": lambda p: torch.optim.LBFGS(p, lr=1.0, line_search_fn="strong_wolfe"), "search": Search()}
    with pytest.raises(InputError, match="LBFGS couples the rows"):
        fit(inversion(tiny_generator, **settings), images, tmp_path)
    one = Images(target=save_images(smooth_images[:1], tmp_path / "one"))
    task = inversion(tiny_generator, **settings)
    fit(task, one, tmp_path, steps=1)
    first = task.best_loss.clone()
    fit(task := inversion(tiny_generator, **settings), one, tmp_path, steps=5)
    assert task.best_loss < first


def test_target_features_are_computed_once(tiny_generator, images, tmp_path):
    features = VGG16("random", width=0.1)
    calls = []
    features.register_forward_hook(lambda *_: calls.append(1))
    task = Inversion(
        StyleGAN2(str(tiny_generator), samples=200), PerceptualLoss(["relu1_2", "relu2_1"]), features=features
    )
    fit(task, images, tmp_path, steps=5)
    assert len(calls) == 5 + 1 + 1  # the steps, the target, the last w
    assert features.layers == ["relu1_2", "relu2_1"]


def test_layers_without_a_network_are_refused(tiny_generator):
    with pytest.raises(InputError, match=r"relu1_1.*--model.features"):
        Inversion(StyleGAN2(str(tiny_generator), samples=10), PerceptualLoss(["relu1_1"]))


def test_missing_role_is_refused(tiny_generator, tmp_path):
    with pytest.raises(InputError, match=r"needs a target.*--data.target"):
        fit(inversion(tiny_generator), Images(), tmp_path)


def test_losses_see_the_degraded_image_and_the_regulariser_the_clean_one(tiny_generator, images, tmp_path):
    seen = {}

    class Look(Regulariser):
        def penalty(self, image, latent):
            seen["clean"] = image.shape[-1]
            return latent.flatten(1).mean(1) * 0

    task = Inversion(StyleGAN2(str(tiny_generator), samples=10), PixelLoss(), regulariser=Look())
    fit(task, images, tmp_path, steps=1, callbacks=[Degrade(Grayscale()), Degrade(Downsample(4))])
    assert seen["clean"] == 16
    assert task.target.shape == (4, 3, 4, 4)
    assert torch.equal(task.target[:, 0], task.target[:, 1])


def test_observed_target_is_not_degraded_again(tiny_generator, smooth_images, tmp_path):
    small = torch.nn.functional.avg_pool2d(smooth_images, 4)
    images = Images(target=save_images(small, tmp_path / "small"))
    task = inversion(tiny_generator)
    fit(task, images, tmp_path, steps=1, callbacks=[Degrade(Downsample(4, "area"), observed=True)])
    torch.testing.assert_close(task.target, small, rtol=0, atol=1 / 255)


def test_mask_file_reaches_the_operator(tiny_generator, images, tmp_path):
    hole = torch.zeros(3, 16, 16)
    hole[:, 4:8, 2:6] = 1
    images.sources["mask"] = [save_images(hole[None], tmp_path / "mask")]
    task = inversion(tiny_generator)
    fit(task, images, tmp_path, steps=1, callbacks=[Degrade(Mask())])
    assert (task.target[:, :, 4:8, 2:6] == 0).all()
    assert (task.target[:, :, 8:] > 0).any()


def test_seed_everything_reaches_the_start_unless_the_search_has_its_own(tiny_generator, images, tmp_path, monkeypatch):
    starts = []
    for seed, own in (("1", None), ("2", None), ("1", 2), ("2", 2)):
        monkeypatch.setenv("PL_GLOBAL_SEED", seed)
        task = inversion(tiny_generator, search=Search(spread=1.0, seed=own))
        fit(task, images, tmp_path, steps=1)
        starts.append(task.w.detach())
    assert not torch.equal(starts[0], starts[1])
    assert torch.equal(starts[1], starts[2])
    assert torch.equal(starts[2], starts[3])


def test_every_target_has_its_own_mask(tiny_generator, images, tmp_path):
    holes = torch.zeros(4, 3, 16, 16)
    for row in range(4):
        holes[row, :, 4 * row : 4 * row + 4] = 1
    images.sources["mask"] = [save_images(holes, tmp_path / "masks")]
    task = inversion(tiny_generator)
    fit(task, images, tmp_path, steps=2, callbacks=[Degrade(Mask())])
    for row in range(4):
        assert (task.target[row, :, 4 * row : 4 * row + 4] == 0).all()
        assert (task.target[row] == 0).float().mean() < 0.3


@pytest.mark.parametrize(
    ("option", "value"),
    [("precision", "bf16-true"), ("precision", "16-true"), ("gradient_clip_val", 1.0), ("accumulate_grad_batches", 2)],
)
def test_settings_that_would_couple_or_lose_rows_are_refused(tiny_generator, images, tmp_path, option, value):
    with pytest.raises(InputError, match=f"--trainer.{option}"):
        fit(inversion(tiny_generator), images, tmp_path, **{option: value})


def test_number_of_steps_is_needed(tiny_generator, images, tmp_path):
    with pytest.raises(InputError, match=r"--trainer\.max_steps: -1"):
        fit(inversion(tiny_generator), images, tmp_path, steps=-1)


def test_last_w_is_judged_too(tiny_generator, images, tmp_path):
    task = inversion(tiny_generator, search=Search())
    fit(task, images, tmp_path, steps=1)
    assert torch.equal(task.best, task.w.detach())
    assert (task.best != task.generator.center).any()


def test_mask_behind_a_down_sampling_has_the_size_there(tiny_generator, images, tmp_path):
    hole = torch.zeros(1, 3, 16, 16)
    hole[:, :, :8] = 1
    images.sources["mask"] = [save_images(hole, tmp_path / "mask")]
    task = inversion(tiny_generator)
    fit(task, images, tmp_path, steps=1, callbacks=[Degrade(Downsample(4, "area")), Degrade(Mask())])
    assert task.target.shape[-2:] == (4, 4)
    assert (task.target[:, :, :2] == 0).all()
    assert (task.target[:, :, 2:] > 0).all()
