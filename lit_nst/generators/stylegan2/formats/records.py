"""What reading a foreign file gives beside plain values, and how it fails."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lit_nst.errors import InputError, quote


class FormatError(ValueError):
    """What is wrong with a file, without its name; ``reading`` adds it."""


@dataclass(eq=False)
class Record:
    """Stands for an object whose class is not known here.

    Args:
        kind: Its class, as ``"argparse.Namespace"``; the bare class name for NVlabs' persistent objects.
        state: Its attributes; of an array of NumPy, ``{"array": …}``.
        fill: Takes the state that a pickle sets after it has made the object; None: it must not set one.
    """

    kind: str
    state: dict[str, Any] = field(default_factory=dict)
    fill: Callable[["Record", Any], None] | None = None


@dataclass(frozen=True)
class Global:
    """A name that is on the list; it stays a name."""

    module: str
    name: str


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns whatever goes wrong while a foreign file is read into one ``InputError`` that names the file.

    Raises:
        InputError: Instead of any other exception.
    """
    try:
        yield
    except InputError:
        raise
    except FormatError as error:
        raise InputError(f"{path}: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or quote(error)})") from None
    # Damaged bytes fail anywhere, as anything; none of it is the user's traceback.
    except Exception as error:
        reason = f"{type(error).__name__}: {quote(error)}"
        raise InputError(f"{path}: damaged, or not a checkpoint ({reason}); download it again") from None


def parts(value: object, *lengths: int) -> tuple[Any, ...]:
    """A tuple of one of these lengths.

    A tensor could be taken apart as well, into an object for each of its numbers.

    Raises:
        FormatError: Anything else.

    >>> parts((1, 2), 2, 3)
    (1, 2)
    """
    if not isinstance(value, tuple) or len(value) not in lengths:
        raise FormatError(f"damaged: a {type(value).__name__} stands where {lengths[0]} values should")
    return value
