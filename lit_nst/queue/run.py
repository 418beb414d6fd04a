"""A run: its folder, its units, its processes, its end."""

import copy
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ProgressBar, Timer
from lightning.pytorch.loggers import CSVLogger, Logger

from lit_nst.callbacks import Average, Degrade, History, Results, StepBar, Trajectory, read_part
from lit_nst.data import Images
from lit_nst.errors import InputError
from lit_nst.files import write_atomically
from lit_nst.parallel import Claim, Ranks
from lit_nst.queue.checkpoint import FOLDER, LAST, Checkpoint, holds_run, run_of
from lit_nst.queue.events import quiet_writers
from lit_nst.queue.finish import finish, tidy
from lit_nst.queue.folder import DONE, RunFolder
from lit_nst.queue.parts import divide, settle
from lit_nst.queue.record import NAME, Record, check_same, clear_away, remove_empty
from lit_nst.queue.rehearsal import rehearse
from lit_nst.queue.search import Search
from lit_nst.queue.settings import GIB, Queue
from lit_nst.queue.signals import GRACE, TERMINATED, Signals, Stopped
from lit_nst.queue.units import Unit, cut, plan
from lit_nst.tasks import Objective
from lit_nst.tasks.shard import check_strategy, check_trainer

BAD_INPUT, LEFT_OUT, FEW, CLAIM = 2, 3, 4, ".claim"


class _UnitTrainer(Trainer):
    """A trainer whose files lie in its own folder, wherever its logger writes."""

    @property
    def log_dir(self) -> str | None:
        """The unit's folder: a logger of another kind is that of all units."""
        return self.default_root_dir


@dataclass
class Run:
    """All that a run is made of.

    Args:
        task: The task.
        data: Its pictures.
        trainer: Has the processes, the callbacks and the logger.
        settings: What every unit's trainer is made with besides.
        queue: How many rows at a time.
        logger: Makes the logger of a unit's folder.
        config: The text of ``config.yaml``.
        checkpoint: What the run goes on from, as ``--ckpt_path`` says; None: it begins.
    """

    task: Objective
    data: Images
    trainer: Trainer
    settings: dict[str, Any]
    queue: Queue
    logger: Callable[[Path], Logger | bool]
    config: str
    checkpoint: str | None = None

    def __post_init__(self) -> None:
        self.claim: Claim | None = None
        self.made: list[Path] = []

    def fit(self) -> None:
        """Computes every row, in as many processes as the trainer says.

        Raises:
            InputError: Bad input, or a folder that holds another run.
            SystemExit: With status 3 where pictures were left out, 143 after SIGTERM, 130 after Ctrl-C, and that of
                another process that has bad input.
        """
        check_strategy(self.trainer)
        check_trainer(self.trainer)
        self._check()
        self.ranks = Ranks(self.trainer.strategy)
        with Signals() as self.signals, quiet_writers():
            try:
                self.ranks.launch(self._process)
            except SystemExit:
                if self.signals.status is None:
                    raise
                raise self._stopped(self.signals.status) from None

    def _check(self) -> None:
        """Refuses what a run in units could not do as it says."""
        loggers = self.trainer.loggers
        if any(isinstance(logger, CSVLogger) for logger in loggers):
            raise InputError(
                "--trainer.logger: CSVLogger would write over metrics.csv, which every run has; give false in its place"
            )
        if len(loggers) > 1:
            raise InputError(f"--trainer.logger: {len(loggers)} loggers; give one")
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, Timer):
                raise InputError(
                    "--trainer.max_time: a unit would end before its last step; send SIGTERM in its place, as "
                    "`timeout 1h python cli.py …` does, and go on with --ckpt_path last"
                )
            if isinstance(callback, Checkpoint) and callback.dirpath is not None:
                raise InputError("--checkpoint.dirpath: a run's checkpoints are in its own folder; leave it out")

    def _process(self) -> None:
        try:
            self._work()
        finally:
            self._leave()

    def _work(self) -> None:
        path, most, origin = self.ranks.agree(self._prepare)
        self.ranks.close()
        if path is None:
            if most and self.ranks.rank == 0:
                raise SystemExit(LEFT_OUT)
            return
        # Every process logs and saves what it computes.
        rank_zero_only.rank = 0  # type: ignore[attr-defined]
        self.data.setup("fit")
        self.folder = RunFolder(Path(path), self.task.lay_out(self.data))
        source = None if origin is None else Path(origin)
        steps = self.trainer.max_steps
        make = self._unit_trainer
        search = Search(self.task, self.data, self.folder, self.ranks, self.signals, make, most, steps, source)
        if self.ranks.rank == 0:
            search.run()
            if finish(self.folder, self.task, self.data, self.trainer):
                raise SystemExit(LEFT_OUT)
            return
        try:
            search.run()
        except (InputError, OSError) as error:
            # The first process ends with its status and leaves the word to it.
            line = " ".join(str(error).split())
            print(f"error: process {self.ranks.rank + 1} of {self.ranks.size}: {line}", file=sys.stderr)
            raise SystemExit(BAD_INPUT) from None

    def _prepare(self) -> tuple[str | None, int, str | None]:
        """Opens the folder and cuts the rows into units; the first process does so.

        Returns:
            The folder, most rows at a time, a checkpoint of all rows. Of a finished run no folder, and how many rows
            it has left out.
        """
        self.data.setup("fit")
        total = self.task.lay_out(self.data)
        path, origin = self._place()
        folder = RunFolder(path, total)
        _check_writable(path)
        if path.is_dir():
            self._hold(path)
        if (told := folder.told()) is not None and told["steps"] >= self.trainer.max_steps:
            # It may have been killed at its very end.
            tidy(folder)
            left_out = len(told.get("unreadable", []))
            missing = f"; {left_out} were left out" if left_out else ""
            print(f"{path} is finished; its {len(told['rows'])} rows are in {path / 'results'}{missing}")
            return None, left_out, None
        most = self._most(total)
        # The inner ones first.
        self.made = [parent for parent in (path, *path.parents) if not parent.exists()]
        self._hold(path)
        # Another command may have begun and ended there since.
        self._place()
        self._cut(folder, most, origin)
        self.signals.check()
        whole = folder.units() == [folder.whole]
        return str(path), most, str(origin) if whole and origin is not None else None

    def _hold(self, path: Path) -> None:
        """Claims the run for as long as this process is at work."""
        if self.claim is not None:
            return
        self.claim, self.path = Claim.take(path, alone=self.ranks.size == 1), path
        if self.claim is None:
            raise InputError(f"{path} is being worked on by another process; stop it first")

    def _leave(self) -> None:
        """Gives the run back; one that has ended, or that never began, leaves nothing of this."""
        if self.claim is None:
            remove_empty(self.made)
            return
        if (self.path / "metrics.json").is_file():
            (self.path / CLAIM).unlink(missing_ok=True)
        clear_away(self.path, self.made)
        self.claim.release()

    def _stopped(self, status: int) -> Stopped:
        """Ends the other processes after a signal; the first one says how to go on."""
        self.ranks.stop(signal.SIGTERM)
        self.ranks.wait(GRACE)
        if self.ranks.rank:
            return Stopped(status)
        begun = self.claim is not None and holds_run(self.path)
        how = f"go on with the same command and --ckpt_path {self.path}" if begun else "give the same command again"
        return Stopped(status, f"{'stopped by SIGTERM' if status == TERMINATED else 'interrupted'}; {how}")

    def _place(self) -> tuple[Path, Path | None]:
        """The run's folder, and a checkpoint of all rows that was named."""
        own = Path(self.trainer.log_dir or self.trainer.default_root_dir)
        if (own / NAME).is_file() and self.checkpoint is not None:
            check_same(own / NAME, self.config)
        if self.checkpoint is None:
            if holds_run(own):
                raise InputError(
                    f"{own} holds a run already; give --ckpt_path {own} to go on with it, or another folder"
                )
            return own, None
        run, origin = run_of(self.checkpoint)
        if origin is not None and origin.resolve() == (own / FOLDER / LAST).resolve():
            origin = None
        if run.resolve() != own.resolve():
            if origin is None:
                raise InputError(f"--ckpt_path: {self.checkpoint} is a run, and this one is to be {own}; give its file")
            if holds_run(own):
                raise InputError(f"{own} holds a run already; give another folder")
        return own, origin

    def _most(self, total: int) -> int:
        """Most rows at a time that the batch and the memory allow."""
        most = min(self.queue.batch or total, _share(total, self.ranks.size))
        if most >= total and total < FEW and self.queue.memory is None:
            return most
        model = rehearse(self.task, self.data, self._rehearsal_trainer, most, self.ranks.device)
        if model is None:
            return 1
        budget = self.queue.budget(self.ranks.device, self.ranks.size)
        fitting = model.fitting(budget)
        if not fitting and self.queue.memory is not None:
            raise InputError(
                f"--queue.memory: a row needs {model.bytes(1) / GIB:.2g} GiB, not {self.queue.memory:g}; "
                "give more, or smaller pictures"
            )
        return max(1, min(most, fitting))

    def _cut(self, folder: RunFolder, most: int, origin: Path | None) -> None:
        """Leaves units on the disk that together are all rows, each small enough."""
        kept = self._kept(folder) if folder.path.is_dir() else []
        begun = [unit for unit in kept if not folder.done(unit)]
        if origin is not None and not kept:
            kept = begun = [folder.whole]
        left = sum(map(len, begun)) + folder.whole.last + 1 - sum(map(len, kept))
        share = min(most, _share(left, self.ranks.size))
        parts = {unit: cut(unit, share) if unit in begun else [unit] for unit in kept}
        taken = [part for unit in kept for part in parts[unit]]
        fresh = plan(folder.whole.last + 1, taken, self.ranks.size, most)
        if [*taken, *fresh] == [folder.whole]:
            folder.make([folder.whole])
            return
        write_atomically(folder.path / NAME, self.config.encode())
        for unit in kept:
            if len(parts[unit]) > 1:
                divide(folder, unit, parts[unit], origin)
        folder.make(fresh)

    def _kept(self, folder: RunFolder) -> list[Unit]:
        """The units of a run that goes on, as far as they came."""
        for unit in folder.known():
            if folder.folder(unit) == folder.path:
                continue
            if (claim := Claim.take(folder.folder(unit), alone=self.ranks.size == 1)) is None:
                raise InputError(f"{folder.path} is being worked on by another process; stop it first")
            claim.release()
        kept = folder.clear()
        settle(folder, kept, self.trainer.max_steps)
        for unit in filter(folder.done, kept):
            steps = read_part(folder.folder(unit) / DONE).steps
            if steps > self.trainer.max_steps:
                raise InputError(f"--trainer.max_steps: {folder.path} has rows of {steps} steps; give at least that")
            if steps < self.trainer.max_steps:
                # It goes on, with the others; without a checkpoint from the start.
                (folder.folder(unit) / DONE).unlink()
        return kept

    def _unit_trainer(
        self, folder: Path, rows: list[int], unreadable: dict[int, str], callbacks: list[Callback]
    ) -> Trainer:
        own = [_fresh(callback) for callback in self.trainer.callbacks]  # type: ignore[attr-defined]
        if self.ranks.rank:
            own = [callback for callback in own if not isinstance(callback, ProgressBar)]
        for callback in own:
            if isinstance(callback, Results | History | Trajectory):
                callback.whole = False
            if isinstance(callback, Results):
                callback.unreadable = unreadable
            if isinstance(callback, StepBar) and self.folder.several:
                done = sum(len(unit) for unit in self.folder.units() if self.folder.done(unit))
                callback.note = f", {done} done"
            if isinstance(callback, Checkpoint):
                callback.dirpath = str(folder / FOLDER)
        if folder == self.folder.path:
            # First of all, so that whatever else is there can be gone on with.
            own.insert(0, Record(folder, self.config))
        return self._trainer([*own, *callbacks], folder, self.logger(folder), self.ranks.rank == 0)

    def _rehearsal_trainer(self, rehearsal: Callback) -> Trainer:
        # What changes the problem; the others would take it for a run.
        own = [copy.copy(c) for c in self.trainer.callbacks if isinstance(c, Degrade | Average)]  # type: ignore[attr-defined]
        return self._trainer([*own, rehearsal], None, False, False, limit_train_batches=2, max_epochs=1)

    def _trainer(
        self, callbacks: list[Callback], folder: Path | None, logger: Logger | bool, bar: bool, **more: Any
    ) -> Trainer:
        """A trainer of this process's device alone."""
        device = self.ranks.device
        chosen = {"accelerator": "cuda", "devices": [device.index]} if device.type == "cuda" else {"devices": 1}
        plugins = [*(self.settings.get("plugins") or []), LightningEnvironment()]
        return _UnitTrainer(**{
            **self.settings, **chosen, "strategy": "auto", "num_nodes": 1, "plugins": plugins, "callbacks": callbacks,
            "logger": logger, "default_root_dir": folder, **more,
            "enable_progress_bar": bar and self.settings.get("enable_progress_bar") is not False,
            "enable_checkpointing": any(isinstance(callback, Checkpoint) for callback in callbacks),
        })  # fmt: skip


def _fresh(callback: Callback) -> Callback:
    """One for a unit alone; those of this package begin anew by themselves, and may hold large networks."""
    return (copy.copy if type(callback).__module__.startswith("lit_nst.callbacks") else copy.deepcopy)(callback)


def _share(rows: int, processes: int) -> int:
    """Rows of each process, an even number."""
    return max(2, 2 * -(-rows // (2 * processes)))


def _check_writable(path: Path) -> None:
    """Refuses a folder that cannot be made or written, before any step is computed."""
    there = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    if not there.is_dir():
        raise InputError(f"{path} cannot be made, since {there} is a file; give another --trainer.logger.init_args")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"{path} cannot be written: {there} is read-only for this user")
