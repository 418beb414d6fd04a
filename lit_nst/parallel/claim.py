"""Which process works in a folder."""

import contextlib
import errno
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from lit_nst.errors import InputError

NAME = ".claim"
LOCKLESS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


class Claim:
    """A folder that one process works in: an exclusive ``flock`` on its file ``.claim``.

    The kernel drops it with the process, however that dies, so there is never a stale one to judge by its age.
    The file is empty and stays: to remove it would let two processes each hold a file of that name.

    Children do not keep it. Those that run another program have the file closed, as Python opens files. A fork shares
    the lock itself, and would hold it after its parent's death, so the child closes the file at once
    (``os.register_at_fork``). Not ``fcntl.lockf``, which no fork shares: a process takes such a lock twice
    without noticing, and loses it as soon as anything in it reads and closes the file.

    On a network file system the server drops the claim of a machine that is gone after a time of its own. A claim
    that is forgotten without ``release`` is held until the process ends.
    """

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        _held.add(self)

    @classmethod
    def take(cls, folder: Path, alone: bool = False, make: bool = True) -> Self | None:
        """Claims a folder, without waiting.

        Args:
            folder: Which one.
            make: The folder is made where it is missing; else there is no claim then.
            alone: There is one process, which works where files cannot be locked too, on its own risk.

        Returns:
            The claim; None where another process holds it, where this one does already, or where the folder was
            removed in the meantime.

        Raises:
            InputError: Files cannot be locked there.
            OSError: The folder cannot be made or written.
        """
        if make:
            folder.mkdir(parents=True, exist_ok=True)
        try:
            claim = cls(os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o666))
        except FileNotFoundError:
            return None
        held = False
        try:
            held = claim._lock(folder, alone)
        finally:
            if not held:
                claim.release()
        return claim if held else None

    def release(self) -> None:
        """Gives the folder back; a second time does nothing."""
        descriptor, self._descriptor = self._descriptor, None
        _held.discard(self)
        if descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _lock(self, folder: Path, alone: bool) -> bool:
        """Whether the lock was free, and is one on the file that has the name now."""
        assert self._descriptor is not None
        try:
            import fcntl

            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return os.path.samestat(os.fstat(self._descriptor), os.stat(folder / NAME))
        except (BlockingIOError, FileNotFoundError):
            return False
        except (ImportError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in LOCKLESS:
                raise
            if alone:
                return True
            reason = error.strerror if isinstance(error, OSError) else "this system has no such locks"
            raise InputError(
                f"{folder}: files cannot be locked there ({reason}), so two processes could compute the same rows; "
                "give --trainer.devices 1, or a folder on another disk"
            ) from None


_held: set[Claim] = set()


def _forget() -> None:
    """In a child: closes its copies, which leaves the parent's locks alone."""
    for claim in list(_held):
        with contextlib.suppress(OSError):
            claim.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
