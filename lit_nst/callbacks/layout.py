"""Names of the rows' pictures, and where they are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESERVED = ("comparison", "trajectory")
RESULTS, COMPOSITE, RESTARTS = "results", "composite", "restarts"


def chooses(task: Any) -> bool:
    """Whether of several restarts one is kept."""
    return bool(task.search.keep == "best" and task.search.restarts > 1)


def row_names(task: Any) -> list[str]:
    """The name of every row, before restarts are chosen from."""
    return free_names(task.names)


def pictures_of(task: Any, folder: Path) -> Path:
    """Where a fit writes its rows' pictures.

    Restarts that are chosen from have a folder of their own, since one that stays may get the name of another.
    """
    return folder / RESULTS / RESTARTS if chooses(task) else folder / RESULTS


def free_names(names: Sequence[str]) -> list[str]:
    """Names of rows that leave the report's own files alone.

    >>> free_names(["a", "Comparison", "comparison_"])
    ['a', 'Comparison__', 'comparison_']
    """
    taken = {*RESERVED, *(name.casefold() for name in names)}
    free = []
    for name in names:
        if name.casefold() in RESERVED:
            while name.casefold() in taken:
                name += "_"
        free.append(name)
    return free
