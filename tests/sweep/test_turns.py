import contextlib
from types import SimpleNamespace

import pytest

from lit_nst.errors import InputError
from lit_nst.parallel import Claim
from lit_nst.sweep import turns as module
from lit_nst.sweep.folder import CELLS, CLAIMS, FIGURES
from lit_nst.sweep.plan import Cell
from lit_nst.sweep.turns import Turns


def cells(*names, **sources):
    return [Cell(name, {}, (), (), {str(i): s for i, s in enumerate(sources.get(name, []))}) for name in names]


def turns(of, folder, rank=0, size=1):
    return Turns(of, folder, SimpleNamespace(rank=rank, size=size))


def finish(folder, name):
    (folder / CELLS / name).mkdir(parents=True, exist_ok=True)
    (folder / CELLS / name / FIGURES).touch()


def computed(own, folder):
    """The names of the cells that a process computes."""
    names = []
    for cell, claim in own:
        with claim:
            names.append(cell.name)
            finish(folder, cell.name)
    return names


@pytest.fixture
def naps(monkeypatch):
    """What happens while a process waits: each pause calls the next one."""
    later = []
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=lambda _: later.pop(0)()))
    return later


def test_one_process_goes_through_the_plan_and_claims_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(Claim, "take", None)
    finish(tmp_path, "b")
    assert computed(turns(cells(*"abcd"), tmp_path), tmp_path) == ["a", "c", "d"]
    assert [path.name for path in tmp_path.iterdir()] == [CELLS]


@pytest.mark.parametrize(("rank", "order"), [(0, "adbce"), (1, "beacd"), (2, "cabde")])
def test_own_cells_come_first_and_then_those_of_the_others(tmp_path, rank, order):
    assert "".join(computed(turns(cells(*"abcde"), tmp_path, rank, 3), tmp_path)) == order


def test_two_processes_share_the_cells(tmp_path):
    of = cells(*"abcde")
    first, second = (iter(turns(of, tmp_path, rank, 2)) for rank in range(2))
    (one, held), (two, other) = next(first), next(second)
    assert (one.name, two.name) == ("a", "b")
    with held:
        finish(tmp_path, "a")
    three, held = next(first)
    assert three.name == "c"
    with other:
        finish(tmp_path, "b")
    # What the first one holds is left out.
    assert computed(second, tmp_path) == ["d", "e"]
    with held:
        finish(tmp_path, "c")
    assert computed(first, tmp_path) == []


def test_what_another_process_holds_is_left_alone_and_the_others_end(tmp_path):
    own = turns(cells(*"abc"), tmp_path, 1, 2)
    with Claim.take(tmp_path / CLAIMS / "a"):
        assert computed(own, tmp_path) == ["b", "c"]


def test_the_first_process_stays_and_takes_over_from_the_dead(tmp_path, naps):
    claim = Claim.take(tmp_path / CLAIMS / "b")
    naps += [lambda: None, claim.release]
    assert computed(turns(cells(*"abc"), tmp_path, 0, 2), tmp_path) == ["a", "c", "b"]
    assert naps == []


def test_the_first_process_stays_until_the_others_are_done(tmp_path, naps):
    claim = Claim.take(tmp_path / CLAIMS / "b")

    def end():
        finish(tmp_path, "b")
        claim.release()

    naps += [lambda: None, end]
    assert computed(turns(cells(*"abc"), tmp_path, 0, 2), tmp_path) == ["a", "c"]


def test_cell_that_was_finished_between_the_look_and_the_claim_is_not_run_again(tmp_path, monkeypatch):
    take = Claim.take

    def late(folder):
        finish(tmp_path, folder.name)
        return take(folder)

    monkeypatch.setattr(Claim, "take", late)
    assert computed(turns(cells("a"), tmp_path, 0, 2), tmp_path) == []
    # Nor is it held.
    monkeypatch.undo()
    assert Claim.take(tmp_path / CLAIMS / "a") is not None


def test_cell_comes_after_those_that_it_reads(tmp_path, naps):
    of = cells("plain", "again", "other", again=["plain"])
    claim = Claim.take(tmp_path / CLAIMS / "plain")

    def end():
        finish(tmp_path, "plain")
        claim.release()

    naps += [lambda: None, end]
    # It is not the first process, yet it stays: there will be something to do.
    assert computed(turns(of, tmp_path, 1, 2), tmp_path) == ["other", "again"]
    assert naps == []


def test_source_of_a_dead_process_is_taken_over_by_the_one_that_waits_for_it(tmp_path, naps):
    of = cells("plain", "again", again=["plain"])
    naps.append(Claim.take(tmp_path / CLAIMS / "plain").release)
    assert computed(turns(of, tmp_path, 1, 2), tmp_path) == ["plain", "again"]


def test_claims_are_taken_away_in_the_end(tmp_path):
    own = turns(cells(*"ab"), tmp_path, 0, 2)
    assert computed(own, tmp_path) == ["a", "b"]
    assert sorted(path.name for path in (tmp_path / CLAIMS).iterdir()) == ["a", "b"]
    own.close()
    assert [path.name for path in tmp_path.iterdir()] == [CELLS]


def test_folder_without_locks_is_refused(tmp_path, monkeypatch):
    def refuse(folder):
        raise InputError(f"{folder}: files cannot be locked there")

    monkeypatch.setattr(Claim, "take", refuse)
    with pytest.raises(InputError, match="locked"), contextlib.closing(iter(turns(cells("a"), tmp_path, 0, 2))) as own:
        next(own)
