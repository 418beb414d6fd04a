"""The images on their way."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

from lit_nst.callbacks.truth import load_content, load_truth
from lit_nst.data import write_png, write_sheet
from lit_nst.errors import InputError
from lit_nst.files import write_atomically
from lit_nst.report import animation, contact_sheet

RESULTS, STEPS = "results", "trajectory"


class Trajectory(Callback):
    """Records the images at steps 0, 1, 2, 4, 8, …, at the last one, and every so many steps.

    They go to TensorBoard (``images/target``, ``images/content``, ``images/style``, ``images/measurement``,
    ``images/current``; of a sampling ``images/current`` is the predicted clean picture, ``images/noisy`` the latent as
    it is), to
    ``results/trajectory/`` as PNG files and, at the end, to ``results/trajectory.gif`` and
    ``results/trajectory.png``. A resumed run goes on with the files of the steps before it.

    Args:
        every: Steps between two records beside the powers of two; 0: none beside them.
        rows: How many rows are shown, from the first of the run; a fit of others records nothing.

    Attributes:
        whole: A fit is the whole run, whose animation it makes.

    Raises:
        InputError: A negative interval, or no row.
    """

    whole = True

    def __init__(self, every: int = 50, rows: int = 8) -> None:
        if every < 0 or rows < 1:
            raise InputError(f"trajectory: every is {every}, rows is {rows}; give at least 0 and 1")
        self.every, self.rows = every, rows
        self._places: list[int] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        task: Any = pl_module
        self._folder = Path(trainer.log_dir or trainer.default_root_dir)
        shown = [row for row in task.shard.rows if row < self.rows] if trainer.is_global_zero else []
        self._places = [task.shard.rows.index(row) for row in shown]
        if not shown:
            return
        for (step, _), old in _recorded(self._folder).items():
            if step > trainer.global_step or trainer.global_step == 0:
                old.unlink()
        if trainer.global_step == 0:
            for tag, images in (
                ("target", load_truth(trainer, task, shown)),
                ("content", load_content(trainer, task, shown)),
            ):
                if images is not None:
                    self._log(trainer, tag, images)
            for number, picture in list(task.pictures.get("style", {}).items())[: self.rows]:
                self._log(trainer, f"style/{number}", picture[None])
            if len(task.degradation):
                self._log(trainer, "measurement", task.target[self._places])
            self._record(trainer, task)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = trainer.global_step
        due = step & (step - 1) == 0 or (self.every and step % self.every == 0) or step == trainer.max_steps
        if due and self._places:
            self._record(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._places and self.whole:
            compose(self._folder)

    @torch.no_grad()
    def _record(self, trainer: Trainer, task: Any) -> None:
        images = self._images(task, task.shown).nan_to_num(0).cpu()
        self._log(trainer, "current", images)
        if task.noisy is not None:
            self._log(trainer, "noisy", self._images(task, task.noisy).nan_to_num(0))
        for place, image in zip(self._places, images, strict=True):
            name = f"step_{trainer.global_step:06d}_{task.shard.rows[place]:02d}.png"
            write_png(image, self._folder / RESULTS / STEPS / name)

    def _images(self, task: Any, w: Tensor) -> Tensor:
        """Those of the rows that are shown, an even number of which is computed where all rows are so."""
        shown = w[self._places]
        even = torch.cat([shown, shown[-1:]]) if len(shown) % 2 and len(task.shard.padded) > 1 else shown
        images: Tensor = task.generator(even)[: len(shown)].clamp(0, 1).float()
        return images

    def _log(self, trainer: Trainer, tag: str, images: Tensor) -> None:
        shown = images.detach().float().clamp(0, 1).cpu()
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                # TensorBoard hides a scalar, such as the term ``target``, that has the name of a picture.
                logger.experiment.add_images(f"images/{tag}", shown, trainer.global_step)


def compose(folder: Path, parts: Sequence[Path] = ()) -> None:
    """Makes ``trajectory.gif`` and ``trajectory.png`` of all recorded pictures; nothing where there are none.

    Args:
        folder: Of the run.
        parts: Folders of fits of some of its rows, whose pictures are moved there first, those of later ones over
            those of earlier ones.
    """
    for part in parts:
        for old in _recorded(part).values() if part != folder else ():
            (folder / RESULTS / STEPS).mkdir(parents=True, exist_ok=True)
            os.replace(old, folder / RESULTS / STEPS / old.name)
    files = _recorded(folder)
    steps = sorted({step for step, _ in files})
    # A run that went on with other options may have recorded other rows.
    rows = sorted(row for row in {row for _, row in files} if all((step, row) in files for step in steps))
    if not rows:
        return
    frames = [torch.stack([_read(files[step, row]) for row in rows]) for step in steps]
    write_atomically(folder / RESULTS / "trajectory.gif", animation(frames, steps))
    cells = torch.stack([torch.cat(list(frame[:4]), 1) for frame in frames])
    captions = [f"step {step}" for step in steps]
    sheet = contact_sheet(cells, columns=min(len(steps), 8), captions=captions)
    write_sheet(sheet, folder / RESULTS / "trajectory.png")


def _recorded(folder: Path) -> dict[tuple[int, int], Path]:
    """Step and row → file."""
    paths = (folder / RESULTS / STEPS).glob("step_*.png")
    names = ((re.fullmatch(r"step_(\d+)_(\d+)", path.stem), path) for path in paths)
    return {(int(name[1]), int(name[2])): path for name, path in names if name}


def _read(path: Path) -> Tensor:
    with Image.open(path) as image:
        pixels: Tensor = pil_to_tensor(image)
    return pixels.float() / 255
