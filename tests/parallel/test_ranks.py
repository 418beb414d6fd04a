import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import OrderedDict
from pathlib import Path
from unittest import mock

import pytest
import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.strategies import SingleDeviceStrategy

from lit_nst.errors import InputError
from lit_nst.parallel import Ranks
from lit_nst.parallel import ranks as module
from tests.parallel.test_launcher import trainer, until

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("run_ranks.py")


@pytest.fixture(autouse=True)
def untouched():
    """Processes are known by variables, which these tests and Lightning set."""
    rank = rank_zero_only.rank
    with mock.patch.dict(os.environ, OMP_NUM_THREADS="1"):
        yield
    rank_zero_only.rank = rank


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def two(work, **environment) -> list[int]:
    """Forks both processes of a run, as if a cluster had started them; gives their exit statuses."""
    port, children = str(free_port()), []
    for rank in range(2):
        child = os.fork()
        if child == 0:
            status = 70
            # One that hangs is killed.
            signal.alarm(30)
            try:
                variables = {"LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
                os.environ.update(variables | environment)
                work(Ranks(trainer(2).strategy))
                status = 0
            except SystemExit as error:
                status = error.code
            except BaseException as error:
                print(repr(error), file=sys.stderr)
            finally:
                os._exit(status)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def refuse(*_, **__):
    raise AssertionError("a port was opened")


@pytest.mark.parametrize("strategy", [SingleDeviceStrategy(), "rows", "rows_fork", "ddp", "auto"])
def test_one_process_just_calls(strategy, monkeypatch):
    monkeypatch.setattr(module, "TCPStore", refuse)
    ranks = Ranks(trainer(1, strategy).strategy)
    assert (ranks.rank, ranks.size, ranks.local, ranks.device) == (0, 1, 0, torch.device("cpu"))
    value = object()
    assert ranks.launch(lambda: ranks.agree(lambda: value)) is value
    assert (ranks.orphaned(), ranks.failed(), ranks.lost(), ranks.wait()) == (False, None, [], True)
    ranks.stop(signal.SIGKILL)
    ranks.close()
    assert not {"LOCAL_RANK", "MASTER_PORT"} & os.environ.keys()


def test_forks_agree_on_what_the_first_one_says(tmp_path):
    ranks = Ranks(trainer(2, "rows_fork").strategy)

    def work():
        said = [ranks.agree(lambda call=call: [os.getpid(), call]) for call in range(2)]
        ranks.close()
        assert ranks._store is None
        known = [ranks.rank, ranks.size, ranks.local, os.getpid(), said, torch.distributed.is_initialized()]
        (tmp_path / str(ranks.rank)).write_text(json.dumps(known))
        return ranks.rank, ranks.orphaned()

    assert ranks.launch(work) == (0, False)
    first, second = (json.loads((tmp_path / str(rank)).read_text()) for rank in range(2))
    pid = first[3]
    assert os.getpid() != pid != second[3]
    assert first == [0, 2, 0, pid, [[pid, 0], [pid, 1]], False]
    assert second == [1, 2, 1, second[3], first[4], False]


def test_bad_input_is_said_once_by_the_process_that_waits_for_forks(tmp_path):
    ranks = Ranks(trainer(2, "rows_fork").strategy)

    def read():
        raise InputError("no such picture")

    def work():
        try:
            ranks.agree(read)
        except SystemExit as error:
            (tmp_path / "status").write_text(str(error.code))
            raise

    with pytest.raises(InputError, match=r"^no such picture$"):
        ranks.launch(work)
    assert (tmp_path / "status").read_text() == "2"


def test_plain_values_stay_as_they_are():
    value = {"a": [1, 0.1, None, True], 2: ("b", torch.arange(3)), "ordered": OrderedDict(c=-1)}

    def work(ranks):
        heard = ranks.agree(lambda: value)
        assert torch.equal(heard[2][1], torch.arange(3))
        assert heard[2][0] == "b"
        assert (heard["a"], list(heard), heard["ordered"]) == (value["a"], list(value), value["ordered"])

    assert two(work) == [0, 0]


@pytest.mark.parametrize(
    ("value", "statuses"),
    [
        (lambda: Path("run"), [70, 1]),
        (lambda: "a" * 2**23, [70, 1]),
        (lambda: (_ for _ in ()).throw(FileNotFoundError("photo.png")), [70, 2]),
        (lambda: sys.exit(5), [5, 5]),
    ],
    ids=["not-plain", "too-large", "os-error", "exit"],
)
def test_what_fails_on_the_first_process_ends_the_others(value, statuses):
    assert two(lambda ranks: ranks.agree(value)) == statuses


def test_the_first_process_goes_on_without_one_that_comes_late(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "READY", 0.2)

    def work(ranks):
        if ranks.rank == 0:
            assert ranks.agree(lambda: "value") == "value"
            ranks.close()
            (tmp_path / "alone").touch()
        else:
            until((tmp_path / "alone").exists)
            assert ranks.agree(refuse) == "value"
            (tmp_path / "late").touch()
        until((tmp_path / "late").exists)

    assert two(work) == [0, 0]


def test_the_others_do_not_wait_for_a_dead_one(capfd):
    def die():
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)

    def work(ranks):
        with pytest.raises(ConnectionError, match="ended before"):
            ranks.agree(die)
        sys.exit(9)

    assert two(work) == [-signal.SIGKILL, 9]
    capfd.readouterr()


def test_the_others_do_not_wait_without_end(monkeypatch, capfd):
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    assert two(lambda ranks: ranks.rank == 1 and ranks.agree(refuse)) == [0, 70]
    assert "TimeoutError" in capfd.readouterr().err


def watch(folder: Path) -> None:
    """What a process does that another one has started; killed if it hangs."""
    signal.alarm(30)
    ranks = Ranks(trainer(2).strategy)
    (folder / "before").write_text(str(ranks.orphaned()))
    until(ranks.orphaned)
    with pytest.raises(SystemExit) as status:
        ranks.agree(refuse)
    (folder / "part").write_text(str(status.value.code))
    (folder / "part").rename(folder / "after")


def test_a_process_notices_that_the_one_that_started_it_is_gone(tmp_path):
    middle = os.fork()
    if middle == 0:
        try:
            os.environ.update(LIT_NST_PARENT=str(os.getpid()), LOCAL_RANK="1", MASTER_PORT="1")
            if os.fork() == 0:
                watch(tmp_path)
            else:
                time.sleep(30)
        finally:
            os._exit(0)
    until((tmp_path / "before").exists)
    os.kill(middle, signal.SIGKILL)
    os.waitpid(middle, 0)
    until((tmp_path / "after").exists)
    assert (tmp_path / "before").read_text() == "False"
    assert (tmp_path / "after").read_text() == "1"


def test_a_strategy_that_couples_rows_is_refused_before_anything_starts():
    with pytest.raises(InputError, match=r"would average the gradients .* use --trainer.strategy rows"):
        Ranks(trainer(2, "ddp").strategy)


@pytest.mark.parametrize(
    ("devices", "variables"),
    [
        (1, {"TORCHELASTIC_RUN_ID": "a", "WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}),
        (1, {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_PROCID": "0"}),
        (2, {"SLURM_NTASKS": "1", "SLURM_PROCID": "0"}),
    ],
    ids=["torchrun", "slurm-more", "slurm-fewer"],
)
def test_processes_of_another_number_than_devices_are_refused(devices, variables):
    slurm = {"SLURM_JOB_ID": "1", "SLURM_JOB_NAME": "run", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
    with mock.patch.dict(os.environ, variables | slurm), pytest.raises(InputError, match=r"^--trainer.devices"):
        Ranks(trainer(devices).strategy)


def test_a_port_that_is_taken_is_bad_input(capfd):
    with socket.create_server(("0.0.0.0", 0)) as server:
        variables = {"LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(server.getsockname()[1])}
        with mock.patch.dict(os.environ, variables), pytest.raises(InputError, match="MASTER_PORT"):
            Ranks(trainer(2).strategy).agree(refuse)
    capfd.readouterr()


def start(folder: Path, *before: str, variables: dict[str, str] | None = None, **settings) -> subprocess.Popen:
    command = [*(before or [sys.executable]), str(SCRIPT), str(folder), json.dumps({"strategy": "rows", **settings})]
    return subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **(variables or {})}, stderr=subprocess.PIPE, text=True
    )


def end(*processes: subprocess.Popen) -> list[str]:
    said = [process.communicate(timeout=200)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), said
    return said


def assert_agreed(folder: Path, locals_: tuple[int, int] = (0, 1)) -> None:
    first, second = (json.loads((folder / f"{rank}.json").read_text()) for rank in range(2))
    for rank, known in enumerate((first, second)):
        assert known.pop("pid") == first["value"]["pid"] or rank == 1
        expected = {"rank": rank, "size": 2, "local": locals_[rank], "device": "cpu", "group": False}
        assert known == expected | {"value": first["value"], "second": [0.1, "a"]}
    assert (folder / "1.done").exists()


@pytest.mark.slow
def test_a_command_starts_the_other_process_of_its_run(tmp_path):
    end(start(tmp_path, devices=2))
    assert_agreed(tmp_path)
    assert json.loads((tmp_path / "children.json").read_text()) == [True, [], None]


@pytest.mark.slow
def test_a_command_goes_on_without_a_process_that_is_killed(tmp_path):
    end(start(tmp_path, devices=3, dies=1))
    assert json.loads((tmp_path / "children.json").read_text()) == [True, [1], None]
    assert (tmp_path / "2.done").exists()


@pytest.mark.slow
def test_bad_input_of_a_command_is_said_once(tmp_path):
    process = start(tmp_path, devices=2, fails="no such picture")
    said = process.communicate(timeout=200)[1]
    assert process.returncode == 2
    assert said.count("error: no such picture") == 1
    assert "Traceback" not in said


@pytest.mark.slow
def test_processes_notice_that_the_command_was_killed(tmp_path):
    process = start(tmp_path, devices=2, stays=True)
    until((tmp_path / "1.json").exists, 100)
    process.kill()
    until((tmp_path / "1.done").exists)
    process.communicate()


TORCHRUN = (sys.executable, "-m", "torch.distributed.run")


@pytest.mark.slow
def test_processes_of_torchrun(tmp_path):
    end(start(tmp_path, *TORCHRUN, "--nproc-per-node=2", f"--master-port={free_port()}", devices=2))
    assert_agreed(tmp_path)


@pytest.mark.slow
def test_two_nodes_of_torchrun(tmp_path):
    where = ("--nnodes=2", "--nproc-per-node=1", "--master-addr=127.0.0.1", f"--master-port={free_port()}")
    nodes = [start(tmp_path, *TORCHRUN, f"--node-rank={n}", *where, devices=1, num_nodes=2) for n in range(2)]
    end(*nodes)
    assert_agreed(tmp_path, (0, 0))


@pytest.mark.slow
def test_tasks_of_slurm(tmp_path):
    job = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "1", "SLURM_JOB_ID": str(free_port())}
    job |= {"SLURM_JOB_NAME": "run", "SLURM_NODEID": "0", "SLURM_NODELIST": "127.0.0.1"}
    tasks = [{**job, "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)} for rank in range(2)]
    end(*(start(tmp_path, variables=task, devices=2) for task in tasks))
    assert_agreed(tmp_path)
