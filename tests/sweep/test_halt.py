import os
import signal
import time
from types import SimpleNamespace

import pytest

from lit_nst.errors import InputError
from lit_nst.sweep import halt as module
from lit_nst.sweep.folder import REFUSED
from lit_nst.sweep.halt import Halt, Stopped


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0.02)


@pytest.fixture(autouse=True)
def handlers():
    """None is left behind."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
    yield
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]


def processes(rank=0, size=2, failed=None, orphaned=False):
    """Ranks that note what is asked of their children."""
    asked = []
    return SimpleNamespace(
        rank=rank, size=size, asked=asked, failed=lambda: failed, orphaned=lambda: orphaned,
        stop=lambda number: asked.append(number), wait=lambda seconds: asked.append(seconds),
    )  # fmt: skip


def ended(ranks, folder, work):
    with pytest.raises((SystemExit, InputError)) as caught, Halt(ranks, folder) as halt:
        work(halt)
    return caught.value


def wait(halt):
    time.sleep(5)
    raise AssertionError("nothing came")


def test_nothing_is_asked_of_anyone_where_all_goes_well(tmp_path, capsys):
    ranks = processes()
    with Halt(ranks, tmp_path) as halt:
        time.sleep(0.1)
        halt.check()
    assert ranks.asked == []
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize("size", [1, 2])
def test_signal_ends_all_processes_with_the_hint(tmp_path, capsys, number, size):
    ranks = processes(size=size)
    error = ended(ranks, tmp_path, lambda halt: os.kill(os.getpid(), number) or wait(halt))
    assert error.code == 143
    assert ranks.asked == [signal.SIGTERM, module.GRACE]
    assert capsys.readouterr().err == "\nstopped; the same command goes on from there\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("size", "where"), [(1, " in cell a"), (2, "")])
def test_run_that_was_stopped_is_named_where_there_is_but_one(tmp_path, capsys, size, where):
    def work(halt):
        raise Stopped(130, "a")

    assert ended(processes(size=size), tmp_path, work).code == 130
    assert capsys.readouterr().err == f"\nstopped{where}; the same command goes on from there\n"


def test_control_c_between_two_cells(tmp_path, capsys):
    assert ended(processes(), tmp_path, lambda halt: signal.raise_signal(signal.SIGINT)).code == 130
    assert "goes on from there" in capsys.readouterr().err


def test_other_processes_are_silent(tmp_path, capsys):
    ranks = processes(rank=1)
    assert ended(ranks, tmp_path, lambda halt: signal.raise_signal(signal.SIGTERM)).code == 143
    assert ranks.asked == []
    assert capsys.readouterr().err == ""


def test_handler_of_a_run_ends_it_after_its_step(tmp_path):
    """As Lightning's, which calls the one before it, too."""
    steps = []

    def work(halt):
        own = signal.getsignal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, lambda *args: steps.append("asked") or own(*args))
        os.kill(os.getpid(), signal.SIGTERM)
        steps.append("ended")
        signal.signal(signal.SIGTERM, own)
        halt.check()

    assert ended(processes(), tmp_path, work).code == 143
    assert steps == ["asked", "ended"]


def test_bad_input_of_another_process_is_said_by_the_first_one(tmp_path, capsys):
    def refuse(halt):
        raise InputError("cell a: no such layer")

    assert ended(processes(rank=1), tmp_path, refuse).code == 2
    assert (tmp_path / REFUSED).read_text() == "cell a: no such layer"
    ranks = processes(rank=0)
    error = ended(ranks, tmp_path, wait)
    assert isinstance(error, InputError)
    assert str(error) == "cell a: no such layer"
    assert ranks.asked == [signal.SIGTERM, module.GRACE]
    # A third one.
    assert ended(processes(rank=2), tmp_path, wait).code == 143
    assert capsys.readouterr().err == ""


def test_bad_input_of_the_first_process_ends_the_others(tmp_path):
    def refuse(halt):
        raise InputError("cell a: no such layer")

    ranks = processes()
    assert str(ended(ranks, tmp_path, refuse)) == "cell a: no such layer"
    assert ranks.asked == [signal.SIGTERM, module.GRACE]
    assert (tmp_path / REFUSED).is_file()


def test_one_process_leaves_no_file(tmp_path):
    def refuse(halt):
        raise InputError("cell a: no such layer")

    assert str(ended(processes(size=1), tmp_path, refuse)) == "cell a: no such layer"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rank", [0, 1])
def test_mistake_of_the_program_keeps_its_traceback_and_ends_the_others(tmp_path, capsys, rank):
    with pytest.raises(ZeroDivisionError), Halt(processes(rank=rank), tmp_path):
        _ = 1 / 0
    assert ended(processes(), tmp_path, wait).code == 1
    assert capsys.readouterr().err == ""


def test_child_that_ends_with_bad_input_before_it_could_say_so_ends_all(tmp_path, capsys):
    assert ended(processes(failed=2), tmp_path, wait).code == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("status", [130, 143])
def test_child_that_was_told_to_end_leaves_its_cells_to_the_others(tmp_path, status):
    with Halt(processes(failed=status), tmp_path):
        time.sleep(0.1)


def test_process_whose_starter_is_gone_ends(tmp_path):
    assert ended(processes(rank=1, orphaned=True), tmp_path, wait).code == 143
