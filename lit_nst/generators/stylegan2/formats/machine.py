"""The stack machine that pickles are programs for: what it holds, and what it may spend."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import SEEK_END, BytesIO
from typing import Any

from lit_nst.generators.stylegan2.formats.records import FormatError

# Checkpoints of a few hundred layers, their optimisers included, have about a hundred thousand.
INSTRUCTIONS = 300_000
KEY_LENGTH, KEY_BITS = 1000, 60

Call = Callable[["Machine", tuple[Any, ...]], object]
Allowed = Mapping[tuple[str, str], Call]


@dataclass
class Budget:
    """Instructions that a file may still run, those of pickles within its pickles included."""

    instructions: int = INSTRUCTIONS

    def take(self) -> None:
        """One of them.

        Raises:
            FormatError: There are none left.
        """
        self.instructions -= 1
        if self.instructions < 0:
            raise FormatError(f"a pickle of more than {INSTRUCTIONS} instructions, which no checkpoint needs")


class Machine:
    """Stack, marks and memo, and the bytes that the rest of the stream pays for.

    Args:
        stream: At the start of the pickle.
        allowed: What the names that it may ask for stand for.
        persistent: Looks up the objects that are kept outside of the pickle; None: there are none.
        budget: Of the whole file.
    """

    def __init__(
        self, stream: BytesIO, allowed: Allowed, persistent: Callable[[Any], object] | None, budget: Budget
    ) -> None:
        self.allowed, self.persistent, self.budget = allowed, persistent, budget
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        start = stream.tell()
        # Bytes of protocol 2 are copied twice, from text and into a storage; nothing else is.
        self.credit = 2 * (stream.seek(0, SEEK_END) - start)
        stream.seek(start)

    def spend(self, amount: int) -> None:
        """Pays for a copy of so many bytes or items by the length of the file.

        Raises:
            FormatError: The file is too short for it.
        """
        self.credit -= amount
        if self.credit < 0:
            raise FormatError("its pickle asks for more memory than the size of the file explains")

    def items(self) -> list[Any]:
        """What was pushed since the last mark."""
        found, self.stack = self.stack, self.below.pop()
        return found


def as_key(value: object) -> str | int:
    """A value that may be a key, of a dictionary or a set.

    Raises:
        FormatError: It could make look-ups slow: it is nested, long, or a number beyond the modulus of Python's hash,
            where numbers without end share one hash.
    """
    if not isinstance(value, (str, int)) or (isinstance(value, str) and len(value) > KEY_LENGTH):
        raise FormatError(f"its pickle uses a {type(value).__name__} as a key, which no checkpoint does")
    if isinstance(value, int) and value.bit_length() > KEY_BITS:
        raise FormatError("its pickle uses a huge number as a key, which no checkpoint does")
    return value


def name_only(m: Machine, arguments: tuple[Any, ...]) -> object:
    """For names that a pickle may mention but not call."""
    raise FormatError("damaged: its pickle calls what can only be named; nothing was run")
