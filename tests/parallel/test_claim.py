import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lit_nst.errors import InputError
from lit_nst.parallel import Claim

SCRIPT = Path(__file__).with_name("hold.py")


@pytest.fixture
def hold():
    """Starts another process that claims a folder; gives it and what it says."""
    started = []

    def start(folder):
        started.append(subprocess.Popen([sys.executable, str(SCRIPT), str(folder)], stdout=subprocess.PIPE, text=True))
        return started[-1], started[-1].stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def fork():
    """Starts a child that shares all that is open here, and sleeps; ``first`` is run in it before."""
    children = []

    def start(first=None):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(write, str(first() if first else "").encode())
                time.sleep(60)
            finally:
                os._exit(0)
        children.append(child)
        os.close(write)
        said = os.read(read, 100).decode() if first else ""
        os.close(read)
        return said

    yield start
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_killed_holder_frees_the_folder_at_once(tmp_path, hold):
    process, said = hold(tmp_path / "unit")
    assert said == "taken"
    assert Claim.take(tmp_path / "unit") is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    with Claim.take(tmp_path / "unit") as claim:
        assert claim is not None
        assert hold(tmp_path / "unit")[1] == "refused"


def test_a_process_takes_a_folder_once_until_it_gives_it_back(tmp_path):
    folder = tmp_path / "batches" / "unit"
    claim = Claim.take(folder)
    assert Claim.take(folder) is None
    other = Claim.take(tmp_path / "batches")
    claim.release()
    claim.release()
    with Claim.take(folder):
        assert Claim.take(folder) is None
    assert Claim.take(folder) is not None
    assert Claim.take(tmp_path / "batches") is None
    other.release()
    assert [path.name for path in folder.iterdir()] == [".claim"]


def test_reading_the_file_or_copying_the_folder_does_not_lose_the_claim(tmp_path, hold):
    with Claim.take(tmp_path / "unit"):
        assert (tmp_path / "unit" / ".claim").read_bytes() == b""
        shutil.copytree(tmp_path / "unit", tmp_path / "copy")
        assert hold(tmp_path / "unit")[1] == "refused"


def test_children_do_not_keep_the_claim(tmp_path, fork):
    claim = Claim.take(tmp_path)
    fork()
    program = subprocess.Popen(["sleep", "60"], close_fds=False)
    claim.release()
    try:
        # The fork closes its copy before it does anything else, but perhaps after this line.
        again, end = None, time.monotonic() + 5
        while again is None and time.monotonic() < end:
            again = Claim.take(tmp_path)
        assert again is not None
        again.release()
    finally:
        program.kill()
        program.wait()


def test_a_child_can_neither_free_nor_take_the_claim(tmp_path, fork):
    claim = Claim.take(tmp_path)

    def child():
        claim.release()
        return Claim.take(tmp_path)

    assert fork(child) == "None"
    assert Claim.take(tmp_path) is None
    claim.release()


def test_a_folder_that_was_removed_meanwhile_is_not_claimed(tmp_path, monkeypatch):
    folder, lock = tmp_path / "unit", fcntl.flock

    def remove(*args):
        shutil.rmtree(folder)
        lock(*args)

    monkeypatch.setattr(fcntl, "flock", remove)
    assert Claim.take(folder) is None
    monkeypatch.undo()
    claim = Claim.take(folder)
    assert claim is not None
    claim.release()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_is_for_one_process(tmp_path, monkeypatch, code):
    def refuse(*_):
        raise OSError(code, "no locks")

    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else None
    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(InputError, match=r"cannot be locked there \(no locks\).* give --trainer.devices 1"):
        Claim.take(tmp_path)
    with Claim.take(tmp_path, alone=True) as claim:
        assert claim is not None
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) == before


def test_a_system_without_fcntl_is_for_one_process(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(InputError, match="has no such locks"):
        Claim.take(tmp_path)
    Claim.take(tmp_path, alone=True).release()


def test_other_errors_of_a_lock_are_not_taken_for_a_claim(tmp_path, monkeypatch):
    monkeypatch.setattr("fcntl.flock", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "broken disk")))
    with pytest.raises(OSError, match="broken disk"):
        Claim.take(tmp_path, alone=True)
