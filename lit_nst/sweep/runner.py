"""The cells, one after the other, in each process."""

import contextlib
import gc
import json
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lightning.fabric.utilities import rank_zero
from lightning.fabric.utilities.exceptions import MisconfigurationException

from lit_nst.errors import InputError
from lit_nst.parallel import Ranks
from lit_nst.parallel.launcher import PARENT
from lit_nst.report import human_time
from lit_nst.sweep.axis import Option
from lit_nst.sweep.folder import CELLS, FIGURES, RESULTS, is_done
from lit_nst.sweep.halt import INTERRUPTED, TERMINATED, Halt, Stopped
from lit_nst.sweep.plan import Cell, Plan
from lit_nst.sweep.processes import Processes
from lit_nst.sweep.turns import Turns

Fit = Callable[[list[str]], Any]
# What a run exits with that left out pictures which cannot be read.
LEFT_OUT = 3
# By these Lightning knows that it is one of several processes.
CLUSTER = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT", PARENT)
CLUSTERS = ("GROUP_", "ROLE_", "TORCHELASTIC_", "SLURM_", "JSM_NAMESPACE_")


def run_cells(plan: Plan, folder: Path, fit: Fit, ranks: Ranks, processes: Processes) -> None:
    """Runs what is not finished yet; a run that was stopped goes on.

    Each process runs one cell at a time, as a run of one process. The first one returns when all are done.

    Args:
        plan: Has the cells.
        folder: Of the sweep.
        fit: Runs a command line.
        ranks: The processes.
        processes: What the command line says of them.

    Raises:
        InputError: A cell that refuses its options, in whatever process; those before it stay.
        SystemExit: With status 130 after Ctrl-C, 143 after SIGTERM; in the other processes with 2 after bad input.
    """
    cells = plan.cells()
    progress, turns = _Progress(cells, folder), Turns(cells, folder, ranks)
    if progress.before and ranks.rank == 0:
        _say(f"{progress.before} of {len(cells)} cells were finished before")
    # The modules stay: the search for what a cell left behind need not look at them.
    gc.freeze()
    try:
        with Halt(ranks, folder) as halt:
            for cell, claim in turns:
                with claim:
                    start = time.perf_counter()
                    _finish(folder, cell, fit, processes.options(plan, cell, ranks.device))
                    progress.say(cell, time.perf_counter() - start)
                halt.check()
    finally:
        gc.unfreeze()
    if ranks.rank == 0 and ranks.size > 1:
        turns.close()


def left_out(plan: Plan, folder: Path) -> int:
    """How many rows of all cells were left out, since their pictures cannot be read."""
    records = [json.loads((folder / CELLS / cell.name / FIGURES).read_bytes()) for cell in plan.cells()]
    return sum(len(record.get("unreadable", [])) for record in records)


class _Progress:
    """A line for every cell; the other processes' cells count."""

    def __init__(self, cells: Sequence[Cell], folder: Path) -> None:
        self.cells, self.folder, self.begin = cells, folder, time.perf_counter()
        self.before = self._done()
        self.width = max(len(cell.name) for cell in cells)

    def say(self, cell: Cell, seconds: float) -> None:
        """Says that a cell is done, and how long the others will take."""
        done, total, spent = self._done(), len(self.cells), time.perf_counter() - self.begin
        rest = spent / (done - self.before) * (total - done)
        left = f"{human_time(rest)} left" if rest else f"{human_time(spent)} in all"
        counted = f"{self.cells.index(cell) + 1:>{len(str(total))}} of {total}"
        _say(f"{counted}   {cell.name:<{self.width}}   {human_time(seconds):>11}   {left}")

    def _done(self) -> int:
        return sum(is_done(self.folder, cell) for cell in self.cells)


def _finish(folder: Path, cell: Cell, fit: Fit, place: Sequence[Option]) -> None:
    _run(folder, cell, place, fit)
    if not is_done(folder, cell):
        raise InputError(f"cell {cell.name}: its run left no {FIGURES}; give no option that leaves it out")


def arguments(folder: Path, cell: Cell, place: Sequence[Option] = ()) -> list[str]:
    """The command line of a cell's run.

    Args:
        folder: Of the sweep.
        cell: The cell.
        place: What puts it on a device.
    """
    home = folder / CELLS
    logger = {"save_dir": str(home), "name": cell.name, "version": "."}
    options = [(key, _filled(value, cell, home)) for key, value in cell.options]
    options += [("trainer.num_nodes", "1"), *place]
    options += ((f"trainer.logger.init_args.{key}", value) for key, value in logger.items())
    if (home / cell.name).is_dir():
        # It goes on with whatever is there, or begins where that is nothing of a run.
        options.append(("ckpt_path", "last"))
    configs = [text for path in cell.configs for text in ("--config", str(path))]
    return ["fit", *configs, *(f"--{key}={value}" for key, value in options)]


def _filled(text: str, cell: Cell, home: Path) -> str:
    """An option with the results folders of other arms' cells in it."""
    for arm, source in cell.sources.items():
        text = text.replace(f"{{arm:{arm}}}", (home / source / RESULTS).as_posix())
    return text


def _run(folder: Path, cell: Cell, place: Sequence[Option], fit: Fit) -> None:
    try:
        with _isolated():
            fit(arguments(folder, cell, place))
    except (InputError, MisconfigurationException, OSError) as error:
        raise InputError(f"cell {cell.name}: {error}") from error
    except (KeyboardInterrupt, SystemExit) as error:
        if isinstance(error, SystemExit) and error.code == LEFT_OUT and is_done(folder, cell):
            return
        # Lightning turns Ctrl-C during a run into an exit.
        raise Stopped(TERMINATED if _is_sigterm(error) else INTERRUPTED, cell.name) from error
    except BaseException as error:
        error.add_note(f"This was in cell {cell.name}.")
        raise


def _is_sigterm(error: BaseException) -> bool:
    """Whether a run was ended by SIGTERM: Lightning's exception for it has no status."""
    return isinstance(error, SystemExit) and error.code in (None, TERMINATED)


@contextlib.contextmanager
def _isolated() -> Iterator[None]:
    """A run knows nothing of the other processes, and nothing that it leaves behind reaches the next one.

    This holds for the environment, warnings, handlers of signals and memory.
    """
    logged: Any = rank_zero.rank_zero_only
    before, rank = dict(os.environ), logged.rank
    main = threading.current_thread() is threading.main_thread()
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name) and main]
    handlers = {number: signal.getsignal(number) for number in numbers}
    for name in before:
        if name in CLUSTER or name.startswith(CLUSTERS):
            del os.environ[name]
    logged.rank = 0
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "LightningCLI's args parameter")
            warnings.filterwarnings("ignore", "The `srun` command is available")
            yield
    finally:
        logged.rank = rank
        os.environ.clear()
        os.environ.update(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        # Trainer, task and loops know each other: the counter alone would keep every cell's network.
        gc.collect()


def _say(line: str) -> None:
    """One write: the processes share the output."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
