"""How the rows of a run are cut into units."""

import heapq
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lit_nst.errors import InputError

NAME = re.compile(r"rows_([0-9]{1,18})-([0-9]{1,18})")


@dataclass(frozen=True, order=True, slots=True)
class Unit:
    """Neighbouring rows that are computed together, in a folder of their own.

    Args:
        first: Number of its first row.
        last: Number of its last row, which belongs to it.

    Raises:
        ValueError: No rows.

    >>> unit = Unit(0, 15)
    >>> unit.name, len(unit), Unit.parse("rows_000016-000031")
    ('rows_000000-000015', 16, Unit(first=16, last=31))
    """

    first: int
    last: int

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.last:
            raise ValueError(f"a unit from row {self.first} to row {self.last} has no rows")

    def __len__(self) -> int:
        return self.last - self.first + 1

    @property
    def rows(self) -> range:
        """The numbers of its rows."""
        return range(self.first, self.last + 1)

    @property
    def name(self) -> str:
        """Name of its folder; up to a million rows, names in order of text are in order of rows."""
        return f"rows_{self.first:06d}-{self.last:06d}"

    @classmethod
    def parse(cls, name: str) -> "Unit | None":
        """The unit of a name with any number of digits; None: it is no unit's name."""
        found = NAME.fullmatch(name)
        first, last = (int(number) for number in found.groups()) if found else (0, -1)
        return cls(first, last) if first <= last else None


def standing(units: Iterable[Unit]) -> list[Unit]:
    """The units that count, in order of rows, where some are parts of others.

    Units inside another one take its place if they cover it without a gap. Otherwise it counts, and they are what is
    left of a split that was not finished. So it is at every depth.

    Raises:
        InputError: Two units share rows, and neither is inside the other.

    >>> [unit.name for unit in standing([Unit(0, 15), Unit(0, 7), Unit(8, 15), Unit(8, 11)])]
    ['rows_000000-000007', 'rows_000008-000015']
    """
    found: list[Unit] = []
    # Of every unit that the current one is inside of: where its parts begin in ``found``, its first row without one.
    around: list[tuple[Unit, int, int]] = []

    def close() -> None:
        unit, begin, reached = around.pop()
        if reached <= unit.last:
            found[begin:] = [unit]
        if around and around[-1][2] == unit.first:
            around[-1] = (*around[-1][:2], unit.last + 1)

    for unit in sorted(set(units), key=lambda unit: (unit.first, -unit.last)):
        while around and around[-1][0].last < unit.first:
            close()
        if around and around[-1][0].last < unit.last:
            raise InputError(
                f"{around[-1][0].name} and {unit.name} share rows, and neither is a part of the other; "
                "remove the folder of one"
            )
        around.append((unit, len(found), unit.first))
    while around:
        close()
    return found


def plan(total: int, taken: Sequence[Unit], processes: int, batch: int) -> list[Unit]:
    """Units for the rows that no unit has yet, in order of rows.

    As few as the batch allows, and then as many more as make their number a multiple of that of the processes, where
    there are rows enough: processes that start together then end together. Their sizes are even and differ by at most
    two in a gap. Convolutions agree on any even number of images alone, so a lone row is computed as two: three rows
    for four processes are units of two and of one, which end when three units of one would, for two thirds of the work.

    Args:
        total: Rows of the run.
        taken: Units that are there already, in any order.
        processes: How many processes compute units at a time.
        batch: Most rows of a unit. An odd one counts as the even number below it, but for 1: the units are then of one
            row.

    Returns:
        Units that never are of an odd size, but for the last one in a gap of an odd number of rows.

    Raises:
        InputError: A batch below 1, or a unit with rows that the run does not have.

    >>> [len(unit) for unit in plan(500, [], processes=2, batch=64)]
    [64, 64, 62, 62, 62, 62, 62, 62]
    >>> plan(7, [Unit(2, 3)], processes=1, batch=64)
    [Unit(first=0, last=1), Unit(first=4, last=6)]
    """
    if batch < 1:
        raise InputError(f"--queue.batch is {batch}; give 1 or more rows")
    gaps = list(_gaps(total, taken))
    grain, most = (2, batch // 2) if batch > 1 else (1, 1)
    grains = [math.ceil(len(gap) / grain) for gap in gaps]
    counts = [math.ceil(number / most) for number in grains]
    wanted = math.ceil(sum(counts) / processes) * processes
    if wanted > sum(grains):
        counts = grains
    else:
        _add(counts, grains, wanted - sum(counts))
    return [unit for gap, count in zip(gaps, counts, strict=True) for unit in _shares(gap, count, grain)]


def halves(unit: Unit) -> list[Unit]:
    """Two units of its rows; the first one is of an even size but where there are only two rows.

    Raises:
        ValueError: A single row.
    """
    if len(unit) == 1:
        raise ValueError(f"{unit.name} is a single row, which has no halves")
    return list(_shares(unit, 2, 2 if len(unit) > 2 else 1))


def cut(unit: Unit, batch: int) -> list[Unit]:
    """Units of its rows as ``plan`` makes them for one process; itself where it is small enough.

    Raises:
        InputError: A batch below 1.
    """
    before = [Unit(0, unit.first - 1)] if unit.first else []
    return [unit] if len(unit) <= batch else plan(unit.last + 1, before, processes=1, batch=batch)


def turn(units: Sequence[Unit], rank: int, size: int) -> list[Unit]:
    """All units in the order in which a process tries them: each ``size``-th one, from its rank on, then the others.

    The others from the last to the first, since the processes that they belong to come to the last ones last.

    >>> [unit.first for unit in turn([Unit(row, row) for row in range(6)], rank=1, size=2)]
    [1, 3, 5, 4, 2, 0]
    """
    others = [unit for number, unit in enumerate(units) if number % size != rank]
    return [*units[rank::size], *others[::-1]]


def _gaps(total: int, taken: Iterable[Unit]) -> Iterator[Unit]:
    """The rows between units, each run of them as one."""
    reached = 0
    for unit in sorted(taken):
        if unit.last >= total:
            raise InputError(f"{unit.name} is a unit of another run, this one has {total} row(s); use another folder")
        if unit.first > reached:
            yield Unit(reached, unit.first - 1)
        reached = max(reached, unit.last + 1)
    if reached < total:
        yield Unit(reached, total - 1)


def _add(counts: list[int], grains: Sequence[int], more: int) -> None:
    """Cuts some gaps into one unit more each, always the gap that has the largest ones."""
    largest = [(-number / count, gap) for gap, (number, count) in enumerate(zip(grains, counts, strict=True))]
    heapq.heapify(largest)
    for _ in range(more):
        _, gap = largest[0]
        counts[gap] += 1
        heapq.heapreplace(largest, (-grains[gap] / counts[gap], gap))


def _shares(unit: Unit, count: int, grain: int) -> Iterator[Unit]:
    """Its rows as units of whole grains, but for the last one; the larger ones come first."""
    each, larger = divmod(math.ceil(len(unit) / grain), count)
    first = unit.first
    for number in range(count):
        after = min(first + grain * (each + (number < larger)), unit.last + 1)
        yield Unit(first, after - 1)
        first = after
