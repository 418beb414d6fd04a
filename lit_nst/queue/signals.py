"""What ends a run before its time: SIGTERM, SLURM's SIGUSR1, Ctrl-C."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

TERMINATED, INTERRUPTED = 143, 130
# Seconds that a process gives the others to save.
GRACE = 60.0


class Stopped(SystemExit):
    """The end of a run that was told to stop, and how to go on with it.

    Args:
        status: Exit status.
        line: What the user is told; None: another process does so.
    """

    def __init__(self, status: int, line: str | None = None) -> None:
        super().__init__(status)
        self.line = line


class Signals:
    """A context in which a signal raises ``Stopped`` where it comes: what is on the disk is always whole.

    Attributes:
        patient: Steps are being computed: SIGTERM waits for the end of one, which Lightning knows of and
            ``Checkpoint`` saves.
        status: That the process will end with; None: no signal has come.
    """

    def __init__(self) -> None:
        self.patient, self.status = False, None
        self._before: dict[int, Any] = {}

    patient: bool
    status: int | None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
                if (number := getattr(signal, name, None)) is not None:
                    self._before[number] = signal.getsignal(number)
                    # What a shell has put into the background does not listen to Ctrl-C.
                    if (name, self._before[number]) != ("SIGINT", signal.SIG_IGN):
                        signal.signal(number, getattr(self, f"_{name.lower()}"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def check(self) -> None:
        """Raises ``Stopped`` where a signal came while steps were computed, or where nothing could be raised."""
        if self.status is not None:
            raise Stopped(self.status)

    def _sigint(self, number: int, frame: FrameType | None) -> None:
        self.status = INTERRUPTED
        raise Stopped(INTERRUPTED)

    def _sigterm(self, number: int, frame: FrameType | None) -> None:
        # That of a sweep.
        if callable(before := self._before[number]):
            before(number, frame)
        # A second one finds a process that is ending.
        if self.status is None:
            self.status = TERMINATED
            if not self.patient:
                raise Stopped(TERMINATED)

    def _sigusr1(self, number: int, frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGTERM)
