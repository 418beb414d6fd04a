"""Which process computes which cell, and when."""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from lit_nst.parallel import Claim, Ranks
from lit_nst.sweep.folder import CLAIMS, has_figures, is_done
from lit_nst.sweep.plan import Cell

PAUSE = 0.5


class Turns:
    """The cells that a process computes, in order: its own, number k for k mod W = rank, then those of the others.

    A cell is claimed, in a folder beside the cells: a run claims its own folder itself. Once a process dies its claim
    is free, and another process goes on with the cell. A cell that reads results of others comes after those.

    The first process stays until every cell is done. The others end when all that is left is held by someone, who will
    leave nothing that they would have to wait for. One process claims nothing.

    Args:
        cells: Of the plan, those that are read before those that read them.
        folder: Of the sweep.
        ranks: The processes.
    """

    def __init__(self, cells: Sequence[Cell], folder: Path, ranks: Ranks) -> None:
        self.folder, self.ranks = folder, ranks
        turns = [k % ranks.size != ranks.rank for k in range(len(cells))]
        self._left = [cell for late in (False, True) for cell, turn in zip(cells, turns, strict=True) if turn == late]

    def __iter__(self) -> Iterator[tuple[Cell, AbstractContextManager[Any]]]:
        """Cell and claim; whoever takes them releases the claim.

        Raises:
            InputError: Files cannot be locked there.
        """
        while self._left:
            if (taken := self._take()) is not None:
                yield taken
            elif self.ranks.rank and all(map(self._is_ready, self._left)):
                return
            elif self._left:
                time.sleep(PAUSE)

    def close(self) -> None:
        """After the last cell: takes the claims' folder away."""
        shutil.rmtree(self.folder / CLAIMS, ignore_errors=True)

    def _take(self) -> tuple[Cell, AbstractContextManager[Any]] | None:
        for cell in self._left:
            if is_done(self.folder, cell) or not self._is_ready(cell):
                continue
            if self.ranks.size == 1:
                return cell, nullcontext()
            if (claim := Claim.take(self.folder / CLAIMS / cell.name)) is None:
                continue
            # Another may have come to its end in between.
            if not is_done(self.folder, cell):
                return cell, claim
            claim.release()
        self._left = [cell for cell in self._left if not is_done(self.folder, cell)]
        return None

    def _is_ready(self, cell: Cell) -> bool:
        return all(has_figures(self.folder, source) for source in cell.sources.values())
