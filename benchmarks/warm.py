"""Commands as forks of one warm process: the imports are paid once, and each process tells what it is at.

The first process of a command is a fork of this one. Where it would start the command again for another device, it
forks itself; all else is as in any command: the folder, the claims, the port, the orphans. Needs one thread, since a
pool of threads does not survive a fork.
"""

import contextlib
import mmap
import os
import select
import signal
import struct
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, NoReturn

from lightning.pytorch.strategies.launchers import subprocess_script

from lit_nst.callbacks import Results
from lit_nst.cli import main as command_line
from lit_nst.parallel import AtomicCheckpointIO, Ranks
from lit_nst.queue import finish as ending
from lit_nst.queue import run, search
from lit_nst.queue.folder import RunFolder
from lit_nst.tasks import Inversion

# What a process is at: outer ones first, as far as they lie in each other.
PHASES = (
    "launch", "agree", "prepare", "rehearse", "cut", "divide", "loop", "fit", "step", "checkpoint", "results", "finish",
    "wait", "consolidate", "join", "tidy", "write",
)  # fmt: skip
HOLD, PAUSE = 2.5, 0.001


class Slot(NamedTuple):
    """What is known of a rank: its process and phase, and the phase at whose begin or end it is to stand still."""

    pid: int = 0
    phase: int = 0
    aim: int = -1
    at_end: int = 0
    left: int = 0
    held: int = 0


LAYOUT = struct.Struct("6i")


class Board:
    """Memory that the processes of a command share with this one."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, 2 * LAYOUT.size)
        for rank in range(2):
            self[rank] = Slot()

    def __getitem__(self, rank: int) -> Slot:
        return Slot(*LAYOUT.unpack_from(self.memory, rank * LAYOUT.size))

    def __setitem__(self, rank: int, slot: Slot) -> None:
        LAYOUT.pack_into(self.memory, rank * LAYOUT.size, *slot)

    def pass_by(self, rank: int, phase: int, at_end: int) -> int:
        """Notes a phase, stands still if it is told to, and returns the phase before."""
        slot = self[rank]
        hit = (slot.aim, slot.at_end) == (phase, at_end) and not slot.held
        held = int(hit and slot.left == 0)
        self[rank] = slot._replace(phase=phase, held=slot.held or held, left=slot.left - hit)
        if held:
            time.sleep(HOLD)
        return slot.phase


_board: Board | None = None


@contextlib.contextmanager
def phase(name: str) -> Iterator[None]:
    """What this process is at."""
    if _board is None:
        yield
        return
    rank, number = int(os.environ.get("LOCAL_RANK", "0")), PHASES.index(name)
    before = _board.pass_by(rank, number, 0)
    try:
        yield
    finally:
        _board.pass_by(rank, number, 1)
        _board[rank] = _board[rank]._replace(phase=before)


def observe() -> None:
    """Lets the parts of a run tell when they begin and end; once, before any fork."""
    for owner, name, what in (
        (Ranks, "agree", "agree"), (run.Run, "_prepare", "prepare"), (run.Run, "_cut", "cut"),
        (run, "rehearse", "rehearse"), (run, "divide", "divide"), (search, "divide", "divide"),
        (search.Search, "run", "loop"), (search.Search, "_fit", "fit"), (search.Search, "_wait", "wait"),
        (Inversion, "training_step", "step"), (AtomicCheckpointIO, "save_checkpoint", "checkpoint"),
        (Results, "on_train_end", "results"), (RunFolder, "finish", "finish"), (run, "finish", "consolidate"),
        (ending, "join", "join"), (ending, "tidy", "tidy"), (run, "tidy", "tidy"), (os, "fsync", "write"),
    ):  # fmt: skip
        _observe(owner, name, what)


def _observe(owner: Any, name: str, what: str) -> None:
    function = getattr(owner, name)

    def telling(*args: Any, **kwargs: Any) -> Any:
        with phase(what):
            return function(*args, **kwargs)

    setattr(owner, name, telling)


class Child:
    """A fork, with what is used of a ``subprocess.Popen``."""

    def __init__(self, command: Callable[[], object], environment: Mapping[str, str]) -> None:
        self._status: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            os.environ.clear()
            os.environ.update(environment)
            _perform(command)

    def poll(self) -> int | None:
        """The exit status; below 0 for a signal; None while it runs."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end."""
        end = time.monotonic() + (timeout or 1e9)
        while (status := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("fork", timeout or 0)
            time.sleep(PAUSE)
        return status

    def send_signal(self, signum: int) -> None:
        """Sends it, if it runs still."""
        if self.poll() is None:
            os.kill(self.pid, signum)


class Command:
    """A command that runs in one or two processes.

    Args:
        arguments: As of ``lit-nst``.
        folder: Where it runs.
        log: Takes what it prints.
        cores: For each rank the core that it is to run on; empty: any.
        held: Rank → where it is to stand still.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        log: Path,
        cores: Sequence[int] = (),
        held: Mapping[int, Slot] | None = None,
    ) -> None:
        self.board = Board()
        for rank, slot in (held or {}).items():
            self.board[rank] = slot
        self._ends, writer = os.pipe()
        with log.open("ab") as file:
            self._log = file.fileno()
            self._settings = list(arguments), folder, list(cores)
            self.first = Child(self._begin, dict(os.environ))
        # All of its processes hold this end, so it closes with the last one.
        os.close(writer)

    def stands(self) -> bool:
        """Whether one of its processes stands still where it was told to."""
        return any(self.board[rank].held for rank in range(2))

    def underway(self) -> None:
        """Waits until its first process has built everything."""
        while not self.board[0].phase and self.first.poll() is None:
            time.sleep(PAUSE)

    def kill(self, *ranks: int) -> dict[int, str]:
        """Kills some of its processes at once; what each was at."""
        pids = {rank: self.board[rank].pid for rank in ranks if self.board[rank].pid}
        for pid in pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if 0 in pids:
            self.first.wait()
        time.sleep(PAUSE)
        return {rank: PHASES[self.board[rank].phase] for rank in pids}

    def ended(self, timeout: float = 0.0) -> bool:
        """Whether none of its processes is left, after so many seconds at most."""
        return bool(select.select([self._ends], [], [], timeout)[0])

    def close(self) -> None:
        """Ends it, whatever it is at."""
        self.kill(0, 1)
        os.close(self._ends)

    def _begin(self) -> None:
        for stream in (1, 2):
            os.dup2(self._log, stream)
        os.chdir(self._settings[1])
        # In this process alone: it is a fork that does nothing else.
        subprocess_script.subprocess = SimpleNamespace(Popen=self._other)  # type: ignore[assignment, attr-defined]
        self._work()

    def _other(self, _: Sequence[str], env: Mapping[str, str], cwd: str | None) -> Child:
        return Child(self._work, env)

    def _work(self) -> None:
        global _board
        _board, rank = self.board, int(os.environ.get("LOCAL_RANK", "0"))
        arguments, _, cores = self._settings
        if cores:
            os.sched_setaffinity(0, {cores[rank]})
        _board[rank] = _board[rank]._replace(pid=os.getpid(), phase=0)
        command_line(arguments)


def _perform(command: Callable[[], object]) -> NoReturn:
    status = 1
    try:
        command()
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
