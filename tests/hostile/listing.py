"""The list of all cases and what is printed: ``python -m tests.hostile.listing [AREA [WORDS]]``."""

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TypeVar

import torch

from tests.hostile.case import CANARY, Case, Outcome, check, run, tree
from tests.hostile.kit import furnish, lend

T = TypeVar("T")
AREAS = ("images", "masks", "configs", "checkpoints", "generators", "prompts", "latents")


def main(words: list[str]) -> None:
    """Prints a line per case; those whose check fails begin with ``!``."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        kit = furnish(Path(temporary, "kit"))
        for area in AREAS if not words else words[:1]:
            for case in import_module(f"tests.hostile.test_{area}").CASES:
                if all(word in case.name for word in words[1:]):
                    print(_told(f"{area}: {case.name}", case, kit, Path(temporary, "place")), flush=True)


def _told(name: str, case: Case, kit: Path, folder: Path) -> str:
    wrong = ""
    try:
        outcome = _fresh(kit, folder, lambda: check(case, folder))
    except AssertionError as error:
        wrong = f"\n    ! {' '.join(str(error).split())[:400]}"
        outcome, after = _fresh(kit, folder, lambda: _loose(case, folder))
        wrong += f"\n    ! {after}"
    line = outcome.err.strip().encode("ascii", "backslashreplace").decode() if wrong else outcome.err.strip()
    return f"{'!' if wrong else ' '} {name} → {line[:700]} ({outcome.status}, {outcome.seconds:.2f} s){wrong}"


def _loose(case: Case, folder: Path) -> tuple[Outcome, str]:
    """The same without assertions."""
    case.make(folder)
    before = tree(folder)
    outcome = run(case.line)
    left = sorted(set(tree(folder)) ^ set(before))[:9]
    ran = (folder / CANARY).exists()
    return (
        outcome,
        f"left {left}, warned {outcome.told}, out {outcome.out[:200]!r}, {outcome.bytes >> 20} MiB, ran {ran}",
    )


def _fresh(kit: Path, folder: Path, work: Callable[[], T]) -> T:
    lend(kit, folder)
    try:
        with contextlib.chdir(folder):
            return work()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
