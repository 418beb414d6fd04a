"""What a pickle's instructions do: those that build plain values, and no others."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from lit_nst.errors import quote
from lit_nst.generators.stylegan2.formats.machine import Machine, as_key
from lit_nst.generators.stylegan2.formats.records import FormatError, Global, Record

_Kind = TypeVar("_Kind")


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
    _top(m, set).update(map(as_key, values))


def _set_items(m: Machine, values: list[Any]) -> None:
    _top(m, dict).update({as_key(key): value for key, value in zip(values[::2], values[1::2], strict=True)})


def _set_item(m: Machine, _: object) -> None:
    value, key = m.stack.pop(), m.stack.pop()
    _set_items(m, [key, value])


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
    if isinstance(target, Record) and target.fill is not None:
        target.fill(target, state)
    # The only one seen: the versions of the modules, on a state dict of torch.
    elif not (isinstance(target, OrderedDict) and isinstance(state, dict) and state.keys() <= {"_metadata"}):
        raise FormatError(f"its pickle sets the state of a {type(target).__name__}, which no checkpoint does")


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
