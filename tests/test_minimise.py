import logging
import warnings
from functools import partial

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.trainer.connectors import accelerator_connector

from lit_nst.callbacks import Degrade
from lit_nst.cli import CLI
from lit_nst.data import Images
from lit_nst.degradations import Grayscale
from lit_nst.errors import InputError
from lit_nst.features import VGG19
from lit_nst.generators import Pixels
from lit_nst.losses import ContentLoss, GramLoss, PixelLoss, TotalVariation
from lit_nst.minimise import LOGGERS, minimise
from lit_nst.optimizers import RowLBFGS
from lit_nst.tasks import Inversion, Search, StyleTransfer
from tests.fitting import save_images

STYLE_LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
SCENE, STYLE = "embedded:scenes/harbour.png", "embedded:styles/swirls.png"


@pytest.fixture
def images(smooth_images, tmp_path):
    return Images(target=save_images(smooth_images[:2], tmp_path / "targets"))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty folder to run in."""
    (folder := tmp_path / "here").mkdir()
    monkeypatch.chdir(folder)
    return folder


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def inversion(**settings):
    return Inversion(Pixels(), PixelLoss(), optimizer=partial(torch.optim.Adam, lr=0.1), **settings)


class Spoil(Callback):
    """Makes a row's pixels infinite after a step."""

    def on_train_batch_end(self, trainer, task, *_):
        task.w.data[1] = torch.inf


def test_returns_the_best_images_and_leaves_no_file(images, smooth_images, here):
    task = inversion(search=Search(ramp_up=0))
    found = minimise(task, images, 40, progress=False)
    assert found.shape == (2, 3, 16, 16)
    assert found.dtype == torch.float32
    assert not found.requires_grad
    assert torch.equal(found, task.best.clamp(0, 1))
    assert (found - smooth_images[:2]).abs().max() < 0.05
    assert task.names == ["00", "01"]
    assert files(here) == []


def test_bits_and_files_are_those_of_the_command_line(here):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cli = CLI([
            "fit", "--config", "style_transfer.yaml", "--data.content", SCENE, "--data.style", STYLE, "--data.size", "24",
            "--trainer.max_steps", "4", "--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false",
        ])  # fmt: skip
    task = StyleTransfer(
        Pixels(),
        content=ContentLoss(["relu4_2"], normalization="energy"),
        style=GramLoss(STYLE_LAYERS),
        regulariser=TotalVariation(0.01),
        features=VGG19("embedded"),
        search=Search(start="content"),
        optimizer=RowLBFGS,
    )
    found = minimise(task, Images(SCENE, STYLE, size=24), 4, folder="mine", progress=False, accelerator="cpu")
    assert torch.equal(task.best, cli.model.best)
    assert torch.equal(found, cli.model(cli.model.best))
    run = here / "logs" / "style_transfer" / "version_0"
    assert (here / "mine" / "metrics.csv").read_bytes() == (run / "metrics.csv").read_bytes()
    beside = {"config.yaml", "checkpoints/last.ckpt"}
    assert set(files(here / "mine")) == {name for name in files(run) if "tfevents" not in name} - beside
    assert "results/harbour+swirls.png" in files(here / "mine")


def test_callbacks_act(images):
    gray = minimise(inversion(), images, 10, callbacks=[Degrade(Grayscale())], progress=False)
    assert (gray - gray.mean(1, keepdim=True)).abs().max() < (plain := minimise(inversion(), images, 10)).std()
    assert (plain - plain.mean(1, keepdim=True)).abs().max() > 0.1


def test_task_runs_once(images):
    task = inversion()
    minimise(task, images, 1, progress=False)
    with pytest.raises(InputError, match="the task has run already; make a new one"):
        minimise(task, images, 1, progress=False)


@pytest.mark.parametrize("steps", [0, -1])
def test_no_step_is_refused(images, steps):
    with pytest.raises(InputError, match=f"minimise: steps is {steps}; give 1 or more"):
        minimise(inversion(), images, steps)


def test_bar_is_shown_where_it_is_wanted_and_nothing_else(images, capfd, caplog):
    with caplog.at_level(logging.INFO):
        minimise(inversion(), images, 2, progress=False)
        assert capfd.readouterr() == ("", "")
        minimise(inversion(), images, 2)
        out, err = capfd.readouterr()
    assert "2/2" in out + err
    assert not caplog.records


def test_warnings_of_rows_come_through_and_others_do_not(images):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        minimise(inversion(), images, 4, callbacks=[Spoil()], progress=False)
    assert [str(warning.message).split(":")[0] for warning in caught] == ["row 1 (01)"]


def test_loggers_and_filters_are_as_before(images):
    levels, filters = [logging.getLogger(name).level for name in LOGGERS], list(warnings.filters)
    minimise(inversion(), images, 1, progress=False)
    assert [logging.getLogger(name).level for name in LOGGERS] == levels
    assert warnings.filters == filters


def test_runs_in_a_notebook(images, monkeypatch):
    # The strategy of the command line starts processes, which Lightning refuses there.
    monkeypatch.setattr(accelerator_connector, "_IS_INTERACTIVE", True)
    with pytest.raises(Exception, match="interactive"):
        Trainer(strategy="rows", accelerator="cpu", devices=1, logger=False)
    minimise(inversion(), images, 1, progress=False)
