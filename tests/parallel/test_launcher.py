import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher

from lit_nst.parallel import Ranks, RowsLauncher

# The others run this in place of the command line: a process that imports nothing starts at once.
CHILD = """
import json, os, signal, sys, time
rank, what = int(os.environ["LOCAL_RANK"]), sys.argv[2:]
known = {name: os.environ.get(name) for name in ("LIT_NST_PARENT", "WORLD_SIZE", "NODE_RANK", "MASTER_PORT")}
open(f"{sys.argv[1]}/{rank}.part", "w").write(json.dumps(known))
os.rename(f"{sys.argv[1]}/{rank}.part", f"{sys.argv[1]}/{rank}.json")
{"dies": lambda: os.kill(os.getpid(), signal.SIGKILL), "fails": lambda: sys.exit(3), "works": lambda: None,
 "stays": lambda: time.sleep(60)}[what[rank - 1]]()
"""


def trainer(devices: int, strategy: str = "rows", **settings) -> Trainer:
    plain = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return Trainer(accelerator="cpu", devices=devices, strategy=strategy, **plain, **settings)


@pytest.fixture
def children(tmp_path, monkeypatch):
    """Ranks as the command line has them, with children that do as they are told."""
    made = []

    def make(*what: str) -> Ranks:
        script = tmp_path / "child.py"
        script.write_text(CHILD)
        monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path), *what])
        monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
        made.append(Ranks(trainer(len(what) + 1).strategy))
        return made[-1]

    with mock.patch.dict(os.environ, OMP_NUM_THREADS="1"):
        yield make
        for ranks in made:
            ranks.stop(signal.SIGKILL)
            assert ranks.wait(5)


def until(condition, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def started(folder: Path, rank: int) -> dict:
    path = folder / f"{rank}.json"
    until(path.exists)
    return json.loads(path.read_text())


def test_several_devices_have_the_launcher_and_one_has_none():
    assert isinstance(trainer(2).strategy.launcher, RowsLauncher)
    assert isinstance(trainer(1, num_nodes=2).strategy.launcher, RowsLauncher)
    assert isinstance(trainer(2, "rows_fork").strategy.launcher, _MultiProcessingLauncher)
    assert trainer(1).strategy.launcher is None


def test_children_know_their_place_and_who_started_them(tmp_path, children):
    ranks = children("works", "works")
    assert ranks.launch(lambda: "computed") == "computed"
    assert ranks.wait(10)
    for rank in (1, 2):
        known = started(tmp_path, rank)
        assert known["LIT_NST_PARENT"] == str(os.getpid())
        assert (known["WORLD_SIZE"], known["NODE_RANK"]) == ("3", "0")
        assert known["MASTER_PORT"] == os.environ["MASTER_PORT"]
    assert "LIT_NST_PARENT" not in os.environ
    assert ranks.lost() == []
    assert ranks.failed() is None
    assert not ranks.orphaned()


def test_children_that_die_leave_the_others_alone_and_are_known(tmp_path, children):
    ranks = children("dies", "stays")
    with mock.patch("threading.Thread.start", side_effect=AssertionError("a watch over the processes")):
        assert ranks.launch(lambda: ranks.wait(0.0)) is False
    started(tmp_path, 1), started(tmp_path, 2)
    until(ranks.lost)
    assert ranks.lost() == [1]
    assert ranks.failed() is None
    assert not ranks.wait(0.1)
    ranks.stop(signal.SIGTERM)
    assert ranks.wait(5)
    assert ranks.lost() == [1, 2]


def test_a_child_that_fails_is_known_by_its_status(children):
    ranks = children("works", "fails")
    ranks.launch(lambda: ranks.wait(10))
    assert ranks.failed() == 3
    assert ranks.lost() == []


def test_children_that_are_dead_are_not_waited_for(children):
    ranks = children("dies", "fails")
    begin = time.monotonic()
    assert ranks.launch(lambda: ranks.agree(lambda: "a value")) == "a value"
    assert time.monotonic() - begin < 10


def test_bad_input_stops_the_children_that_still_start(children):
    ranks = children("stays")

    def refuse():
        raise ValueError("bad input")

    begin = time.monotonic()
    with pytest.raises(ValueError, match="bad input"):
        ranks.launch(lambda: ranks.agree(refuse))
    assert time.monotonic() - begin < 10
    assert ranks.lost() == [1]


def test_a_trainer_over_several_processes_is_still_watched(children):
    ranks = children("works")
    launcher = ranks._launcher
    with mock.patch("lightning.pytorch.strategies.launchers.subprocess_script._launch_process_observer") as watch:
        launcher.launch(lambda: None, trainer=mock.Mock())
    watch.assert_called_once_with(launcher.procs)
    assert [type(process) for process in launcher.procs] == [subprocess.Popen]
