"""What the parsers of the commands share."""

import argparse
from typing import NoReturn

from lit_nst.errors import InputError


class CommandParser(argparse.ArgumentParser):
    """A parser that neither abbreviates options nor ends the process on bad input.

    Args:
        name: Of the command, as after ``lit-nst``.
        text: What ``--help`` shows, examples and all.
    """

    def __init__(self, name: str, text: str) -> None:
        super().__init__(
            f"lit-nst {name}",
            description=text,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Raises InputError with one line."""
        raise InputError(f"{self.prog}: {message}; see {self.prog} --help")
