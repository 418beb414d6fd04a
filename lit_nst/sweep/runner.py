"""The cells, one after the other."""

import contextlib
import gc
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException

from lit_nst.errors import InputError
from lit_nst.report import human_time
from lit_nst.sweep.folder import CELLS
from lit_nst.sweep.plan import Cell, Plan

FIGURES, RESULTS = "metrics.json", "results"
INTERRUPTED = 130


def run_cells(plan: Plan, folder: Path, fit: Callable[[list[str]], Any]) -> None:
    """Runs what is not finished yet; a run that was stopped goes on from its checkpoint.

    Args:
        plan: Has the cells.
        folder: Of the sweep.
        fit: Runs a command line.

    Raises:
        InputError: A cell that refuses its options; those before it stay.
        SystemExit: With status 130, after Ctrl-C.
    """
    cells = plan.cells()
    waiting = [(number, cell) for number, cell in enumerate(cells, 1) if not is_done(folder, cell)]
    if len(waiting) < len(cells):
        _say(f"{len(cells) - len(waiting)} of {len(cells)} cells were finished before")
    width, begin = max(len(cell.name) for cell in cells), time.perf_counter()
    # The modules stay: the search for what a cell left behind need not look at them.
    gc.freeze()
    try:
        for turn, (number, cell) in enumerate(waiting, 1):
            start = time.perf_counter()
            _finish(folder, cell, fit)
            now = time.perf_counter()
            rest = (now - begin) / turn * (len(waiting) - turn)
            left = f"{human_time(rest)} left" if rest else f"{human_time(now - begin)} in all"
            counted = f"{number:>{len(str(len(cells)))}} of {len(cells)}"
            _say(f"{counted}   {cell.name:<{width}}   {human_time(now - start):>11}   {left}")
    finally:
        gc.unfreeze()


def _finish(folder: Path, cell: Cell, fit: Callable[[list[str]], Any]) -> None:
    checkpoint = checkpoint_of(folder, cell)
    begun = checkpoint.is_file()
    _run(cell, arguments(folder, cell), fit)
    if begun and not is_done(folder, cell):
        # It was stopped after its last step and before its figures: no step is left that would lead to them.
        checkpoint.unlink()
        _run(cell, arguments(folder, cell), fit)
    if not is_done(folder, cell):
        raise InputError(f"cell {cell.name}: its run left no {FIGURES}; give no option that leaves it out")


def is_done(folder: Path, cell: Cell) -> bool:
    """Whether a cell's run came to its end: its figures are written last, and in one step."""
    return (folder / CELLS / cell.name / FIGURES).is_file()


def checkpoint_of(folder: Path, cell: Cell) -> Path:
    """Where a cell's run leaves its last checkpoint."""
    return folder / CELLS / cell.name / "checkpoints" / "last.ckpt"


def arguments(folder: Path, cell: Cell) -> list[str]:
    """The command line of a cell's run."""
    home = folder / CELLS
    place = {"save_dir": str(home), "name": cell.name, "version": "."}
    options = [(key, _filled(value, cell, home)) for key, value in cell.options]
    options += ((f"trainer.logger.init_args.{key}", value) for key, value in place.items())
    if (checkpoint := checkpoint_of(folder, cell)).is_file():
        options.append(("ckpt_path", str(checkpoint)))
    configs = [text for path in cell.configs for text in ("--config", str(path))]
    return ["fit", *configs, *(f"--{key}={value}" for key, value in options)]


def _filled(text: str, cell: Cell, home: Path) -> str:
    """An option with the results folders of other arms' cells in it."""
    for arm, source in cell.sources.items():
        text = text.replace(f"{{arm:{arm}}}", (home / source / RESULTS).as_posix())
    return text


def _run(cell: Cell, args: list[str], fit: Callable[[list[str]], Any]) -> None:
    try:
        with _isolated():
            fit(args)
    except (InputError, MisconfigurationException, OSError) as error:
        raise InputError(f"cell {cell.name}: {error}") from error
    except (KeyboardInterrupt, SystemExit) as error:
        # Lightning turns Ctrl-C during a run into an exit.
        print(f"\nstopped in cell {cell.name}; the same command goes on from there", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from error
    except BaseException as error:
        error.add_note(f"This was in cell {cell.name}.")
        raise


@contextlib.contextmanager
def _isolated() -> Iterator[None]:
    """Nothing that a run leaves behind, in the environment, in warnings or in memory, reaches the next one."""
    before = dict(os.environ)
    handler = signal.getsignal(signal.SIGINT) if threading.current_thread() is threading.main_thread() else None
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "LightningCLI's args parameter")
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
        # Trainer, task and loops know each other: the counter alone would keep every cell's network.
        gc.collect()


def _say(line: str) -> None:
    print(line, flush=True)
