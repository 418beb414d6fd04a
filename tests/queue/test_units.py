import itertools
import math
import time
import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lit_nst.errors import InputError
from lit_nst.queue.units import Unit, cut, halves, plan, standing, turn


def sizes(units):
    return [len(unit) for unit in units]


def units(*ends):
    return [Unit(first, last) for first, last in zip(ends[::2], ends[1::2], strict=True)]


def test_names_are_in_order_of_rows_and_read_back():
    some = units(0, 1, 2, 15, 16, 99, 100, 99999, 100000, 999999)
    assert sorted(unit.name for unit in some) == [unit.name for unit in some]
    for unit in [*some, Unit(7, 12345678)]:
        assert Unit.parse(unit.name) == unit
    assert Unit(7, 12345678).name == "rows_000007-12345678"
    assert Unit.parse("rows_3-15") == Unit(3, 15)
    assert list(Unit(3, 5).rows) == [3, 4, 5]


@pytest.mark.parametrize(
    "name",
    ["rows_000016-000015", "rows_000000", "rows_-1-000003", "rows_0-3.old", "xrows_0-3", "rows_٠-٣", "", "results",
     "rows_0-3\n", "rows_0-" + 5000 * "9", "rows_" + 5000 * "9" + "-0"],
)  # fmt: skip
def test_other_folders_are_no_units(name):
    assert Unit.parse(name) is None


@pytest.mark.parametrize("ends", [(1, 0), (-1, 3)])
def test_a_unit_has_rows(ends):
    with pytest.raises(ValueError, match="no rows"):
        Unit(*ends)


@pytest.mark.parametrize(
    ("total", "processes", "batch", "expected"),
    [
        (500, 2, 64, [64, 64, *[62] * 6]),
        (7, 2, 64, [4, 3]),
        (3, 4, 64, [2, 1]),
        (1, 4, 64, [1]),
        (0, 4, 64, []),
        (5, 1, 64, [5]),
        (3, 1, 1, [1, 1, 1]),
        (7, 1, 3, [2, 2, 2, 1]),
        (9, 4, 64, [4, 2, 2, 1]),
        (10, 4, 2, [2, 2, 2, 2, 2]),
        (64, 4, 64, [16, 16, 16, 16]),
    ],
)
def test_plans(total, processes, batch, expected):
    assert sizes(plan(total, [], processes, batch)) == expected


def test_gaps_between_units_are_planned_together():
    taken = units(96, 99, 0, 31, 40, 40)
    assert plan(100, taken, processes=1, batch=64) == units(32, 39, 41, 95)
    # The largest gap is cut for the second process.
    assert plan(101, taken, processes=2, batch=64) == units(32, 39, 41, 68, 69, 95, 100, 100)
    assert plan(41, units(0, 40), processes=2, batch=8) == []
    # Also where some are parts of others.
    assert plan(41, units(0, 31, 0, 7), processes=2, batch=64) == units(32, 37, 38, 40)


def spans(flags):
    """Units of the runs of equal neighbours among some flags, by flag."""
    found, first = {True: [], False: []}, 0
    for flag, run in itertools.groupby(flags):
        last = first + len(list(run)) - 1
        found[flag].append(Unit(first, last))
        first = last + 1
    return found


@settings(max_examples=150, deadline=None)
@given(st.lists(st.booleans(), max_size=70), st.integers(1, 9), st.integers(1, 20))
@example([False, True] * 20 + [False] * 7, 4, 6)
def test_every_plan_is_even_and_balanced(flags, processes, batch):
    own = spans(flags)
    planned = plan(len(flags), own[True], processes, batch)
    assert planned == sorted(planned)
    assert sorted(itertools.chain(*(unit.rows for unit in planned))) == [i for i, flag in enumerate(flags) if not flag]
    grain = 1 if batch == 1 else 2
    most, fewest, grains = (batch // grain) * grain, 0, 0
    for gap in own[False]:
        inside = sizes([unit for unit in planned if unit.first in gap.rows])
        assert sum(inside) == len(gap)
        assert max(inside) <= most
        whole = [math.ceil(size / grain) for size in inside]
        assert max(whole) - min(whole) <= 1
        if batch > 1:
            assert all(size % 2 == 0 for size in inside[:-1])
            assert inside[-1] % 2 == len(gap) % 2
        fewest, grains = fewest + math.ceil(math.ceil(len(gap) / grain) * grain / most), grains + sum(whole)
    wanted = math.ceil(fewest / processes) * processes
    assert len(planned) == min(wanted, grains)


def test_a_million_rows_are_planned_in_no_time_and_little_memory():
    begun = time.process_time()
    tracemalloc.start()
    try:
        planned = plan(10**6, [], processes=8, batch=64)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(planned) == 15632
    assert peak < 5e6
    every_other = [Unit(row, row) for row in range(0, 40_000, 2)]
    assert len(plan(10**5, every_other, processes=64, batch=1)) == 80_000
    assert time.process_time() - begun < 5


def test_bad_plans_are_refused():
    with pytest.raises(InputError, match=r"^--queue.batch is 0; give 1 or more rows$"):
        plan(4, [], 1, 0)
    with pytest.raises(InputError, match=r"^rows_000002-000004 is a unit of another run, this one has 4 row"):
        plan(4, units(2, 4), 1, 2)
    with pytest.raises(InputError, match=r"^--queue.batch is 0"):
        cut(Unit(0, 0), 0)


STANDING = {
    "alone": ((0, 15), (0, 15)),
    "split": ((0, 15, 0, 7, 8, 15), (0, 7, 8, 15)),
    "half of it lacks": ((0, 15, 8, 15), (0, 15)),
    "its end lacks": ((0, 15, 0, 7), (0, 15)),
    "a hole": ((0, 15, 0, 7, 9, 15), (0, 15)),
    "deeper": ((0, 15, 0, 7, 8, 15, 8, 11, 12, 15), (0, 7, 8, 11, 12, 15)),
    "deeper garbage": ((0, 15, 0, 7, 8, 15, 8, 11), (0, 7, 8, 15)),
    "garbage of garbage": ((0, 15, 0, 7, 0, 3, 4, 7), (0, 15)),
    "the middle lacks but its parts are there": ((0, 15, 0, 3, 4, 7, 8, 15), (0, 3, 4, 7, 8, 15)),
    "neighbours": ((16, 31, 0, 15, 16, 23, 24, 31), (0, 15, 16, 23, 24, 31)),
    "twice": ((0, 3, 0, 3, 4, 7), (0, 3, 4, 7)),
    "holes between": ((0, 3, 8, 11), (0, 3, 8, 11)),
    "none": ((), ()),
}


@pytest.mark.parametrize("name", STANDING)
def test_nested_units_count_where_they_cover_the_larger_one(name):
    given_, expected = (units(*ends) for ends in STANDING[name])
    assert standing(given_) == expected
    assert standing(reversed(given_)) == expected


def by_hand(some):
    """The same rule, from its words."""
    outer = [unit for unit in some if not any(unit != other and set(unit.rows) <= set(other.rows) for other in some)]
    found = []
    for unit in sorted(outer):
        inner = by_hand([other for other in some if other != unit and set(other.rows) <= set(unit.rows)])
        covered = sorted(itertools.chain(*(part.rows for part in inner))) == list(unit.rows)
        found += inner if covered else [unit]
    return found


@st.composite
def nests(draw, first=0, last=31):
    """A unit with some of the parts of a cut of it, at any depth."""
    found = [Unit(first, last)] if draw(st.booleans()) else []
    if first < last and draw(st.booleans()):
        middle = draw(st.integers(first, last - 1))
        found += [*draw(nests(first, middle)), *draw(nests(middle + 1, last))]
    return found


@settings(max_examples=200, deadline=None)
@given(nests())
def test_standing_is_the_rule_at_any_depth(some):
    assert standing(some) == by_hand(set(some))


def test_a_nest_may_be_deep():
    deep = [Unit(0, last) for last in range(5000)]
    assert standing(deep) == [Unit(0, 4999)]
    assert standing([*deep, *(Unit(last, last) for last in range(5000))]) == [Unit(i, i) for i in range(5000)]


@pytest.mark.parametrize("ends", [(0, 7, 4, 11), (0, 15, 0, 7, 4, 11), (0, 3, 3, 6), (0, 7, 2, 5, 4, 6)])
def test_units_that_overlap_are_refused(ends):
    with pytest.raises(InputError, match=r"^rows_\S+ and rows_\S+ share rows, .*; remove the folder of one$"):
        standing(units(*ends))


@pytest.mark.parametrize(
    ("size", "expected"), [(2, [1, 1]), (3, [2, 1]), (4, [2, 2]), (5, [4, 1]), (6, [4, 2]), (7, [4, 3]), (64, [32, 32])]
)
def test_halves(size, expected):
    first, second = halves(Unit(11, 10 + size))
    assert sizes([first, second]) == expected
    assert (first.first, first.last + 1, second.last) == (11, second.first, 10 + size)


def test_a_single_row_has_no_halves():
    with pytest.raises(ValueError, match="rows_000003-000003 is a single row"):
        halves(Unit(3, 3))


@pytest.mark.parametrize(
    ("size", "batch", "expected"), [(16, 6, [6, 6, 4]), (5, 8, [5]), (5, 5, [5]), (5, 4, [4, 1]), (3, 1, [1, 1, 1])]
)
def test_cut(size, batch, expected):
    for first in (0, 16):
        parts = cut(Unit(first, first + size - 1), batch)
        assert sizes(parts) == expected
        assert list(itertools.chain(*(part.rows for part in parts))) == list(range(first, first + size))


def test_every_process_tries_its_own_units_first_and_then_all_others():
    some = [Unit(row, row) for row in range(7)]
    turns = [turn(some, rank, 3) for rank in range(3)]
    assert [[unit.first for unit in own[:3]] for own in turns] == [[0, 3, 6], [1, 4, 6], [2, 5, 6]]
    assert all(sorted(own) == some for own in turns)
    assert [unit.first for unit in turns[0][3:]] == [5, 4, 2, 1]
    assert turn([], 0, 2) == []
