"""What the names of Python's, NumPy's and NVlabs' libraries stand for in a pickle."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from lit_nst.errors import quote
from lit_nst.generators.stylegan2.formats import arrays
from lit_nst.generators.stylegan2.formats.machine import Allowed, Call, Machine, as_key
from lit_nst.generators.stylegan2.formats.records import FormatError, Record, parts


def _new_ordered(m: Machine, arguments: tuple[Any, ...]) -> OrderedDict[str | int, Any]:
    (pairs,) = parts(arguments, 1, 0) or ([],)
    if not isinstance(pairs, list):
        raise FormatError("damaged: an ordered dictionary of no list")
    m.spend(len(pairs))
    found = OrderedDict[str | int, Any]()
    for pair in pairs:
        # Lists of two in protocol 2, tuples later.
        key, value = parts(tuple(pair) if isinstance(pair, list) else pair, 2)
        found[as_key(key)] = value
    return found


def _new_set(m: Machine, arguments: tuple[Any, ...]) -> set[str | int]:
    (values,) = parts(arguments, 1)
    if not isinstance(values, list):
        raise FormatError("damaged: a set of no list")
    m.spend(len(values))
    return set(map(as_key, values))


def _encode(m: Machine, arguments: tuple[Any, ...]) -> bytes:
    text, encoding = parts(arguments, 2)
    if type(text) is not str or encoding not in ("latin1", "latin-1"):
        raise FormatError("damaged: its pickle holds bytes in an unknown encoding")
    m.spend(len(text))
    return text.encode("latin-1")


def _attributes(state: object) -> dict[str, Any]:
    if not isinstance(state, dict):
        raise FormatError("damaged: the state of an object is no dictionary")
    for key in state:
        if not isinstance(key, str) or key.startswith("__"):
            raise FormatError(f"its pickle sets the attribute {quote(key)}, which no checkpoint does; nothing was run")
    return state


def _object(kind: str) -> Call:
    def call(m: Machine, arguments: tuple[Any, ...]) -> Record:
        parts(arguments, 0)

        def fill(target: Record, state: Any) -> None:
            attributes = _attributes(state)
            m.spend(len(attributes))
            target.state.update(attributes)

        return Record(kind, {}, fill)

    return call


def _new_persistent(m: Machine, arguments: tuple[Any, ...]) -> Record:
    # NVlabs' own loader runs the source text ``module_src`` that comes with each object; here it is not looked at.
    (meta,) = parts(arguments, 1)
    name = meta["class_name"]
    if meta["type"] != "class" or type(name) is not str or not name.isidentifier():
        raise FormatError("damaged: a persistent object that is no instance of a class")
    attributes = _attributes(meta["state"])
    m.spend(len(attributes))
    return Record(name, attributes)


def _empty(make: Callable[[], object]) -> Call:
    def call(m: Machine, arguments: tuple[Any, ...]) -> object:
        parts(arguments, 0)
        return make()

    return call


PLAIN: Allowed = {
    **arrays.NAMES,
    ("collections", "OrderedDict"): _new_ordered,
    ("builtins", "set"): _new_set,
    ("__builtin__", "set"): _new_set,
    ("builtins", "bytes"): _empty(bytes),
    ("__builtin__", "bytes"): _empty(bytes),
    ("_codecs", "encode"): _encode,
    ("argparse", "Namespace"): _object("argparse.Namespace"),
    ("dnnlib.util", "EasyDict"): _empty(dict),
    ("dnnlib", "EasyDict"): _empty(dict),
    ("dnnlib.tflib.network", "Network"): _object("dnnlib.tflib.network.Network"),
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _new_persistent,
}
"""The closed list; ``torch_file`` adds torch's."""
