"""What a hostile case is, how it is run, and what must hold of it."""

import contextlib
import hashlib
import os
import pickle
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lit_nst.cli import main

CANARY = "CANARY"
# Of the processor; and by the clock, which other processes slow down.
SECONDS, PATIENCE = 8.0, 60.0
BYTES = 1 << 30
# More than any case needs, and less than the machine has: what asks for it gets an error, not the memory.
ROOM = 6 << 30
LEFT: set[str] = set()
# What Python itself shows nobody.
HIDDEN = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)


def nothing(folder: Path) -> None:
    """For cases that need no file."""


@dataclass(frozen=True)
class Case:
    """One bad input.

    Attributes:
        name: Of the case.
        arguments: Of the command line; ``fit`` is put before those that begin with an option.
        says: Parts of the one line, in any order.
        make: Writes the files of the case into the working folder.
        config: Of ``fit``.
        status: The command's.
        slow: Whether it waits for the whole run of tests.
        known: Why it is not refused yet.
    """

    name: str
    arguments: Sequence[str]
    says: Sequence[str]
    make: Callable[[Path], object] = nothing
    config: str = "tiny.yaml"
    status: int = 2
    slow: bool = False
    known: str = ""

    @property
    def line(self) -> list[str]:
        """All arguments."""
        begins = ["fit", "--config", self.config] if self.arguments[0].startswith("--") else []
        return [*begins, *self.arguments]


@dataclass
class Outcome:
    """What a command did."""

    status: object = None
    out: str = ""
    err: str = ""
    told: list[str] = field(default_factory=list)
    seconds: float = 0.0
    bytes: int = 0


class Hang(BaseException):
    """The command did not end."""


class Canary:
    """Pickles as a call that writes the canary, if anyone makes it."""

    def __init__(self, call: Callable[..., object] = os.system, argument: str = f"touch {CANARY}") -> None:
        self.call, self.argument = call, argument

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return self.call, (self.argument,)


SHELL = Canary()
CODE = Canary(exec, f"open({CANARY!r}, 'w').close()")
CANARIES = {"shell": pickle.dumps(SHELL, 2), "code": pickle.dumps(CODE, 4)}


def params(cases: Sequence[Case], quick: int | None = None) -> list[object]:
    """The cases for ``parametrize``; all but the first few wait for the whole run of tests."""
    assert len({case.name for case in cases}) == len(cases)
    return [
        pytest.param(case, id=case.name, marks=_marks(case, quick is not None and place >= quick))
        for place, case in enumerate(cases)
    ]


def _marks(case: Case, late: bool) -> list[pytest.MarkDecorator]:
    known = [pytest.mark.xfail(reason=case.known, strict=False)] if case.known else []
    return [*known, *[pytest.mark.slow] * (case.slow or late)]


def tree(folder: Path) -> dict[str, str]:
    """Everything below a folder: its kind and the SHA-256 of its bytes. Nothing is followed or waited for."""
    found = {}
    for here, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(here, name)
            if path.is_symlink():
                told = f"-> {os.readlink(path)}"
            elif path.is_file():
                told = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                told = "folder" if path.is_dir() else "special"
            found[os.fsdecode(path.relative_to(folder))] = told
    return found


def run(arguments: Sequence[str]) -> Outcome:
    """Runs a command line in this process, in the working folder, as a user would see it."""
    outcome = Outcome()
    with _limited(), _printed(outcome), warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        before, begin = _memory(reset=True), time.process_time()
        try:
            main(list(arguments))
            outcome.status = 0
        except SystemExit as end:
            outcome.status = end.code
        except Hang:
            outcome.status = "it hangs"
        except Exception as error:
            outcome.status = f"{type(error).__name__}: {error}"[:300]
            outcome.error = error  # type: ignore[attr-defined]
        outcome.seconds = time.process_time() - begin
        outcome.bytes = _memory() - before
    outcome.told = [str(one.message) for one in told if not issubclass(one.category, HIDDEN)]
    return outcome


def check(case: Case, folder: Path) -> Outcome:
    """Runs a case in a furnished working folder, and asserts all that must hold."""
    case.make(folder)
    before = tree(folder)
    outcome = run(case.line)
    assert not (folder / CANARY).exists(), "something was executed"
    assert outcome.status == case.status, (outcome.status, outcome.err)
    assert outcome.out == ""
    assert outcome.told == []
    line = outcome.err.removesuffix("\n")
    assert line.startswith("error: ")
    assert line.isprintable(), line
    assert len(line) < 1500
    for part in case.says:
        assert part in line, line
    # What the logger leaves of a run that did not begin.
    assert {name: told for name, told in tree(folder).items() if name not in LEFT} == before
    assert outcome.seconds < SECONDS
    assert outcome.bytes < BYTES
    return outcome


@contextlib.contextmanager
def _printed(outcome: Outcome) -> Iterator[None]:
    """Catches both streams, also below Python; errors of encoding are those of a terminal's."""
    kept = sys.stdout, sys.stderr
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        doubles = os.dup(1), os.dup(2)
        sys.stdout = open(os.dup(out.fileno()), "w", encoding="utf-8", errors="strict", buffering=1)  # noqa: SIM115
        sys.stderr = open(os.dup(err.fileno()), "w", encoding="utf-8", errors="backslashreplace", buffering=1)  # noqa: SIM115
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        try:
            yield
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.close()
            sys.stdout, sys.stderr = kept
            for number, double in enumerate(doubles, start=1):
                os.dup2(double, number)
                os.close(double)
            out.seek(0), err.seek(0)
            outcome.out, outcome.err = (file.read().decode("utf-8", "backslashreplace") for file in (out, err))


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Little time and address space."""

    def stop(*_: object) -> None:
        raise Hang

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    earlier = signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, hard))
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGALRM, earlier)


def _memory(reset: bool = False) -> int:
    """The most that the process had in memory since the last reset, or what it has now."""
    if reset:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024
