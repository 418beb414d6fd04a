"""TensorBoard's files on a disk that is full."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATTERN = "events.out.tfevents.*.{}.*"


@contextlib.contextmanager
def quiet_writers() -> Iterator[None]:
    """A thread of TensorBoard's that cannot write prints nothing: the next call of its writer raises the same."""
    before = threading.excepthook

    def hook(args: Any) -> None:
        if not (issubclass(args.exc_type, OSError) and type(args.thread).__module__.startswith("tensorboard")):
            before(args)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


@contextlib.contextmanager
def events_named(folder: Path, remove: bool = False) -> Iterator[None]:
    """Gives failures of TensorBoard's writer, which come without a name, that of its file in a folder.

    Args:
        folder: Where this process writes one.
        remove: The file is removed then.
    """
    before = set(folder.glob(PATTERN.format(os.getpid())))
    try:
        yield
    except OSError as error:
        files = sorted(set(folder.glob(PATTERN.format(os.getpid()))) - before)
        if remove:
            for file in files:
                file.unlink()
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(files[0] if files else folder)) from error
