"""``metrics.csv``."""

import csv
import io
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from lit_nst.files import write_atomically


class History(Callback):
    """Writes ``metrics.csv``: for each step the mean over rows of the loss and of each term, where it was measured.

    Values stay on the device and are read once every ``trainer.log_every_n_steps`` steps. A resumed run
    goes on with the lines of the steps before it. Stopped rows do not count.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[int, Tensor]] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        task: Any = pl_module
        self._path = Path(trainer.log_dir or trainer.default_root_dir) / "metrics.csv"
        lines = [["step", "loss", *task.columns, "rows"]]
        if trainer.global_step and trainer.is_global_zero and self._path.is_file():
            lines += _lines_up_to(self._path, trainer.global_step, len(lines[0]))
        self._waiting = []
        if trainer.is_global_zero:
            write_atomically(self._path, _csv(lines))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._waiting.append((trainer.global_step, outputs["sums"]))
        if _interval(trainer) and trainer.global_step % _interval(trainer) == 0:
            self._flush(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        # A run that is killed and goes on from here needs the lines of all the steps before.
        self._flush(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._flush(trainer)

    def _flush(self, trainer: Trainer) -> None:
        if not self._waiting:
            return
        sums = trainer.strategy.reduce(torch.stack([value for _, value in self._waiting]), reduce_op="sum")
        lines = []
        for (step, _), values in zip(self._waiting, sums.tolist(), strict=True):
            count = values.pop()
            means = [value / max(count, 1) for value in values]
            # What a step did not measure stays empty.
            lines.append([str(step), *("" if mean != mean else f"{mean:.6g}" for mean in means), f"{count:.0f}"])
        self._waiting = []
        if trainer.is_global_zero:
            with self._path.open("ab") as file:
                file.write(_csv(lines))


def _interval(trainer: Any) -> int:
    """Steps between two lines of the log; the trainer's own types lack it."""
    return int(trainer.log_every_n_steps)


def _csv(lines: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue().encode()


def _lines_up_to(path: Path, step: int, columns: int) -> list[list[str]]:
    """The lines of a killed run up to a step; the last one may be cut short."""
    with path.open(newline="") as file:
        lines = list(csv.reader(file))[1:]
    return [line for line in lines if len(line) == columns and line[0].isdigit() and int(line[0]) <= step]
