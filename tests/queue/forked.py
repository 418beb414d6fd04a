"""The command line in processes of their own, without a second import: a fork of this one for each."""

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lit_nst.cli import main

ENTRY = Path(__file__).resolve().parents[2] / "cli.py"


class Forked:
    """``cli.py ARGS`` in a fork, which leads a process group, as one that a terminal started.

    Args:
        args: Arguments.
        folder: Where it works.
        before: Called in the fork first, to break something.
        env: Its environment besides.
    """

    def __init__(
        self, args: list[str], folder: Path, before: Callable[[], Any] | None = None, env: dict[str, str] | None = None
    ) -> None:
        self.log = folder / f"{time.monotonic_ns()}.log"
        self.status: int | None = None
        self.pid = os.fork()
        if not self.pid:
            os._exit(self._run(args, folder, before, env or {}))

    def _run(self, args: list[str], folder: Path, before: Callable[[], Any] | None, env: dict[str, str]) -> int:
        try:
            os.setsid()
            os.chdir(folder)
            os.environ.update(env)
            for stream, number in ((self.log.with_suffix(".out"), 1), (self.log, 2)):
                os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            # pytest's own would keep what a thread prints.
            threading.excepthook = threading.__excepthook__
            # What the launcher starts once more.
            sys.argv, sys.modules["__main__"].__spec__ = [str(ENTRY), *args], None
            if before is not None:
                before()
            main(args)
            return 0
        except SystemExit as error:
            return error.code if isinstance(error.code, int) else int(error.code is not None)
        except BaseException:
            traceback.print_exc()
            return 1
        finally:
            sys.stdout.flush()
            sys.stderr.flush()

    def running(self) -> bool:
        """Whether it still is."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status is None

    def wait(self, seconds: float = 60) -> int:
        """Its status, below 0 for a signal; it is killed after some seconds."""
        end = time.monotonic() + seconds
        while self.running():
            if time.monotonic() > end:
                os.killpg(self.pid, signal.SIGKILL)
                self.running()
                raise TimeoutError(f"still running after {seconds} s: {self.said}")
            time.sleep(0.01)
        assert self.status is not None
        return self.status

    def send(self, number: int, group: bool = False) -> None:
        """Sends a signal, to the whole group as a terminal does."""
        (os.killpg if group else os.kill)(self.pid, number)

    @property
    def said(self) -> str:
        """What it wrote to standard error."""
        return self.log.read_text()


def until(condition: Callable[[], Any], seconds: float = 60) -> None:
    """Waits for something."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("it did not come")
        time.sleep(0.01)
