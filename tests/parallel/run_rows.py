"""A run over two processes, started afresh: ``python -m tests.parallel.run_rows NAME ARGUMENTS-AS-JSON``.

The processes are forked, which is quick but must happen before the parent has computed anything.
"""

import json
import sys
from pathlib import Path

from lightning.pytorch import Callback

from lit_nst.callbacks import Average
from lit_nst.data import Images
from lit_nst.features import VGG16
from lit_nst.losses import PerceptualLoss, SlicedWassersteinLoss
from lit_nst.optimizers import RowLBFGS
from lit_nst.tasks import Search
from tests.fitting import fit, inversion, style_transfer


class Keep(Callback):
    """Saves all rows, as a run's results do, at some steps."""

    def __init__(self, path: Path, steps: tuple[int, ...]) -> None:
        self.path, self.steps = path, steps

    def on_train_batch_end(self, trainer, task, *_):
        if trainer.global_step in self.steps:
            trainer.save_checkpoint(self.path / f"{trainer.global_step}.ckpt")


def run(generator: str, targets: str, out: str, devices: int, strategy: str, ckpt_path: str | None = None) -> None:
    """Eight steps, with checkpoints after 4 and 8."""
    features = VGG16("random", width=0.1)
    task = inversion(Path(generator), features=features, pixel=PerceptualLoss(["relu2_1"]))
    keep = Keep(Path(out), (4, 8))
    images = Images(target=targets)
    fit(task, images, Path(out), 8, ckpt_path, strategy=strategy, devices=devices, callbacks=[keep])


def draw(content: str, style: list[str], out: str, devices: int, strategy: str, ckpt_path: str | None = None) -> None:
    """The same for style transfers from several styles, with line searches and an average."""
    loss = SlicedWassersteinLoss(["relu1_1", "relu2_1"], directions=8)
    task = style_transfer(loss, optimizer=RowLBFGS, search=Search(start="content", spread=0.1))
    images = Images(content=content, style=style)
    callbacks = [Average(0.8, always=True), Keep(Path(out), (4, 8))]
    fit(task, images, Path(out), 8, ckpt_path, strategy=strategy, devices=devices, callbacks=callbacks)


if __name__ == "__main__":
    {"run": run, "draw": draw}[sys.argv[1]](**json.loads(sys.argv[2]))
