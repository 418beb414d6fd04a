"""Real sweeps that several processes share; the first test starts two, the slow ones kill them."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lightning.pytorch import Callback

from lit_nst import cli
from tests.sweep.test_command import furnish, home, pictures, table

ROOT = Path(__file__).resolve().parents[2]
LAYERS = "model.target.layers=[[conv1_1], [relu1_2], [conv1_2], [relu1_1]]"
SLOW = ("--trainer.callbacks+", "tests.sweep.test_two_processes.Slow", "--trainer.max_steps", "40")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2")


class Slow(Callback):
    """Leaves time to kill a run in the middle."""

    def on_train_batch_end(self, *_):
        time.sleep(0.1)


@pytest.fixture
def here(tmp_path):
    furnish(tmp_path)
    return tmp_path


def start(folder, *args, before=(sys.executable,), devices="2", **settings):
    varied = () if "--vary" in args else ("--vary", LAYERS)
    command = [*before, str(ROOT / "cli.py"), "sweep", "--config", "tiny.yaml", *varied, *args]
    command += ["--trainer.devices", devices, "--trainer.accelerator", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment, **pipes, **settings)


def end(process, status=0):
    out, err = process.communicate(timeout=300)
    assert process.returncode == status, err
    return out, err


def wait_for(process, condition, seconds=120):
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.05)


def child_of(process):
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])


def begun(folder, cell):
    return lambda: (home(folder) / "cells" / cell / "checkpoints" / "last.ckpt").is_file()


def whole(folder):
    """The pictures of the same sweep by one process."""
    shutil.move(folder / "logs", folder / "two")
    end(start(folder, *SLOW[2:], devices="1"))
    return pictures(home(folder))


@pytest.mark.slow
def test_two_processes_share_the_cells_and_make_one_page(here):
    out, err = end(start(here))
    assert err == ""
    lines = [re.match(r"(\d) of 4   (layers-\w+)", line) for line in out.splitlines()[:4]]
    assert sorted(line[1] for line in lines) == ["1", "2", "3", "4"]
    assert out.splitlines()[4].startswith("16 rows")
    assert sorted(path.name for path in home(here).iterdir()) == [
        "cells", "figures", "index.html", "sweep.json", "table.csv",
    ]  # fmt: skip
    # Both have computed some: the names of event files end with the process and a number.
    events = [file.name.split(".")[-2] for file in home(here).glob("cells/*/**/events*")]
    assert len(set(events)) == 2
    # Another number of processes goes on with the same plan.
    plan = json.loads((home(here) / "sweep.json").read_text())
    assert not any("trainer" in key for key, _ in plan["plan"]["overrides"])
    found, rows = files(home(here)), figures(home(here))
    shutil.move(here / "logs", here / "two")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        cli.main(["sweep", "--config", "tiny.yaml", "--vary", LAYERS])
    assert files(home(here)) == found
    assert figures(home(here)) == rows


def figures(folder):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in table(folder)]


def files(folder):
    """Contents of every file but times and TensorBoard's, whose names have them, too."""
    found = {}
    for path in sorted(folder.glob("cells/**/*")):
        if path.is_file() and not path.name.startswith("events"):
            content = path.read_bytes()
            if path.name == "metrics.json":
                content = re.sub(rb'"(seconds|steps_per_second)": [\d.]+', b"", content)
            found[path.relative_to(folder).as_posix()] = b"" if path.suffix == ".ckpt" else content
    return found


@pytest.mark.slow
def test_sweep_goes_on_without_a_process_that_is_killed(here):
    process = start(here, *SLOW)
    wait_for(process, begun(here, "layers-relu1_2"))
    os.kill(child_of(process), signal.SIGKILL)
    out, err = end(process)
    assert err == ""
    assert len(re.findall(r"^\d of 4 ", out, re.MULTILINE)) == 4
    assert not (home(here) / ".claims").exists()
    found = pictures(home(here))
    assert found == whole(here)


@pytest.mark.slow
def test_killed_command_ends_the_other_process_and_goes_on(here):
    process = start(here, *SLOW)
    wait_for(process, begun(here, "layers-relu1_2"))
    child = child_of(process)
    process.kill()
    process.communicate()
    until = time.monotonic() + 60
    while Path(f"/proc/{child}").exists():
        assert time.monotonic() < until, "it goes on"
        time.sleep(0.05)
    done = len(list(home(here).glob("cells/*/metrics.json")))
    assert done < 4
    out, _ = end(start(here, *SLOW, devices="1"))
    assert len(re.findall(r"^\d of 4 ", out, re.MULTILINE)) == 4 - done + bool(done)
    found = pictures(home(here))
    assert found == whole(here)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status", "group"), [(signal.SIGTERM, 143, False), (signal.SIGINT, 130, True)])
def test_signal_ends_both_processes_with_the_hint(here, number, status, group):
    process = start(here, *SLOW, start_new_session=True)
    wait_for(process, lambda: all(begun(here, cell)() for cell in ("layers-conv1_1", "layers-relu1_2")))
    child = child_of(process)
    (os.killpg if group else os.kill)(process.pid, number)
    _, err = end(process, status)
    assert err.count("the same command goes on from there") == 1
    assert "Traceback" not in err
    assert not Path(f"/proc/{child}").exists()
    end(start(here, *SLOW))
    found = pictures(home(here))
    assert found == whole(here)


@pytest.mark.slow
def test_cell_that_is_refused_in_the_other_process_ends_the_sweep_with_one_line(here):
    _, err = end(start(here, "--vary", "model.target.layers=[[conv1_1], [conv9_9]]", *SLOW), 2)
    assert re.fullmatch(r"error: cell layers-conv9_9: [^\n]*conv9_9[^\n]*\n", err), err


@pytest.mark.slow
def test_processes_of_torchrun_share_the_cells(here):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    out, _ = end(start(here, *SLOW, before=(*TORCHRUN, f"--master-port={port}")))
    assert len(re.findall(r"^\d of 4 ", out, re.MULTILINE)) == 4
    found = pictures(home(here))
    assert found == whole(here)
