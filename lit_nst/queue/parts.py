"""A unit that becomes several."""

import os
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path

from lit_nst.callbacks import cut_history, read_part
from lit_nst.errors import InputError
from lit_nst.parallel import AtomicCheckpointIO
from lit_nst.queue.checkpoint import BATCHES, FOLDER, LAST
from lit_nst.queue.folder import PART, RunFolder
from lit_nst.queue.split import merge, rows_of, split
from lit_nst.queue.units import Unit


def divide(folder: RunFolder, unit: Unit, parts: Sequence[Unit], origin: Path | None = None) -> None:
    """Makes several units of one; each goes on from its rows of the checkpoint.

    They appear under their names when all is written: a process that is killed here leaves the unit as it was.

    Args:
        folder: Of the run.
        unit: The whole.
        parts: Units that cover it.
        origin: Checkpoint to go on from; None: the unit's own, where it has one.
    """
    origin = folder.checkpoint(unit) if origin is None and folder.begun(unit) else origin
    history, groups, states = folder.folder(unit) / "metrics.csv", [list(part.rows) for part in parts], None
    if origin is not None:
        state = AtomicCheckpointIO().load_checkpoint(origin, weights_only=True)
        known = set(rows_of(state))
        groups = [[row for row in part.rows if row in known] for part in parts]
        states = iter(split(state, [group for group in groups if group]))
    if history.is_file():
        cut_history(history, 0 if states is None else int(state["global_step"]))
    made = []
    for part, group in zip(parts, groups, strict=True):
        final = folder.path / BATCHES / part.name
        hidden = final.with_name(f".{part.name}")
        for old in (final, hidden):
            shutil.rmtree(old, ignore_errors=True)
        hidden.mkdir(parents=True)
        # Rows that could not be read have no state: their unit finds that out again.
        if states is not None and group:
            AtomicCheckpointIO().save_checkpoint(next(states), hidden / FOLDER / LAST)
        made.append((hidden, final))
    for hidden, final in made:
        os.rename(hidden, final)


def settle(folder: RunFolder, units: Sequence[Unit], steps: int) -> None:
    """Marks units as done that were stopped after their last step, between their results and the mark."""
    for unit in units:
        if folder.done(unit) or not folder.has_results(unit) or not folder.begun(unit):
            continue
        state = AtomicCheckpointIO().load_checkpoint(folder.checkpoint(unit), weights_only=True)
        if min(int(state["global_step"]), read_part(folder.folder(unit) / PART).steps) >= steps:
            folder.finish(unit)


def join(folder: RunFolder) -> None:
    """Makes one checkpoint of the last ones of all units, where they have some that can be joined."""
    paths = [folder.checkpoint(unit) for unit in folder.units()]
    states = [AtomicCheckpointIO().load_checkpoint(path, weights_only=True) for path in paths if path.is_file()]
    if not states:
        return
    try:
        whole = merge(states)
    except InputError as error:
        # An optimiser of units of one row need not keep its state by row.
        warnings.warn(f"{folder.path / FOLDER / LAST} is not written, the results are complete: {error}", stacklevel=2)
        return
    AtomicCheckpointIO().save_checkpoint(whole, folder.path / FOLDER / LAST)
