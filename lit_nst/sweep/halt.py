"""What ends a sweep before its time, in all of its processes."""

import contextlib
import signal
import sys
import threading
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from lit_nst.errors import InputError
from lit_nst.files import write_atomically
from lit_nst.parallel import Ranks
from lit_nst.sweep.folder import REFUSED

INTERRUPTED, TERMINATED, GRACE, PAUSE = 130, 143, 60.0, 0.5


class Stopped(SystemExit):
    """A run was ended by a signal.

    Args:
        status: To exit with.
        cell: Name of the run's cell.
    """

    def __init__(self, status: int, cell: str) -> None:
        super().__init__(status)
        self.cell = cell


class Halt:
    """A context in which a signal, or an error in any process, ends all of them, and one line says why.

    A process that finds bad input leaves the line in a file in the sweep's folder, where each looks twice a second;
    the first one says it. A run that is under way ends after its step, as after SIGTERM, and can go on. So does that
    of a process whose starter is gone.

    Args:
        ranks: The processes.
        folder: Of the sweep.
    """

    def __init__(self, ranks: Ranks, folder: Path) -> None:
        self.ranks, self.file = ranks, folder / REFUSED
        self._asked, self._over = False, threading.Event()
        self._handlers: dict[int, Any] = {}
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            # SLURM may be told to warn with SIGUSR1.
            names = [name for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name)]
            self._handlers = {number: signal.signal(number, self._on_signal) for number in map(_number, names)}
        if self.ranks.size > 1:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the other processes where there is an error.

        Raises:
            InputError: The first process, where another one has found bad input.
            SystemExit: After a signal; the others also after bad input, of which the first one speaks.
        """
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        for number, handler in self._handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if error is None and not self._asked:
            return
        error = SystemExit(TERMINATED) if error is None else error
        if isinstance(error, KeyboardInterrupt | SystemExit):
            self._stop(error)
        self._tell(str(error) if isinstance(error, InputError) else "")
        if self.ranks.rank == 0:
            self._end_others()
        elif isinstance(error, InputError):
            raise SystemExit(2) from None

    def check(self) -> None:
        """Between two cells: raises SystemExit where a signal came too late for a run to notice."""
        if self._asked:
            raise SystemExit(TERMINATED)

    def _stop(self, error: KeyboardInterrupt | SystemExit) -> None:
        """Ends with what another process has found, or because the user wants it."""
        status = error.code if isinstance(error, SystemExit) else INTERRUPTED
        if self.ranks.rank == 0:
            failed, told = self._failed(), self._told()
            self._end_others()
            if told:
                raise InputError(told) from None
            if told is not None or failed is not None:
                raise SystemExit(failed or 1) from None
            where = f" in cell {error.cell}" if isinstance(error, Stopped) and self.ranks.size == 1 else ""
            print(f"\nstopped{where}; the same command goes on from there", file=sys.stderr, flush=True)
        raise SystemExit(status) from error

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        if self._over.is_set():
            return
        handler = signal.getsignal(signal.SIGTERM)
        if handler == self._on_signal:
            raise SystemExit(TERMINATED)
        # That of a run, which ends after its step, and calls this one, too.
        if number != signal.SIGTERM:
            signal.raise_signal(signal.SIGTERM)

    def _watch(self) -> None:
        while not self._over.wait(PAUSE):
            if self.ranks.orphaned() or self.file.exists() or self._failed() is not None:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
                return

    def _failed(self) -> int | None:
        """Status of a child that ended by itself: one that was told to end leaves its cells to others."""
        status = self.ranks.failed()
        return None if status in (INTERRUPTED, TERMINATED) else status

    def _tell(self, line: str) -> None:
        if self.ranks.size > 1:
            with contextlib.suppress(OSError):
                write_atomically(self.file, line.encode())

    def _told(self) -> str | None:
        with contextlib.suppress(OSError):
            return self.file.read_text(encoding="utf-8")
        return None

    def _end_others(self) -> None:
        self.ranks.stop(signal.SIGTERM)
        self.ranks.wait(GRACE)


def _number(name: str) -> int:
    return int(getattr(signal, name))
