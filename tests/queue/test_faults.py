"""What happens to a run: full disks, folders that cannot be written, signals. Its processes are forks of this one."""

import os
import re
import signal
import subprocess

import pytest
import torch
from lightning.pytorch import Callback

from lit_nst.callbacks import History, Results, results
from lit_nst.data import Images
from lit_nst.queue import Checkpoint, finish, search
from lit_nst.tasks import Inversion
from tests.queue.conftest import FIT, RUN
from tests.queue.forked import Forked
from tests.queue.test_run import found

UNITS = [*FIT, "--queue.batch", "2"]
GO_ON = ["--ckpt_path", RUN]


class Send(Callback):
    """Sends the process a signal, or its group, before a step of a row."""

    def __init__(self, row: int, step: int, number: int, group: bool = False, times: int = 1) -> None:
        self.row, self.step, self.number, self.group, self.times = row, step, number, group, times

    def on_train_batch_start(self, trainer, task, *_):
        if self.row in task.shard.rows and trainer.global_step == self.step:
            for _ in range(self.times):
                (os.killpg if self.group else os.kill)(os.getpid(), self.number)


def sending(**settings):
    return [
        *("--trainer.callbacks+", "tests.queue.test_faults.Send"),
        *(f"--trainer.callbacks.{key}={str(value).lower()}" for key, value in settings.items()),
    ]


def before(owner, name, act):
    """Breaks a function of a fork: something happens first."""

    def arrange():
        function = getattr(owner, name)

        def broken(*args, **kwargs):
            act()
            return function(*args, **kwargs)

        setattr(owner, name, broken)

    return arrange


def goes_on(work, expected, *args):
    process = Forked([*UNITS, *GO_ON, *args], work)
    assert (process.wait(), process.said) == (0, "")
    assert found(work / RUN) == expected
    assert not (work / RUN / "batches").exists()
    assert not (work / RUN / ".claim").exists()


@pytest.fixture
def disk(work):
    """A disk of its own for the logs, which can be filled."""
    logs = work / "logs"
    logs.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", logs], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    yield logs
    subprocess.run(["umount", "-l", logs], check=True)


def fill(disk):
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


@pytest.mark.parametrize(
    ("owner", "name", "file"),
    [
        pytest.param(
            search,
            "events_named",
            r"rows_000000-000001/events\.out\.tfevents[^/]*",
            id="events",
            marks=pytest.mark.slow,
        ),
        pytest.param(Checkpoint, "save", "rows_000000-000001/checkpoints/last.ckpt", id="checkpoint"),
        pytest.param(results, "write_part", "rows_000000-000001/part.safetensors", id="part", marks=pytest.mark.slow),
        pytest.param(finish, "join", "version_0/checkpoints/last.ckpt", id="consolidation"),
        pytest.param(History, "on_train_start", "rows_000000-000001/metrics.csv", id="curves", marks=pytest.mark.slow),
        pytest.param(finish, "_log_means", r"version_0/events\.out\.tfevents[^/]*", id="means", marks=pytest.mark.slow),
        pytest.param(Results, "consolidate", "results/comparison.png", id="sheet", marks=pytest.mark.slow),
    ],
)
def test_full_disk_is_told_in_one_line_and_loses_nothing(work, disk, expected, owner, name, file):
    process = Forked(UNITS, work, before(owner, name, lambda: fill(disk)))
    assert process.wait() == 2
    assert re.fullmatch(rf"error: \[Errno 28\] No space left on device: '.*{file}'\n", process.said), process.said
    assert not list(disk.rglob("*.part"))
    for checkpoint in disk.rglob("last.ckpt"):
        torch.load(checkpoint, weights_only=True)
    (disk / "filler").unlink()
    goes_on(work, expected)


def test_full_disk_at_the_start_leaves_nothing_of_a_run_of_one_unit(work, disk):
    process = Forked(FIT, work, before(Images, "setup", lambda: fill(disk)))
    assert process.wait() == 2
    assert re.fullmatch(r"error: \[Errno 28\] No space left on device: '.*'\n", process.said), process.said
    assert [path.name for path in disk.rglob("*")] in (["filler"], ["filler", "tiny"], ["tiny", "filler"])


def test_read_only_folder_is_refused_before_a_step(work, disk):
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    refused(work, r"logs/tiny/version_0 cannot be written: .*/logs is read-only for this user")


@pytest.mark.parametrize("name", ["logs", pytest.param("logs/tiny", marks=pytest.mark.slow)])
def test_file_in_the_way_is_refused_before_a_step(work, name):
    (work / name).parent.mkdir(exist_ok=True)
    (work / name).touch()
    refused(work, rf"logs/tiny/version_0 cannot be made, since .*/{name} is a file; give another .*")


def refused(work, line):
    process = Forked(UNITS, work, before(Inversion, "training_step", lambda: os.abort()))
    assert process.wait() == 2
    assert re.fullmatch(rf"error: {line}\n", process.said), process.said


TOLD = {signal.SIGTERM: "stopped by SIGTERM", signal.SIGUSR1: "stopped by SIGTERM", signal.SIGINT: "interrupted"}
STATUS = {signal.SIGTERM: 143, signal.SIGUSR1: 143, signal.SIGINT: 130}


@pytest.mark.parametrize(
    ("number", "more"),
    [
        (signal.SIGTERM, {"times": 2}),
        (signal.SIGINT, {"group": True}),
        pytest.param(signal.SIGUSR1, {}, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, {}, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("step", [3, pytest.param(5, marks=pytest.mark.slow)], ids=["step", "last"])
def test_signal_ends_a_run_that_goes_on(work, expected, number, more, step):
    process = Forked([*UNITS, *sending(row=2, step=step, number=int(number), **more)], work)
    assert process.wait() == STATUS[number]
    assert process.said == f"{TOLD[number]}; go on with the same command and --ckpt_path {RUN}\n"
    saved = work / RUN / "batches/rows_000002-000003/checkpoints/last.ckpt"
    # After the last step there are no results yet that would belong to it.
    saves = number != signal.SIGINT and step < 5
    assert torch.load(saved, weights_only=True)["global_step"] == step + 1 if saves else True
    assert not (work / RUN / "batches/rows_000004-000004/metrics.csv").exists()
    goes_on(work, expected)


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        pytest.param(Images, "setup", id="set-up", marks=pytest.mark.slow),
        pytest.param(Inversion, "rehearse", id="rehearsal"),
    ],
)
def test_signal_before_the_first_step_leaves_nothing(work, owner, name, number):
    process = Forked(UNITS, work, before(owner, name, lambda: os.kill(os.getpid(), number)))
    assert process.wait() == STATUS[number]
    assert process.said == f"{TOLD[number]}; give the same command again\n"
    assert not (work / "logs").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        pytest.param(Results, "consolidate", id="consolidation"),
        pytest.param(finish, "tidy", id="end", marks=pytest.mark.slow),
        pytest.param(Results, "on_train_end", id="results", marks=pytest.mark.slow),
    ],
)
def test_signal_after_the_last_step(work, expected, owner, name, number):
    process = Forked(UNITS, work, before(owner, name, lambda: os.kill(os.getpid(), number)))
    assert process.wait() == STATUS[number]
    assert process.said == f"{TOLD[number]}; go on with the same command and --ckpt_path {RUN}\n"
    goes_on(work, expected)


class Spoil(Callback):
    """Makes the loss of one row NaN from a step on."""

    def __init__(self, row: int, step: int) -> None:
        self.row, self.step = row, step

    def on_train_batch_start(self, trainer, task, *_):
        if self.row in task.shard.rows and trainer.global_step == self.step:
            with torch.no_grad():
                task.w[task.shard.rows.index(self.row)] = torch.nan


@pytest.mark.parametrize(
    "args", [["--queue.batch", "2"], pytest.param([], marks=pytest.mark.slow)], ids=["units", "one"]
)
def test_row_whose_loss_is_not_a_number_harms_no_other(work, expected, args):
    spoil = ["--trainer.callbacks+", "tests.queue.test_faults.Spoil", "--trainer.callbacks.row=2"]
    process = Forked([*FIT, *args, *spoil, "--trainer.callbacks.step=3"], work)
    assert process.wait() == 0
    own = found(work / RUN)
    assert own["figures"]["rows"][2]["stopped_at_step"] == 3
    for part in (own, expected := {**expected, "files": dict(expected["files"])}):
        part["rows"] = [row for row in part["figures"]["rows"] if row["name"] != "02"]
        kept = ("00.png", "01.png", "03.png", "04.png")
        part["kept"] = {name: part["files"][name] for name in kept}
    assert (own["kept"], own["rows"]) == (expected["kept"], expected["rows"])
