import json

import pytest
import torch
from lightning.pytorch import Callback

from lit_nst.callbacks import Average, Results
from lit_nst.data import Images
from lit_nst.errors import InputError
from lit_nst.generators import LatentDiffusion
from lit_nst.losses import PixelLoss
from lit_nst.minimise import minimise
from lit_nst.tasks import GuidedDiffusion, Search
from tests.fitting import fit, save_pictures, style_transfer

SEQUENCE = [1.0, 4.0, 2.0, 8.0]


@pytest.fixture
def images(tmp_path):
    return Images(content=save_pictures(tmp_path, "content", (16, 16)), style=save_pictures(tmp_path, "s", (16, 16)))


class Walk(Callback):
    """Puts ``w`` to given values after every step."""

    def on_train_batch_end(self, trainer, task, *_):
        with torch.no_grad():
            task.w.fill_(SEQUENCE[trainer.global_step - 1])


class Save(Callback):
    def __init__(self, path, step):
        self.path, self.step = path, step

    def on_train_batch_end(self, trainer, task, *_):
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


def test_average_of_a_sequence_by_hand(images, tmp_path):
    task = style_transfer()
    fit(task, images, tmp_path, 4, callbacks=[Walk(), Average(0.5, always=True)])
    weights = [0.5**4, 0.5**3, 0.5**2, 0.5]
    expected = sum(a * w for a, w in zip(weights, SEQUENCE, strict=True)) / sum(weights)
    torch.testing.assert_close(task.best, torch.full_like(task.best, expected))
    with torch.no_grad():
        torch.testing.assert_close(task.losses(task.best), task.best_loss)


@pytest.mark.parametrize("decay", [0.0, 0.99])
def test_start_does_not_count(images, tmp_path, decay):
    task = style_transfer(search=Search(start="style"))
    fit(task, images, tmp_path, 1, callbacks=[Walk(), Average(decay, always=True)])
    torch.testing.assert_close(task.best, torch.ones_like(task.best))


def descent(share):
    """Steps to a picture: a share of 1 reaches it, of nearly 2 jumps over it, to as far on the other side."""
    return style_transfer(
        PixelLoss(1e-6), content=PixelLoss(1.0), search=Search(ramp_up=0, ramp_down=0),
        optimizer=lambda w: torch.optim.SGD(w, lr=share * 3 * 16 * 16 / 2),
    )  # fmt: skip


def test_a_worse_average_is_left_alone(images, tmp_path):
    fit(plain := descent(0.2), images, tmp_path, 4)
    fit(task := descent(0.2), images, tmp_path, 4, callbacks=[Average(0.5)])
    assert torch.equal(task.best, plain.best)
    fit(task := descent(0.2), images, tmp_path, 4, callbacks=[Average(0.5, always=True)])
    assert (task.best_loss > 1.1 * plain.best_loss).all()


def test_a_better_average_is_the_result(images, tmp_path):
    fit(plain := descent(1.96), images, tmp_path, 40)
    fit(task := descent(1.96), images, tmp_path, 40, callbacks=[Average(0.95), Results()])
    assert (task.best_loss < 0.3 * plain.best_loss).all()
    record = json.loads((tmp_path / "metrics.json").read_text())
    assert record["rows"][0]["loss"] == pytest.approx(float(task.best_loss))


@pytest.mark.parametrize("always", [False, True])
def test_results_have_it_wherever_it_stands_in_the_list(images, tmp_path, always):
    results = []
    for name, order in (("a", (0, 1)), ("b", (1, 0))):
        callbacks = [Average(0.5, always), Results()]
        fit(style_transfer(), images, tmp_path / name, 4, callbacks=[callbacks[i] for i in order])
        results.append(json.loads((tmp_path / name / "metrics.json").read_text())["rows"])
    assert results[0] == results[1]


def test_average_that_is_not_finite_is_no_result(images, tmp_path):
    class Break(Callback):
        def on_train_batch_end(self, trainer, task, *_):
            if trainer.global_step == 2:
                task.average.fill_(torch.nan)

    fit(plain := style_transfer(), images, tmp_path, 4)
    fit(task := style_transfer(), images, tmp_path, 4, callbacks=[Break(), Average(0.5, always=True)])
    assert torch.equal(task.best, plain.best)
    assert task.best_loss.isfinite().all()


def test_it_goes_on_after_a_stop(images, tmp_path):
    make = style_transfer
    fit(whole := make(), images, tmp_path, 6, callbacks=[Average(0.8, True), Save(tmp_path / "3.ckpt", 3)])
    assert torch.load(tmp_path / "3.ckpt", weights_only=True)["state_dict"]["average"].shape == (1, 3, 16, 16)
    fit(again := make(), images, tmp_path, 6, ckpt_path=tmp_path / "3.ckpt", callbacks=[Average(0.8, True)])
    assert torch.equal(whole.average, again.average)
    assert torch.equal(whole.best, again.best)


@pytest.mark.parametrize("decay", [-0.1, 1.0, float("nan")])
def test_bad_decay(decay):
    with pytest.raises(InputError, match=r"^Average: decay is .*; give 0 to below 1$"):
        Average(decay)


def test_a_stopped_row_keeps_its_best_step(images, tmp_path):
    class Stop(Callback):
        def on_train_batch_end(self, trainer, task, *_):
            if trainer.global_step == 2:
                task.stopped.fill_(2)

    fit(task := style_transfer(), images, tmp_path, 4, callbacks=[Stop(), Average(0.5, always=True)])
    assert task.best_loss.isfinite().all()
    assert not torch.equal(task.best, task.average / (1 - 0.5**4))


def test_a_sampling_has_nothing_to_average(tmp_path):
    task = GuidedDiffusion(LatentDiffusion("embedded"), prompt="a red ring")
    with pytest.raises(InputError, match="Average: GuidedDiffusion takes no steps"):
        minimise(task, Images(), 2, callbacks=[Average()], progress=False)
