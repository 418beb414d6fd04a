"""The images on their way."""

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


class Trajectory(Callback):
    """Records the images at steps 0, 1, 2, 4, 8, …, at the last one, and every so many steps.

    They go to TensorBoard (``images/target``, ``images/content``, ``images/style``, ``images/measurement``,
    ``images/current``; of a sampling ``images/current`` is the predicted clean picture, ``images/noisy`` the latent as
    it is), to
    ``results/trajectory/`` as PNG files and, at the end, to ``results/trajectory.gif`` and
    ``results/trajectory.png``. A resumed run goes on with the files of the steps before it.

    Args:
        every: Steps between two records beside the powers of two; 0: none beside them.
        rows: How many rows are shown, from the first.

    Raises:
        InputError: A negative interval, or no row.
    """

    def __init__(self, every: int = 50, rows: int = 8) -> None:
        if every < 0 or rows < 1:
            raise InputError(f"trajectory: every is {every}, rows is {rows}; give at least 0 and 1")
        self.every, self.rows = every, rows

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        task: Any = pl_module
        self._folder = Path(trainer.log_dir or trainer.default_root_dir) / "results"
        if not trainer.is_global_zero:
            return
        shown = task.shard.rows[: self.rows]
        if trainer.global_step == 0:
            for old in self._folder.glob("trajectory/step_*.png"):
                old.unlink()
            for tag, images in (
                ("target", load_truth(trainer, task, shown)),
                ("content", load_content(trainer, task, shown)),
            ):
                if images is not None:
                    self._log(trainer, tag, images)
            for number, picture in enumerate(task.pictures.get("style", [])[: self.rows]):
                self._log(trainer, f"style/{number}", picture[None])
            if len(task.degradation):
                self._log(trainer, "measurement", task.target[: len(shown)])
            self._record(trainer, task)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = trainer.global_step
        due = step & (step - 1) == 0 or (self.every and step % self.every == 0) or step == trainer.max_steps
        if due and trainer.is_global_zero:
            self._record(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        frames: dict[int, list[Tensor]] = {}
        for path in sorted(self._folder.glob("trajectory/step_*.png")):
            step = int(path.stem.split("_")[1])
            if step <= trainer.global_step:
                with Image.open(path) as image:
                    frames.setdefault(step, []).append(pil_to_tensor(image).float() / 255)
        if not frames:
            return
        # A run that went on with other devices or options may have recorded other numbers of rows.
        shown = min(map(len, frames.values()))
        frames = {step: frame[:shown] for step, frame in sorted(frames.items())}
        steps = list(frames)
        write_atomically(self._folder / "trajectory.gif", animation([torch.stack(f) for f in frames.values()], steps))
        captions = [f"step {step}" for step in steps]
        cells = torch.stack([torch.cat(frame[:4], 1) for frame in frames.values()])
        sheet = contact_sheet(cells, columns=min(len(steps), 8), captions=captions)
        write_sheet(sheet, self._folder / "trajectory.png")

    @torch.no_grad()
    def _record(self, trainer: Trainer, task: Any) -> None:
        images = task(task.shown[: self.rows]).float().nan_to_num(0).cpu()
        self._log(trainer, "current", images)
        if task.noisy is not None:
            self._log(trainer, "noisy", task(task.noisy[: self.rows]).float().nan_to_num(0))
        for row, image in enumerate(images):
            write_png(image, self._folder / "trajectory" / f"step_{trainer.global_step:06d}_{row:02d}.png")

    def _log(self, trainer: Trainer, tag: str, images: Tensor) -> None:
        shown = images.detach().float().clamp(0, 1).cpu()
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                # TensorBoard hides a scalar, such as the term ``target``, that has the name of a picture.
                logger.experiment.add_images(f"images/{tag}", shown, trainer.global_step)
