"""Reads pickles as data: nothing that is in them is imported, called or run.

A pickle is a program for a stack machine. This machine knows only the instructions that build plain
values, and a closed list of names; a name never becomes the thing that it names. What a name would have
made is a plain value or an inert ``Record``. A file may lie about its sizes: whatever is made is paid for
by bytes of the file, so that a small file cannot ask for much memory or time.
"""

import pickletools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import SEEK_CUR, SEEK_END, BytesIO
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from lit_nst.errors import InputError

# Checkpoints of a few hundred layers, their optimisers included, have about a hundred thousand.
INSTRUCTIONS = 500_000
KEY_LENGTH = 1000
AXES = 8
NUMBERS = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}


class FormatError(ValueError):
    """What is wrong with a file, without its name; ``reading`` adds it."""


@dataclass(eq=False)
class Record:
    """Stands for an object whose class is not known here.

    Args:
        kind: Its class, as ``"argparse.Namespace"``; the bare class name for NVlabs' persistent objects.
        state: Its attributes; of an array of NumPy, ``{"array": …}``.
    """

    kind: str
    state: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Global:
    """A name that is on the list; it stays a name."""

    module: str
    name: str


_Kind = TypeVar("_Kind")
Call = Callable[["Machine", tuple[Any, ...]], object]
Allowed = Mapping[tuple[str, str], Call]


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


def quote(text: object) -> str:
    r"""Foreign text made fit for one line of a message.

    >>> quote("a\nb\x1b[2J")
    'a b\\x1b[2J'
    """
    return " ".join(str(text)[:80].split()).encode("unicode_escape").decode("ascii")


def unpickle(stream: BytesIO, allowed: Allowed, persistent: Callable[[Any], object] | None = None) -> object:
    """Reads one pickle of protocol 2 or later and leaves the stream behind it.

    Args:
        stream: At the start of the pickle.
        allowed: What the names that it may ask for stand for.
        persistent: Looks up the objects that are kept outside of the pickle; None: there are none.

    Returns:
        Plain values and records.

    Raises:
        FormatError: It asks for anything else.
        Exception: Any, if the bytes are damaged; call it inside of ``reading``.
    """
    return Machine(stream, allowed, persistent).run()


class Machine:
    """The stack machine; its arguments are those of ``unpickle``."""

    def __init__(self, stream: BytesIO, allowed: Allowed, persistent: Callable[[Any], object] | None) -> None:
        self.stream, self.allowed, self.persistent = stream, allowed, persistent
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        start = stream.tell()
        # Bytes of protocol 2 are copied twice, from text and into a storage; nothing else is.
        self.credit = 2 * (stream.seek(0, SEEK_END) - start)
        stream.seek(start)

    def run(self) -> object:
        """The value of the pickle."""
        if self.stream.read(1) != b"\x80":
            raise FormatError(
                "not a checkpoint: it holds no pickle of protocol 2 or later; was a web page saved instead?"
            )
        self.stream.seek(-1, SEEK_CUR)
        for count, (opcode, argument, _) in enumerate(pickletools.genops(self.stream)):
            name = opcode.name
            if count >= INSTRUCTIONS:
                raise FormatError(f"a pickle of more than {INSTRUCTIONS} instructions, which no checkpoint needs")
            if name == "STOP":
                break
            action = ACTIONS.get(name)
            if action is None:
                raise FormatError(f"its pickle uses the instruction {name}, which this reader does not know")
            action(self, argument)
        if len(self.stack) != 1 or self.below:
            raise FormatError("damaged: its pickle ends too early; download it again")
        return self.stack[0]

    def spend(self, amount: int) -> None:
        """Pays for a copy of so many bytes or items by the length of the file."""
        self.credit -= amount
        if self.credit < 0:
            raise FormatError("its pickle asks for more memory than the size of the file explains")

    def items(self) -> list[Any]:
        """What was pushed since the last mark."""
        found, self.stack = self.stack, self.below.pop()
        return found


def _mark(m: Machine, _: object) -> None:
    m.below.append(m.stack)
    m.stack = []


def _tuple(m: Machine, _: object) -> None:
    values = tuple(m.items())
    m.stack.append(values)


def _join(m: Machine, count: int) -> None:
    if len(m.stack) < count:
        raise FormatError("damaged: its pickle lacks values")
    m.stack[-count:] = [tuple(m.stack[-count:])]


def _put(m: Machine, index: int | None) -> None:
    m.memo[len(m.memo) if index is None else index] = m.stack[-1]


def _top(m: Machine, kind: type[_Kind]) -> _Kind:
    target = m.stack[-1]
    if not isinstance(target, kind):
        raise FormatError(f"damaged: its pickle fills a {type(target).__name__} as a {kind.__name__}")
    return target


def _append(m: Machine, values: list[Any]) -> None:
    _top(m, list).extend(values)


def _add(m: Machine, values: list[Any]) -> None:
    _top(m, set).update(map(_key, values))


def _set_items(m: Machine, values: list[Any]) -> None:
    _top(m, dict).update({_key(key): value for key, value in zip(values[::2], values[1::2], strict=True)})


def _set_item(m: Machine, _: object) -> None:
    value, key = m.stack.pop(), m.stack.pop()
    _set_items(m, [key, value])


def _key(value: object) -> str | int:
    # Nested or long keys could make every look-up slow.
    if not isinstance(value, (str, int)) or (isinstance(value, str) and len(value) > KEY_LENGTH):
        raise FormatError(f"its pickle uses a {type(value).__name__} as a key, which no checkpoint does")
    return value


def _global(m: Machine, module: object, name: object) -> None:
    if type(module) is not str or type(name) is not str:
        raise FormatError("damaged: its pickle asks for a name that is no text; nothing was run")
    if (module, name) not in m.allowed:
        raise FormatError(f"it asks for {quote(f'{module}.{name}')}, which this reader does not know; nothing was run")
    m.stack.append(Global(module, name))


def _stack_global(m: Machine, _: object) -> None:
    name, module = m.stack.pop(), m.stack.pop()
    _global(m, module, name)


def _call(m: Machine, _: object) -> None:
    arguments, name = m.stack.pop(), m.stack.pop()
    if not isinstance(name, Global) or not isinstance(arguments, tuple):
        raise FormatError("its pickle calls what is no name; nothing was run")
    m.stack.append(m.allowed[name.module, name.name](m, arguments))


def _persistent(m: Machine, _: object) -> None:
    if m.persistent is None:
        raise FormatError("its pickle refers to an object outside of it, which no such file does")
    m.stack.append(m.persistent(m.stack.pop()))


def _build(m: Machine, _: object) -> None:
    state, target = m.stack.pop(), m.stack[-1]
    if isinstance(target, Record) and target.kind in BUILDERS:
        BUILDERS[target.kind](m, target, state)
    # The only one seen: the versions of the modules, on a state dict of torch.
    elif not (isinstance(target, OrderedDict) and isinstance(state, dict) and state.keys() <= {"_metadata"}):
        raise FormatError(f"its pickle sets the state of a {type(target).__name__}, which no checkpoint does")


def _attributes(m: Machine, state: object) -> dict[str, Any]:
    if not isinstance(state, dict):
        raise FormatError("damaged: the state of an object is no dictionary")
    m.spend(len(state))
    for key in state:
        if not isinstance(key, str) or key.startswith("__"):
            raise FormatError(f"its pickle sets the attribute {quote(key)}, which no checkpoint does; nothing was run")
    return state


def _build_object(m: Machine, target: Record, state: object) -> None:
    target.state.update(_attributes(m, state))


def _build_dtype(m: Machine, target: Record, state: tuple[Any, ...]) -> None:
    if state[1] not in ("<", ">", "=", "|"):
        raise FormatError("damaged: an unknown byte order")
    target.state["order"] = state[1]


def _build_array(m: Machine, target: Record, state: tuple[Any, ...]) -> None:
    _, shape, dtype, fortran, data = state
    if type(shape) is not tuple or len(shape) > AXES:
        raise FormatError("damaged: an array of a strange shape")
    target.state["array"] = np.frombuffer(data, _dtype(dtype)).reshape(shape, order="F" if fortran else "C")


def _dtype(record: object) -> np.dtype[Any]:
    if not isinstance(record, Record) or record.kind != "numpy.dtype":
        raise FormatError("damaged: an array without a type")
    dtype: np.dtype[Any] = np.dtype(record.state["order"] + record.state["code"])
    return dtype


def _new_dtype(m: Machine, arguments: tuple[Any, ...]) -> Record:
    code = arguments[0]
    if type(code) is not str or code not in NUMBERS:
        raise FormatError("it holds an array of other things than plain numbers, which this reader does not know")
    return Record("numpy.dtype", {"code": code, "order": "="})


def _new_scalar(m: Machine, arguments: tuple[Any, ...]) -> float:
    dtype, data = arguments
    value: float = np.frombuffer(data, _dtype(dtype), count=1).item()
    return value


def _new_array(m: Machine, arguments: tuple[Any, ...]) -> Record:
    if arguments[0] != Global("numpy", "ndarray"):
        raise FormatError("damaged: an array of a strange class")
    return Record("numpy.ndarray")


def _new_ordered(m: Machine, arguments: tuple[Any, ...]) -> OrderedDict[str | int, Any]:
    pairs: list[tuple[Any, Any]] = list(*arguments)
    m.spend(len(pairs))
    return OrderedDict((_key(key), value) for key, value in pairs)


def _new_set(m: Machine, arguments: tuple[Any, ...]) -> set[str | int]:
    (values,) = arguments
    m.spend(len(values))
    return set(map(_key, values))


def _encode(m: Machine, arguments: tuple[Any, ...]) -> bytes:
    text, encoding = arguments
    if type(text) is not str or encoding not in ("latin1", "latin-1"):
        raise FormatError("damaged: its pickle holds bytes in an unknown encoding")
    m.spend(len(text))
    return text.encode("latin-1")


def _new_persistent(m: Machine, arguments: tuple[Any, ...]) -> Record:
    # NVlabs' own loader runs the source text ``module_src`` that comes with each object; here it is not looked at.
    (meta,) = arguments
    name = meta["class_name"]
    if meta["type"] != "class" or type(name) is not str or not name.isidentifier():
        raise FormatError("damaged: a persistent object that is no instance of a class")
    return Record(name, _attributes(m, meta["state"]))


def _empty(make: Callable[[], object]) -> Call:
    def call(m: Machine, arguments: tuple[Any, ...]) -> object:
        if arguments:
            raise FormatError("damaged: its pickle makes an empty object from others")
        return make()

    return call


def name_only(m: Machine, arguments: tuple[Any, ...]) -> object:
    """For names that a pickle may mention but not call."""
    raise FormatError("damaged: its pickle calls what can only be named; nothing was run")


BUILDERS: dict[str, Callable[[Machine, Record, Any], None]] = {
    "argparse.Namespace": _build_object,
    "dnnlib.tflib.network.Network": _build_object,
    "numpy.dtype": _build_dtype,
    "numpy.ndarray": _build_array,
}

PLAIN: Allowed = {
    ("collections", "OrderedDict"): _new_ordered,
    ("builtins", "set"): _new_set,
    ("__builtin__", "set"): _new_set,
    ("builtins", "bytes"): _empty(bytes),
    ("__builtin__", "bytes"): _empty(bytes),
    ("_codecs", "encode"): _encode,
    ("argparse", "Namespace"): _empty(lambda: Record("argparse.Namespace")),
    ("numpy", "dtype"): _new_dtype,
    ("numpy", "ndarray"): name_only,
    ("numpy.core.multiarray", "scalar"): _new_scalar,
    ("numpy._core.multiarray", "scalar"): _new_scalar,
    ("numpy.core.multiarray", "_reconstruct"): _new_array,
    ("numpy._core.multiarray", "_reconstruct"): _new_array,
    ("dnnlib.util", "EasyDict"): _empty(dict),
    ("dnnlib", "EasyDict"): _empty(dict),
    ("dnnlib.tflib.network", "Network"): _empty(lambda: Record("dnnlib.tflib.network.Network")),
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _new_persistent,
}
"""Names of Python, NumPy and NVlabs' libraries; ``torch_file`` adds torch's."""

ACTIONS: dict[str, Callable[[Machine, Any], object]] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda m, _: None),
    **dict.fromkeys(
        (
            *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
            *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
        ),
        lambda m, value: m.stack.append(value),
    ),
    "NONE": lambda m, _: m.stack.append(None),
    "NEWTRUE": lambda m, _: m.stack.append(True),
    "NEWFALSE": lambda m, _: m.stack.append(False),
    "EMPTY_LIST": lambda m, _: m.stack.append([]),
    "EMPTY_DICT": lambda m, _: m.stack.append({}),
    "EMPTY_SET": lambda m, _: m.stack.append(set()),
    "EMPTY_TUPLE": lambda m, _: m.stack.append(()),
    "TUPLE1": lambda m, _: _join(m, 1),
    "TUPLE2": lambda m, _: _join(m, 2),
    "TUPLE3": lambda m, _: _join(m, 3),
    "MARK": _mark,
    "TUPLE": _tuple,
    "APPEND": lambda m, _: _append(m, [m.stack.pop()]),
    "APPENDS": lambda m, _: _append(m, m.items()),
    "ADDITEMS": lambda m, _: _add(m, m.items()),
    "SETITEM": _set_item,
    "SETITEMS": lambda m, _: _set_items(m, m.items()),
    "POP": lambda m, _: m.stack.pop(),
    "POP_MARK": lambda m, _: m.items(),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT", "MEMOIZE"), _put),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda m, index: m.stack.append(m.memo[index])),
    "GLOBAL": lambda m, text: _global(m, *text.split(" ", 1)),
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _call,
    "NEWOBJ": _call,
    "BUILD": _build,
    "BINPERSID": _persistent,
}
