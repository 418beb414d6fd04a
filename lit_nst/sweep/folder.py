"""Where a sweep lies: the newest folder of the same plan, or a new one."""

import json
import re
from pathlib import Path
from typing import Any

from lit_nst.files import write_atomically
from lit_nst.sweep.plan import Cell, Plan

PLAN, CELLS, CLAIMS, REFUSED = "sweep.json", "cells", ".claims", ".refused"
FIGURES, RESULTS = "metrics.json", "results"


def open_folder(plan: Plan, logs: Path) -> Path:
    """``logs/NAME/version_N``, with the plan written down as ``sweep.json``.

    Args:
        plan: What is to be run.
        logs: Folder of all runs.
    """
    versions = sorted((logs / plan.name).glob("version_*"), key=_number)
    same = [version for version in versions if _recorded(version) == json.loads(json.dumps(plan.record()))]
    if same:
        # Of a sweep that ended so.
        (same[-1] / REFUSED).unlink(missing_ok=True)
        return same[-1]
    folder = logs / plan.name / f"version_{_number(versions[-1]) + 1 if versions else 0}"
    about = {"name": plan.name, "files": [str(path) for path in plan.files], "page": plan.page}
    record = {**about, "cells": [cell.name for cell in plan.cells()], "plan": plan.record()}
    write_atomically(folder / PLAN, json.dumps(record, indent=2, ensure_ascii=False).encode())
    return folder


def is_done(folder: Path, cell: Cell) -> bool:
    """Whether a cell's run came to its end: its figures are written last, and in one step."""
    return has_figures(folder, cell.name)


def has_figures(folder: Path, name: str) -> bool:
    """As ``is_done``, of a cell by its name."""
    return (folder / CELLS / name / FIGURES).is_file()


def _number(version: Path) -> int:
    found = re.fullmatch(r"version_(\d+)", version.name)
    return int(found[1]) if found else -1


def _recorded(version: Path) -> Any:
    try:
        return json.loads((version / PLAN).read_text(encoding="utf-8"))["plan"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
