"""A run from Python: one call in place of a config."""

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from lit_nst.callbacks import History, Results, StepBar, Trajectory
from lit_nst.data import Images
from lit_nst.errors import InputError
from lit_nst.tasks import Objective

LOGGERS = ("lightning.pytorch.utilities.rank_zero", "lightning.fabric")
NOISE = ("Found .* module.* in eval mode", ".*LeafSpec.*", ".*isinstance.treespec.*")


def minimise(
    task: Objective,
    images: Images,
    steps: int,
    folder: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
    accelerator: str = "auto",
) -> Tensor:
    """Minimises a task over ``w`` and returns the best image of every row.

    The same loop as the command line's, on one device, with its bits. Random numbers have the seed
    ``Search(seed=…)``; without one that of Lightning's ``seed_everything``, else 0. What was found besides stays in
    the task: ``task.best`` (the ``w`` of the images), ``task.best_loss`` and ``task.names``, a row each.

    For several devices or other precisions give the task to a ``Trainer`` of your own, with
    ``strategy="rows"``; for runs that can be resumed use the command line, or add ``ModelCheckpoint`` there.

    Args:
        task: What is minimised; a task runs once.
        images: The pictures, by role.
        steps: Number of steps, at least 1.
        folder: Where ``results/``, ``metrics.json`` and ``metrics.csv`` are written, as the command line does;
            older ones are replaced. None: nothing is written.
        callbacks: What else happens around the steps, such as ``Degrade(GaussianBlur(3.0))`` or ``Average()``.
        progress: Shows a bar.
        accelerator: ``auto`` (a CUDA device where there is one, else the CPU), ``cpu``, ``cuda``, or another
            name of Lightning's.

    Returns:
        B×3×H×W in [0, 1], sRGB, float32, on the CPU; rows in the order of ``task.names``.

    Raises:
        InputError: No step, a task that has run already, or pictures or settings that do not fit.
    """
    if steps < 1:
        raise InputError(f"minimise: steps is {steps}; give 1 or more")
    if hasattr(task, "w"):
        raise InputError("minimise: the task has run already; make a new one")
    shown = [StepBar()] if progress else []
    written = [] if folder is None else [History(), Results(summary=False), Trajectory()]
    with _quiet(), warnings.catch_warnings():
        for text in NOISE:
            warnings.filterwarnings("ignore", text)
        trainer = Trainer(
            max_steps=steps,
            # Other accelerators lack the double precision of the small matrix products.
            accelerator="cpu" if accelerator == "auto" and not torch.cuda.is_available() else accelerator,
            devices=1,
            logger=False,
            log_every_n_steps=10,
            callbacks=[*callbacks, *shown, *written],
            enable_progress_bar=progress,
            enable_checkpointing=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        trainer.fit(task, datamodule=images)
    with torch.no_grad():
        found: Tensor = task(task.best).float().cpu()
    return found


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Lightning's hints on devices and extras to itself."""
    before = {name: logging.getLogger(name).level for name in LOGGERS}
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
