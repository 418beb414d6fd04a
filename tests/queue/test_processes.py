"""Runs in several processes: forks of this one that find each other as a cluster's do; a few real ones."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
import torch
from lightning.pytorch import Callback

from lit_nst.callbacks import Results
from tests.queue.conftest import FIT, RUN
from tests.queue.forked import ENTRY, Forked, until
from tests.queue.test_faults import before
from tests.queue.test_run import found

UNITS = [*FIT, "--queue.batch", "2"]
TWO = [*UNITS, "--trainer.devices", "2"]
GO_ON = ["--ckpt_path", RUN]
SLURM = {"SLURM_JOB_ID": "1", "SLURM_JOB_NAME": "search", "SLURM_JOB_NODELIST": "localhost", "SLURM_CPUS_PER_TASK": "1"}


class Pace(Callback):
    """Takes its time for every step."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def on_train_batch_start(self, *_):
        time.sleep(self.seconds)


def slowly(seconds):
    return ["--trainer.callbacks+", "tests.queue.test_processes.Pace", f"--trainer.callbacks.seconds={seconds}"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def cluster(kind, size):
    """The environment of each process of a cluster."""
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    count = str(size)
    for rank in map(str, range(size)):
        if kind == "started":
            yield {**address, "LOCAL_RANK": rank}
        elif kind == "nodes":
            yield {**address, "LOCAL_RANK": "0", "NODE_RANK": rank}
        else:
            own = {"SLURM_PROCID": rank, "SLURM_LOCALID": rank, "SLURM_NODEID": "0"}
            yield {**address, **SLURM, **own, "SLURM_NTASKS": count, "SLURM_NTASKS_PER_NODE": count}


def start(kind, size, work, *args):
    nodes = ["--trainer.num_nodes", str(size)] if kind == "nodes" else ["--trainer.devices", str(size)]
    return [Forked([*UNITS, *nodes, *args], work, env=env) for env in cluster(kind, size)]


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Nothing of a cluster that the tests run on."""
    for name in list(os.environ):
        if name.startswith(("SLURM_", "TORCHELASTIC_")) or name in ("LOCAL_RANK", "RANK", "WORLD_SIZE", "NODE_RANK"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        ("started", 2),
        pytest.param("nodes", 2, marks=pytest.mark.slow),
        pytest.param("slurm", 2, marks=pytest.mark.slow),
        pytest.param("started", 5, marks=pytest.mark.slow),
    ],
)
def test_processes_of_a_cluster_find_the_same(work, expected, kind, size):
    processes = start(kind, size, work)
    assert [process.wait() for process in processes] == [0] * size
    assert [process.said for process in processes] == [""] * size
    assert found(work / RUN) == expected


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "size"), [(2, 5), (1, 2)])
def test_more_processes_than_rows(work, rows, size):
    few = ["--data.target", f"targets/0[0-{rows - 1}].png"]
    assert Forked([*FIT, *few, "--trainer.logger.init_args.version", "alone"], work).wait() == 0
    processes = start("started", size, work, *few)
    assert [process.wait() for process in processes] == [0] * size
    assert found(work / RUN) == found(work / "logs/tiny/alone")


@pytest.mark.parametrize("policy", ["stop", pytest.param("skip", marks=pytest.mark.slow)])
def test_unreadable_picture_of_the_second_process(work, policy):
    (work / "targets/02.png").write_bytes(b"no picture")
    first, second = start("started", 2, work, "--data.unreadable", policy, *slowly(0.2))
    assert first.wait() == (2 if policy == "stop" else 3)
    told = first.said + second.said
    if policy == "stop":
        assert second.wait() == 2
        assert re.search(r"error: .*02\.png is not an image.*\n", told), told
    else:
        assert second.wait() == 0
        assert re.search(r"row 2 \(02\) is left out: .*02\.png is not an image", told), told


@pytest.mark.slow
def test_second_command_in_the_same_folder_is_refused_and_harms_nothing(work, expected):
    first = Forked([*UNITS, *slowly(0.3)], work)
    until(lambda: (work / RUN / "batches/rows_000000-000001/metrics.csv").is_file())
    # Its unit has no checkpoint yet, and would be taken for one that never began.
    second = Forked([*UNITS, *GO_ON], work)
    assert (second.wait(), first.running()) == (2, True)
    assert second.said == f"error: {RUN} is being worked on by another process; stop it first\n"
    assert (first.wait(), first.said) == (0, "")
    assert found(work / RUN) == expected


def children(pid):
    told = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return [int(number) for number in told.split()]


def begun(work, unit):
    return (work / RUN / "batches" / unit / "checkpoints/last.ckpt").is_file()


FIRST, SECOND = "rows_000000-000001", "rows_000002-000003"


@pytest.mark.slow
def test_second_command_is_refused_while_the_first_one_consolidates(work, expected):
    # No unit is held then.
    first = Forked(UNITS, work, before(Results, "consolidate", lambda: until((work / "go").exists)))
    until(lambda: (work / RUN / "checkpoints/last.ckpt").is_file())
    second = Forked([*UNITS, *GO_ON], work)
    assert second.wait() == 2
    assert second.said == f"error: {RUN} is being worked on by another process; stop it first\n"
    (work / "go").touch()
    assert (first.wait(), first.said) == (0, "")
    assert found(work / RUN) == expected


@pytest.fixture
def two(work, monkeypatch):
    """A real command that has started another process; both are at their third step or later."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ENTRY.parent), os.environ.get("PYTHONPATH", "")]))
    process = Forked([*TWO, *slowly(1.0), "--checkpoint.every_n_train_steps", "2"], work)
    until(lambda: not process.running() or (begun(work, FIRST) and begun(work, SECOND)), 150)
    (child,) = (pid for pid in children(process.pid) if pid != process.pid)
    yield process, child
    if process.running():
        process.send(signal.SIGKILL, group=True)


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def goes_on(work, expected):
    process = Forked([*UNITS, *GO_ON], work)
    assert (process.wait(), process.said) == (0, "")
    assert found(work / RUN) == expected


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_first_process_finishes_the_rows_of_one_that_was_stopped(work, expected, two, number):
    process, child = two
    os.kill(child, number)
    assert process.wait(90) == 0
    assert found(work / RUN) == expected


@pytest.mark.slow
def test_other_processes_end_when_the_first_is_killed(work, expected, two):
    process, child = two
    process.send(signal.SIGKILL)
    until(lambda: gone(child), 10)
    assert process.wait() == -signal.SIGKILL
    goes_on(work, expected)


@pytest.mark.slow
def test_all_are_killed(work, expected, two):
    process, child = two
    process.send(signal.SIGKILL, group=True)
    until(lambda: gone(child), 10)
    process.wait()
    goes_on(work, expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "group", "status", "told"),
    [
        (signal.SIGTERM, False, 143, "stopped by SIGTERM"),
        (signal.SIGTERM, True, 143, "stopped by SIGTERM"),
        (signal.SIGUSR1, True, 143, "stopped by SIGTERM"),
        (signal.SIGINT, True, 130, "interrupted"),
    ],
)
def test_signal_ends_both(work, expected, two, number, group, status, told):
    process, child = two
    process.send(number, group)
    assert process.wait(30) == status
    assert gone(child)
    assert process.said == f"{told}; go on with the same command and --ckpt_path {RUN}\n"
    if number != signal.SIGINT:
        steps = [torch.load(path, weights_only=True)["global_step"] for path in (work / RUN).rglob("last.ckpt")]
        assert len(steps) == 2
        assert min(steps) >= 2
    goes_on(work, expected)


@pytest.mark.slow
def test_torchrun(work, expected):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", free_port()]
    done = subprocess.run(
        [*torchrun, str(ENTRY), *TWO], cwd=work, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert found(work / RUN) == expected
