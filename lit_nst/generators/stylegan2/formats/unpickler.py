"""Reads pickles as data: nothing that is in them is imported, called or run.

A pickle is a program for a stack machine. This machine knows only the instructions that build plain
values, and a closed list of names; a name never becomes the thing that it names. What a name would have
made is a plain value or an inert ``Record``. A file may lie about its sizes: whatever is made is paid for
by bytes of the file, so that a small file cannot ask for much memory or time.
"""

import pickletools
from collections.abc import Callable
from io import SEEK_CUR, BytesIO
from typing import Any

from lit_nst.generators.stylegan2.formats.instructions import ACTIONS
from lit_nst.generators.stylegan2.formats.machine import Allowed, Budget, Machine
from lit_nst.generators.stylegan2.formats.records import FormatError


def unpickle(
    stream: BytesIO,
    allowed: Allowed,
    persistent: Callable[[Any], object] | None = None,
    budget: Budget | None = None,
) -> object:
    """Reads one pickle of protocol 2 or later and leaves the stream behind it.

    Args:
        stream: At the start of the pickle.
        allowed: What the names that it may ask for stand for.
        persistent: Looks up the objects that are kept outside of the pickle; None: there are none.
        budget: That of the whole file, where the pickle is a part of it; None: one of its own.

    Returns:
        Plain values and records.

    Raises:
        FormatError: It asks for anything else.
        Exception: Any, if the bytes are damaged; call it inside of ``reading``.
    """
    if stream.read(1) != b"\x80":
        raise FormatError("not a checkpoint: it holds no pickle of protocol 2 or later; was a web page saved instead?")
    stream.seek(-1, SEEK_CUR)
    machine = Machine(stream, allowed, persistent, budget or Budget())
    for opcode, argument, _ in pickletools.genops(stream):
        machine.budget.take()
        if opcode.name == "STOP":
            break
        action = ACTIONS.get(opcode.name)
        if action is None:
            raise FormatError(f"its pickle uses the instruction {opcode.name}, which this reader does not know")
        action(machine, argument)
    if len(machine.stack) != 1 or machine.below:
        raise FormatError("damaged: its pickle ends too early; download it again")
    return machine.stack[0]
