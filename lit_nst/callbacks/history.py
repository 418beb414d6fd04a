"""``metrics.csv``."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.files import naming, write_atomically

FILE = "metrics.csv"


class History(Callback):
    """Writes ``metrics.csv``: for each step the mean over rows of the loss and of each term, where it was measured.

    Values stay on the device and are read once every ``trainer.log_every_n_steps`` steps. A resumed run
    goes on with the lines of the steps before it. Stopped rows do not count. While it runs, the numbers have every
    digit, so that the files of several fits can be made into one; in the end six.

    Attributes:
        whole: A fit is the whole run, whose file it finishes.
    """

    whole = True

    def __init__(self) -> None:
        self._waiting: list[tuple[int, Tensor]] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        task: Any = pl_module
        self._path = Path(trainer.log_dir or trainer.default_root_dir) / FILE
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
        if self.whole and trainer.is_global_zero:
            merge_history(self._path.parent, [self._path])

    def _flush(self, trainer: Trainer) -> None:
        if not self._waiting:
            return
        sums = trainer.strategy.reduce(torch.stack([value for _, value in self._waiting]), reduce_op="sum")
        lines = []
        for (step, _), values in zip(self._waiting, sums.tolist(), strict=True):
            count = values.pop()
            means = [value / max(count, 1) for value in values]
            # What a step did not measure stays empty.
            lines.append([str(step), *("" if mean != mean else repr(mean) for mean in means), f"{count:.0f}"])
        self._waiting = []
        if trainer.is_global_zero:
            with naming(self._path), self._path.open("ab") as file:
                file.write(_csv(lines))


def merge_history(folder: Path, files: Sequence[Path]) -> None:
    """Makes one ``metrics.csv`` of those of several fits: for each step the means over all of their rows.

    Each fit has rows of its own, or other steps of the same. A file that is there already is of all rows: the steps
    that it has are its own, so a call that was made before may be made again.

    Args:
        folder: Of the run.
        files: Of the fits; without any, nothing is written.

    Raises:
        InputError: Files of several tasks.
    """
    if not files:
        return
    own, head, steps = folder / FILE, _columns(files[0]), dict[int, list[list[str]]]()
    known = {int(line[0]) for line in _lines(own, len(head))} if own in files else set[int]()
    for path in files:
        if _columns(path) != head:
            raise InputError(f"{path} has other columns than {files[0]}; give the files of one run")
        for line in _lines(path, len(head)):
            if path == own or int(line[0]) not in known:
                steps.setdefault(int(line[0]), []).append(line)
    write_atomically(folder / FILE, _csv([head, *(_mean(step, steps[step]) for step in sorted(steps))]))


def cut_history(path: Path, step: int) -> None:
    """Takes away the lines of all later steps."""
    head = _columns(path)
    write_atomically(path, _csv([head, *_lines_up_to(path, step, len(head))]))


def _mean(step: int, lines: Sequence[Sequence[str]]) -> list[str]:
    """One line of those of several fits."""
    counts, means = [float(line[-1]) for line in lines], []
    for column in zip(*(line[1:-1] for line in lines), strict=True):
        known = [(float(value), count) for value, count in zip(column, counts, strict=True) if value]
        if not known:
            means.append("")
        elif len(known) == 1:
            means.append(f"{known[0][0]:.6g}")
        else:
            total = math.fsum(value * count for value, count in known)
            means.append(f"{total / max(math.fsum(count for _, count in known), 1):.6g}")
    return [str(step), *means, f"{sum(counts):.0f}"]


def _interval(trainer: Any) -> int:
    """Steps between two lines of the log; the trainer's own types lack it."""
    return int(trainer.log_every_n_steps)


def _csv(lines: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue().encode()


def _columns(path: Path) -> list[str]:
    with path.open(newline="") as file:
        return next(csv.reader(file), [])


def _lines(path: Path, columns: int) -> list[list[str]]:
    """The lines of a file; of a killed run the last one may be cut short."""
    with path.open(newline="") as file:
        lines = list(csv.reader(file))[1:]
    return [line for line in lines if len(line) == columns and line[0].isdigit()]


def _lines_up_to(path: Path, step: int, columns: int) -> list[list[str]]:
    return [line for line in _lines(path, columns) if int(line[0]) <= step]
