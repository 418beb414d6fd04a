"""What is on the disk of a run: its units and their states."""

import contextlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lit_nst.queue.checkpoint import BATCHES, FOLDER, LAST
from lit_nst.queue.units import Unit, standing

DONE, PART = "done.safetensors", "part.safetensors"
# As ``write_atomically`` names them.
PARTIAL = f".{'[0-9a-f]' * 16}.part"


class RunFolder:
    """The folder of a run. A unit of all rows lies in it, those of parts of them in ``batches/``.

    Args:
        path: The folder.
        total: Number of all rows.
    """

    def __init__(self, path: Path, total: int) -> None:
        self.path, self.whole = path, Unit(0, total - 1)

    @property
    def several(self) -> bool:
        """Whether its rows are, or were, computed in parts."""
        return (self.path / BATCHES).is_dir()

    def known(self) -> list[Unit]:
        """Every unit with a folder, also those that were split."""
        try:
            names = os.listdir(self.path / BATCHES)
        except FileNotFoundError:
            return [self.whole]
        whole = [self.whole] if self.begun(self.whole) or self.has_results(self.whole) else []
        return [*whole, *(unit for name in names if (unit := Unit.parse(name)) is not None)]

    def units(self) -> list[Unit]:
        """The units that count, in order of rows."""
        return standing(self.known())

    def folder(self, unit: Unit) -> Path:
        """Where a unit lies."""
        inner = self.path / BATCHES / unit.name
        return self.path if unit == self.whole and not inner.is_dir() else inner

    def checkpoint(self, unit: Unit) -> Path:
        """Where its last checkpoint is, or would be."""
        return self.folder(unit) / FOLDER / LAST

    def begun(self, unit: Unit) -> bool:
        """Whether there is a step to go on from."""
        return self.checkpoint(unit).is_file()

    def has_results(self, unit: Unit) -> bool:
        """Whether its results are written."""
        return self.done(unit) or (self.folder(unit) / PART).is_file()

    def done(self, unit: Unit) -> bool:
        """Whether nothing is left to do for it."""
        return (self.folder(unit) / DONE).is_file()

    def told(self) -> dict[str, Any] | None:
        """What a run says that came to its end, of the last time that it did; None: it did not."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            told: dict[str, Any] = json.loads((self.path / "metrics.json").read_bytes())
            return {**told, "steps": int(told["steps"]), "rows": list(told["rows"])}
        return None

    def finished(self, steps: int) -> bool:
        """Whether the results of all units are there, of so many steps."""
        return (told := self.told()) is not None and told["steps"] >= steps

    def finish(self, unit: Unit) -> None:
        """Marks a unit as done."""
        os.replace(self.folder(unit) / PART, self.folder(unit) / DONE)

    def make(self, units: Sequence[Unit]) -> None:
        """Makes the folders of units that begin."""
        if list(units) == [self.whole]:
            self.path.mkdir(parents=True, exist_ok=True)
            return
        for unit in units:
            (self.path / BATCHES / unit.name).mkdir(parents=True, exist_ok=True)

    def clear(self) -> list[Unit]:
        """Takes away what has no step to go on from, and what a split left unfinished; returns what stays."""
        kept = [unit for unit in self.units() if self.begun(unit) or self.has_results(unit)]
        needed = {self.folder(unit) for unit in kept}
        # Of a unit that was split, the curves of its steps before stay.
        for unit in self.known():
            inside = any(unit.first <= own.first and own.last <= unit.last for own in kept)
            folder = self.folder(unit)
            if folder != self.path and folder not in needed and not inside:
                shutil.rmtree(folder)
        for left in (self.path / BATCHES).glob(".*"):
            shutil.rmtree(left)
        with contextlib.suppress(OSError):
            (self.path / BATCHES).rmdir()
        return kept

    def remove_units(self) -> None:
        """Takes away all units at once, and what killed processes left of files that they were writing."""
        hidden = self.path / f".{BATCHES}"
        shutil.rmtree(hidden, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            os.rename(self.path / BATCHES, hidden)
        shutil.rmtree(hidden, ignore_errors=True)
        for left in self.path.rglob(PARTIAL):
            left.unlink(missing_ok=True)
