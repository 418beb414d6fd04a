import pytest
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger

from lit_nst.callbacks import StepBar
from lit_nst.data import Images
from tests.fitting import fit, inversion, save_images

STEPS = 12


@pytest.fixture
def images(smooth_images, tmp_path):
    return Images(target=save_images(smooth_images, tmp_path / "targets"))


class Look(Callback):
    """The bar at the first and after the last step."""

    def on_train_batch_start(self, trainer, task, *_):
        if not hasattr(self, "first"):
            bar = trainer.progress_bar_callback.train_progress_bar
            self.first, self.total = bar.n, bar.total

    def on_train_batch_end(self, trainer, task, *_):
        bar = trainer.progress_bar_callback
        self.last, self.text = bar.train_progress_bar.n, str(bar.train_progress_bar)
        self.metrics, self.usual = bar.get_metrics(trainer, task), TQDMProgressBar.get_metrics(bar, trainer, task)


def run(generator, images, folder, bar, ckpt_path=None, callbacks=()):
    look = Look()
    options = {"enable_progress_bar": True, "logger": TensorBoardLogger(str(folder), name="run", version=3)}
    trainer = fit(inversion(generator), images, folder, STEPS, ckpt_path, callbacks=[bar, *callbacks, look], **options)
    return look, trainer


def test_one_bar_over_all_steps_with_every_term(tiny_generator, images, tmp_path, capfd):
    look, _ = run(tiny_generator, images, tmp_path, StepBar(refresh_rate=1))
    assert (look.first, look.last, look.total) == (0, STEPS, STEPS)
    assert set(look.metrics) == {"loss", "target", "regulariser"}
    assert "v_num" in look.usual
    assert look.text.startswith("Inversion: 100%")
    assert "12/12" in look.text
    printed = "".join(capfd.readouterr())
    assert "regulariser=" in printed
    assert "v_num" not in printed
    assert "Epoch" not in printed


def test_bar_of_a_resumed_run_begins_where_it_was(tiny_generator, images, tmp_path):
    class Save(Callback):
        def on_train_batch_end(self, trainer, *_):
            if trainer.global_step == 5:
                trainer.save_checkpoint(tmp_path / "5.ckpt")

    run(tiny_generator, images, tmp_path, StepBar(refresh_rate=1), callbacks=[Save()])
    look, _ = run(tiny_generator, images, tmp_path, StepBar(refresh_rate=1), tmp_path / "5.ckpt")
    assert (look.first, look.last, look.total) == (5, STEPS, STEPS)
