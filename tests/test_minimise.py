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

CONFIG = """
model:
  class_path: StyleTransfer
  init_args:
    generator: Pixels
    features: {class_path: VGG19, init_args: {width: 0.1}}
    content: {class_path: ContentLoss, init_args: {layers: [relu2_1]}}
    style: {class_path: GramLoss, init_args: {layers: [relu1_1, relu2_1], weight: 5.0}}
    regulariser: {class_path: TotalVariation, init_args: {weight: 0.01}}
    search: {start: content, spread: 0.1}
    optimizer: RowLBFGS
data: {content: "embedded:scenes/harbour.png", style: "embedded:styles/swirls.png", size: 24}
trainer: {max_steps: 4, enable_progress_bar: false}
"""


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


def inversion(lr=0.1, **settings):
    return Inversion(Pixels(), PixelLoss(), optimizer=partial(torch.optim.Adam, lr=lr), **settings)


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


def test_best_step_counts_and_not_the_last(images):
    task = inversion(search=Search(ramp_up=0, ramp_down=0), lr=0.4)
    # One step of 0.4 from mid-grey goes past every pixel.
    found = minimise(task, images, 1, progress=False)
    assert torch.equal(found, torch.full_like(found, 0.5))
    assert (task.w - 0.5).abs().mean() > 0.3


def test_bits_and_files_are_those_of_the_command_line(here):
    (here / "gram.yaml").write_text(CONFIG)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cli = CLI(["fit", "--config", "gram.yaml", "--trainer.accelerator", "cpu"])
    task = StyleTransfer(
        Pixels(),
        content=ContentLoss(["relu2_1"]),
        style=GramLoss(["relu1_1", "relu2_1"], weight=5.0),
        regulariser=TotalVariation(0.01),
        features=VGG19(width=0.1),
        search=Search(start="content", spread=0.1),
        optimizer=RowLBFGS,
    )
    pictures = Images(content="embedded:scenes/harbour.png", style="embedded:styles/swirls.png", size=24)
    found = minimise(task, pictures, 4, folder="mine", progress=False, accelerator="cpu")
    assert torch.equal(task.best, cli.model.best)
    assert torch.equal(found, cli.model(cli.model.best))
    run = here / "logs" / "gram" / "version_0"
    assert (here / "mine" / "metrics.csv").read_bytes() == (run / "metrics.csv").read_bytes()
    beside = {"config.yaml", "hparams.yaml", "checkpoints/last.ckpt"}
    assert set(files(here / "mine")) == {name for name in files(run) if "tfevents" not in name} - beside
    assert "results/harbour+swirls.png" in files(here / "mine")


def test_callbacks_act(images):
    found = minimise(inversion(), images, 20, progress=False)
    # From mid-grey, a loss that sees no colours leaves the channels much nearer to one another.
    gray = minimise(inversion(), images, 20, callbacks=[Degrade(Grayscale())], progress=False)
    assert 2 * gray.std(1).mean() < found.std(1).mean()


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
        minimise(inversion(), images, 2, folder="out", progress=False)
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


def test_loggers_and_filters_are_as_before(images, caplog):
    for name in LOGGERS:
        caplog.set_level(logging.DEBUG, name)
    filters = list(warnings.filters)
    minimise(inversion(), images, 1, progress=False)
    assert [logging.getLogger(name).level for name in LOGGERS] == [logging.DEBUG] * len(LOGGERS)
    assert warnings.filters == filters


def test_runs_in_a_notebook(images, monkeypatch):
    # The strategy of the command line starts processes where there are several, which Lightning refuses there.
    monkeypatch.setattr(accelerator_connector, "_IS_INTERACTIVE", True)
    with pytest.raises(Exception, match="interactive"):
        Trainer(strategy="rows", accelerator="cpu", devices=2, logger=False)
    assert Trainer(strategy="rows", accelerator="cpu", devices=1, logger=False).strategy.launcher is None
    minimise(inversion(), images, 1, progress=False)
