"""The end of a run: one of all its units."""

import csv
import os
from pathlib import Path

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.tensorboard import SummaryWriter

from lit_nst.callbacks import History, Results, Trajectory, compose, merge_history
from lit_nst.data import Images
from lit_nst.queue.events import events_named
from lit_nst.queue.folder import DONE, PART, RunFolder
from lit_nst.queue.parts import join
from lit_nst.queue.search import csvs
from lit_nst.tasks import Objective


def finish(folder: RunFolder, task: Objective, data: Images, trainer: Trainer) -> bool:
    """Makes one run of all units; a call that was cut short may be made again.

    Args:
        folder: Of the run.
        task: Its task.
        data: The pictures.
        trainer: Has the callbacks and the logger.

    Returns:
        Whether rows were left out.
    """
    several, homes = folder.several, [folder.folder(unit) for unit in folder.units()]
    found = {type(callback): callback for callback in trainer.callbacks}  # type: ignore[attr-defined]
    if History in found:
        merge_history(folder.path, list(csvs(folder)))
    if Trajectory in found:
        # Those of a unit that was split come first.
        compose(folder.path, [folder.folder(unit) for unit in sorted(folder.known(), key=len, reverse=True)])
    if several:
        join(folder)
    if isinstance(trainer.logger, TensorBoardLogger) and several:
        _log_means(folder.path)
    left_out = found[Results].consolidate(task, data, folder.path, [home / DONE for home in homes])
    tidy(folder)
    return bool(left_out)


def tidy(folder: RunFolder) -> None:
    """Takes away what the run now holds; the units' TensorBoard files go to ``tensorboard/``."""
    for name in (DONE, PART):
        (folder.path / name).unlink(missing_ok=True)
    for unit in folder.known():
        home = folder.folder(unit)
        if home == folder.path:
            continue
        for events in home.glob("events.out.tfevents.*"):
            kept = folder.path / "tensorboard" / unit.name / events.name
            kept.parent.mkdir(parents=True, exist_ok=True)
            os.replace(events, kept)
    folder.remove_units()


def _log_means(path: Path) -> None:
    """The curves of ``metrics.csv`` for TensorBoard, beside those of the units."""
    table = (path / "metrics.csv").open(newline="")
    with events_named(path, remove=True), table as file, SummaryWriter(str(path)) as writer:
        for line in csv.DictReader(file):
            step = int(line.pop("step"))
            for name, value in line.items():
                if value and name != "rows":
                    writer.add_scalar(name, float(value), step)
