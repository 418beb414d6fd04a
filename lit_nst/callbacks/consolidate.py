"""Parts of a run → one."""

import contextlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lit_nst.callbacks.layout import COMPOSITE, RESULTS, chooses, free_names, pictures_of, row_names
from lit_nst.callbacks.part import Part, read_part
from lit_nst.callbacks.sheets import Line, lines_of
from lit_nst.errors import InputError


@dataclass
class Union:
    """What several parts hold: row → what is known of it.

    Attributes:
        homes: The folder of the fit that computed it.
        figures: As in ``Part``.
        lines: The pictures that the sheet may show.
        w: Where it is a latent.
        unreadable: Why it was left out.
        steps: That the longest fit ended at.
        done: That all of them did, added up.
        most: That one of them did, at most.
        seconds: That they took, one after the other.
    """

    homes: dict[int, Path] = field(default_factory=dict)
    figures: dict[int, dict[str, Any]] = field(default_factory=dict)
    lines: dict[int, Line] = field(default_factory=dict)
    w: dict[int, Tensor] = field(default_factory=dict)
    unreadable: dict[int, str] = field(default_factory=dict)
    steps: int = 0
    done: int = 0
    most: int = 0
    seconds: float = 0.0

    @classmethod
    def of(cls, paths: Sequence[Path]) -> "Union":
        """Reads the parts, one after the other.

        Raises:
            InputError: A damaged file, or a row in two of them.
        """
        union = cls()
        for path in paths:
            part = read_part(path)
            if twice := set(part.rows) & set(union.homes):
                raise InputError(f"{path}: row {min(twice)} is in {union.homes[min(twice)]} too; remove one of the two")
            union._add(part, path.parent)
        return union

    def _add(self, part: Part, home: Path) -> None:
        self.homes |= dict.fromkeys(part.rows, home)
        self.figures |= dict(zip(part.rows, part.figures, strict=True))
        self.lines |= lines_of(part)
        if "w" in part.tensors:
            self.w |= dict(zip(part.rows, part.tensors["w"], strict=True))
        self.unreadable |= part.unreadable
        self.steps, self.done = max(self.steps, part.steps), self.done + part.steps - part.first
        self.most = max(self.most, part.steps - part.first)
        self.seconds += part.seconds


@dataclass
class Kept:
    """The rows of the results, in the order of the grid.

    Attributes:
        rows: Their numbers.
        names: Of their pictures.
        figures: As ``metrics.json`` has them.
        unreadable: Name and reason of each one that was left out.
    """

    rows: list[int]
    names: list[str]
    figures: list[dict[str, Any]]
    unreadable: list[dict[str, str]]


def keep_rows(task: Any, union: Union) -> Kept:
    """All rows, or of the restarts of each problem the one of the lowest loss.

    Raises:
        InputError: A row that no part has, nor tells why.
    """
    known, total = union.figures, len(task.grid)
    missing = [row for row in range(total) if row not in known and row not in union.unreadable]
    if missing:
        told = ", ".join(row_names(task)[row] for row in missing[:3]) + (" …" if len(missing) > 3 else "")
        raise InputError(f"{len(missing)} of {total} rows were not computed ({told}); go on with the run")
    rows, names = list(range(total)), row_names(task)
    if chooses(task):
        rows = task.grid.best([known[row]["loss"] if row in known else math.inf for row in rows])
        names = free_names(task.grid.names(task.role_names, rows))
    kept = Kept([], [], [], [])
    for row, name in zip(rows, names, strict=True):
        if row not in known:
            kept.unreadable.append({"name": name, "reason": union.unreadable[row]})
            continue
        kept.rows.append(row)
        kept.names.append(name)
        kept.figures.append({**known[row], "name": name, **_restarts(task, known, row)})
    return kept


def _restarts(task: Any, known: Mapping[int, dict[str, Any]], row: int) -> dict[str, list[float | None]]:
    """The losses of a row's problem, of which its own is the lowest; none where all rows are kept."""
    if not chooses(task):
        return {}
    start, count = row - row % task.search.restarts, task.search.restarts
    return {"restart_losses": [known[r]["loss"] if r in known else None for r in range(start, start + count)]}


def move_pictures(task: Any, union: Union, kept: Kept, folder: Path) -> None:
    """Moves the pictures of the rows into one folder and removes those of the other restarts.

    What an earlier call has moved is left as it is.

    Raises:
        InputError: A picture that is in neither folder.
    """
    old, new = row_names(task), dict(zip(kept.rows, kept.names, strict=True))
    for row, home in union.homes.items():
        for kind in (".", COMPOSITE):
            source = pictures_of(task, home) / kind / f"{old[row]}.png"
            if row not in new:
                source.unlink(missing_ok=True)
                continue
            target = folder / RESULTS / kind / f"{new[row]}.png"
            if source.is_file() and source != target:
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(source, target)
            elif kind == "." and not target.is_file():
                raise InputError(f"{source} is missing; remove {home} to have its rows computed again")
    for home in set(union.homes.values()) if chooses(task) else ():
        for left in (pictures_of(task, home) / COMPOSITE, pictures_of(task, home)):
            with contextlib.suppress(OSError):
                left.rmdir()


def record(task: Any, union: Union, kept: Kept) -> dict[str, Any]:
    """What ``metrics.json`` holds."""
    first = kept.figures[0] if kept.figures else {}
    told = {
        "task": type(task).__name__,
        "steps": union.steps,
        "seconds": round(union.seconds, 3),
        "steps_per_second": round(union.done / max(union.seconds, 1e-9), 3),
        "generator_sha256": task.generator.digest,
        "rows": kept.figures,
        "mean": {
            key: float(np.mean([row[key] for row in kept.figures]))
            for key, value in first.items()
            if isinstance(value, float)
        },
    }
    return {**told, "unreadable": kept.unreadable} if kept.unreadable else told


def latents(union: Union, kept: Kept) -> Tensor | None:
    """``w`` of the rows; None where it is no latent."""
    return torch.stack([union.w[row] for row in kept.rows]) if union.w else None
