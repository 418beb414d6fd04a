"""The loop of one process over the units of a run."""

import contextlib
import gc
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from lit_nst.callbacks import Part, read_part, write_part
from lit_nst.data import Images
from lit_nst.errors import InputError
from lit_nst.parallel import AtomicCheckpointIO, Claim, Ranks, memory
from lit_nst.queue.events import events_named
from lit_nst.queue.folder import PART, RunFolder
from lit_nst.queue.parts import divide
from lit_nst.queue.signals import GRACE, INTERRUPTED, TERMINATED, Signals, Stopped
from lit_nst.queue.units import Unit, halves, turn
from lit_nst.tasks import Objective

PAUSE = 0.2
MakeTrainer = Callable[[Path, list[int], dict[int, str], list[Callback]], Trainer]


class Watch(Callback):
    """Ends a process whose starter is gone, and the first one after bad input in another."""

    def __init__(self, ranks: Ranks, signals: Signals) -> None:
        self.ranks, self.signals = ranks, signals

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From now on a step is saved first."""
        self.signals.check()
        self.signals.patient = True

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Looks at them after every step."""
        if self.ranks.orphaned():
            raise SystemExit(TERMINATED)
        if (status := self.ranks.failed()) not in (None, TERMINATED, INTERRUPTED):
            raise SystemExit(status)


@dataclass
class Search:
    """Computes units until none is left.

    Args:
        task: Fitted once for every unit.
        data: The pictures.
        folder: Of the run.
        ranks: The processes.
        signals: What ends this one.
        make: Makes the trainer of a unit: its folder, its rows, the rows that are left out, callbacks.
        most: Most rows at a time; it falls when the memory is exhausted.
        steps: Of every row.
        origin: Checkpoint of all rows that a run of one unit goes on from; None: its own.
        lone: A single row is computed once, since twice is too much for the memory.
    """

    task: Objective
    data: Images
    folder: RunFolder
    ranks: Ranks
    signals: Signals
    make: MakeTrainer
    most: int
    steps: int
    origin: Path | None = None
    lone: bool = False

    def run(self) -> None:
        """Computes what no other process holds; the first process stays until everything is done.

        Raises:
            SystemExit: After a signal, and with the status of another process that has bad input.
        """
        while self._one() or self._wait():
            self.signals.check()

    def _one(self) -> bool:
        """Computes one unit; False: there is none that this process could take."""
        if self.folder.finished(self.steps):
            # The first process has not waited for one that had nothing left to do.
            return False
        for unit in turn(self.folder.units(), self.ranks.rank, self.ranks.size):
            if self.folder.done(unit) or (claim := self._claim(unit)) is None:
                continue
            with claim:
                # In this order: marks go only once the run is finished.
                if not self.folder.done(unit) and not self.folder.finished(self.steps) and unit in self.folder.units():
                    self._compute(unit)
                    return True
        return False

    def _claim(self, unit: Unit) -> contextlib.AbstractContextManager[Any] | None:
        home = self.folder.folder(unit)
        if self.ranks.rank == 0 and home == self.folder.path:
            # It holds the whole run.
            return contextlib.nullcontext()
        return Claim.take(home, alone=self.ranks.size == 1, make=False)

    def _wait(self) -> bool:
        """Whether the first process has to look again, since others still hold units."""
        if self.ranks.rank or all(map(self.folder.done, self.folder.units())):
            return False
        if (status := self.ranks.failed()) not in (None, TERMINATED, INTERRUPTED):
            raise SystemExit(status)
        time.sleep(PAUSE)
        return True

    def _compute(self, unit: Unit) -> None:
        if len(unit) > self.most:
            divide(self.folder, unit, halves(unit))
            return
        origin = self.folder.checkpoint(unit) if self.folder.begun(unit) else None
        origin = self.origin if self.origin is not None and unit == self.folder.whole else origin
        if origin is not None and origin != self.origin and self._ended(origin):
            part = self.folder.folder(unit) / PART
            if part.is_file() and read_part(part).steps >= self.steps:
                self.folder.finish(unit)
                return
            # Its results are gone, and no step is left that would lead to them.
            origin = None
        rows, unreadable = self._rows(unit, origin)
        if not rows:
            write_part(self.folder.folder(unit) / PART, Part.empty(unreadable))
        elif not self._fitted(unit, rows, unreadable, origin):
            return
        self.folder.finish(unit)

    def _ended(self, checkpoint: Path) -> bool:
        return int(_read(checkpoint)["global_step"]) >= self.steps

    def _rows(self, unit: Unit, origin: Path | None) -> tuple[list[int], dict[int, str]]:
        """The rows to compute, and why the others are left out."""
        rows = list(unit.rows)
        if origin is not None:
            known = _read(origin).get("rows")
            # Of another run, whose rows these are not, the task refuses it.
            rows = known if known is not None and set(known) <= set(rows) else rows
        if self.data.unreadable == "stop":
            return rows, {}
        reasons = {row: self.task.unreadable(row, self.data) for row in unit.rows if origin is None or row not in rows}
        told = {row: reason or "it could not be read before" for row, reason in reasons.items()}
        left_out = {row: told[row] for row, reason in reasons.items() if reason is not None or origin is not None}
        for row, reason in left_out.items():
            print(f"row {row} ({self.task.names[row]}) is left out: {reason}", file=sys.stderr)
        return [row for row in rows if row not in left_out], left_out

    def _fitted(self, unit: Unit, rows: list[int], unreadable: dict[int, str], origin: Path | None) -> bool:
        """Fits the task to some rows; False: they did not fit into the memory, and are two units now."""
        try:
            self._fit(unit, rows, unreadable, origin)
        except Exception as error:
            if not memory.is_out_of_memory(error):
                raise
        else:
            if not (self.folder.folder(unit) / PART).is_file():
                raise InputError(
                    f"--ckpt_path: {origin} has taken all {self.steps} steps; give more --trainer.max_steps"
                )
            return True
        # After the except clause, whose traceback holds all tensors of the step.
        _free()
        self._halve(unit, rows)
        return False

    def _fit(self, unit: Unit, rows: list[int], unreadable: dict[int, str], origin: Path | None) -> None:
        self.task.choose(rows, lone=self.lone)
        home = self.folder.folder(unit)
        trainer = self.make(home, rows, unreadable, [Watch(self.ranks, self.signals)])
        try:
            with events_named(home):
                trainer.fit(self.task, datamodule=self.data, ckpt_path=None if origin is None else str(origin))
        finally:
            self.signals.patient = False
        if trainer.should_stop and not (home / PART).is_file():
            # Before a step of this unit, which would have left its results.
            self.ranks.stop(signal.SIGTERM)
            self.ranks.wait(GRACE)
            how = f"go on with the same command and --ckpt_path {self.folder.path}"
            told = None if self.ranks.rank else f"stopped by --trainer.max_time or a callback; {how}"
            raise Stopped(TERMINATED, told)

    def _halve(self, unit: Unit, rows: list[int]) -> None:
        if len(rows) == 1:
            if self.lone:
                raise InputError(f"row {rows[0]} alone does not fit in the memory; give a smaller --data.size")
            self.lone = True
            self._tell(f"out of memory with row {rows[0]}; it is computed by itself, its last bits may differ")
            return
        self.most = max(1, len(unit) // 2)
        parts = halves(unit)
        self._tell(f"out of memory with {len(rows)} rows at a time; going on with {len(parts[0])}")
        divide(self.folder, unit, parts, None if self.folder.begun(unit) else self.origin)
        self.most = max(self.most, len(parts[0]))

    def _tell(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


def _read(checkpoint: Path) -> dict[str, Any]:
    return AtomicCheckpointIO().load_checkpoint(checkpoint, weights_only=True)


def _free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def csvs(folder: RunFolder) -> Iterable[Path]:
    """The curves of all units, also of those that were split."""
    return (path for unit in folder.known() if (path := folder.folder(unit) / "metrics.csv").is_file())
