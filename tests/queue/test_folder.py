"""What killed processes leave of a run, and what is made of it."""

import os
import signal
from types import SimpleNamespace

import pytest

from lit_nst.queue.folder import PARTIAL, RunFolder
from lit_nst.queue.search import Search
from tests.queue.conftest import FIT, RUN
from tests.queue.forked import Forked
from tests.queue.test_run import ROWS, STEPS, found


def killed(owner, name, calls=1):
    """Kills a fork at some call of a function."""

    def arrange():
        function, left = getattr(owner, name), [calls]

        def deadly(*args, **kwargs):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        setattr(owner, name, deadly)

    return arrange


def fit(work, *args, before=None):
    return Forked([*FIT, *args], work, before).wait()


def test_a_unit_whose_mark_alone_is_missing_is_not_computed_again_in_parts(work, expected):
    assert fit(work, "--queue.batch", "4", before=killed(RunFolder, "finish")) == -signal.SIGKILL
    assert fit(work, "--queue.batch", "2", "--ckpt_path", RUN) == 0
    assert found(work / RUN) == expected


@pytest.mark.parametrize("calls", [5, 9])
def test_half_written_files_go_with_the_units(work, expected, calls):
    assert fit(work, before=killed(os, "fsync", calls)) == -signal.SIGKILL
    run = work / RUN
    assert list(run.rglob(PARTIAL))
    assert fit(work, "--queue.batch", "2", "--ckpt_path", RUN) == 0
    assert found(run) == expected
    assert not list(run.rglob("*.part"))


def test_a_process_that_comes_when_all_is_done_begins_nothing(work, expected):
    assert fit(work, "--queue.batch", "2") == 0
    run = work / RUN
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    ranks = SimpleNamespace(rank=1, size=2)
    Search(None, None, RunFolder(run, ROWS), ranks, None, None, most=64, steps=STEPS).run()
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    assert not RunFolder(run, ROWS).finished(STEPS + 1)


@pytest.mark.slow
def test_more_steps_that_were_stopped_are_not_lost(work, tmp_path):
    options = ("--queue.batch", "4", "--ckpt_path", RUN)
    assert fit(work, "--queue.batch", "4", "--trainer.max_steps", "3") == 0
    # The first unit is done when it comes to the second one's mark.
    assert fit(work, *options, before=killed(RunFolder, "finish", 2)) == -signal.SIGKILL
    folder = RunFolder(work / RUN, ROWS)
    done = [unit for unit in folder.units() if folder.done(unit)]
    assert len(done) == 1
    stamp = (folder.folder(done[0]) / "done.safetensors").stat().st_mtime_ns
    assert fit(work, *options, before=killed(RunFolder, "remove_units")) == -signal.SIGKILL
    assert (folder.folder(done[0]) / "done.safetensors").stat().st_mtime_ns == stamp
    assert folder.finished(STEPS)
