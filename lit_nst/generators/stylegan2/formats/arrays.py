"""NumPy's numbers, types and arrays, as pickles hold them."""

from typing import Any

import numpy as np

from lit_nst.generators.stylegan2.formats.machine import Allowed, Machine, name_only
from lit_nst.generators.stylegan2.formats.records import FormatError, Global, Record, parts

AXES = 8
NUMBERS = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}


def _new_dtype(m: Machine, arguments: tuple[Any, ...]) -> Record:
    code = arguments[0]
    if type(code) is not str or code not in NUMBERS:
        raise FormatError("it holds an array of other things than plain numbers, which this reader does not know")
    return Record("numpy.dtype", {"code": code, "order": "="}, _fill_dtype)


def _fill_dtype(target: Record, state: Any) -> None:
    if not isinstance(state, tuple) or state[1] not in ("<", ">", "=", "|"):
        raise FormatError("damaged: an unknown byte order")
    target.state["order"] = state[1]


def _dtype(record: object) -> np.dtype[Any]:
    if not isinstance(record, Record) or record.kind != "numpy.dtype":
        raise FormatError("damaged: an array without a type")
    dtype: np.dtype[Any] = np.dtype(record.state["order"] + record.state["code"])
    return dtype


def _new_scalar(m: Machine, arguments: tuple[Any, ...]) -> float:
    dtype, data = parts(arguments, 2)
    value: float = np.frombuffer(data, _dtype(dtype), count=1).item()
    return value


def _new_array(m: Machine, arguments: tuple[Any, ...]) -> Record:
    if arguments[0] != Global("numpy", "ndarray"):
        raise FormatError("damaged: an array of a strange class")
    return Record("numpy.ndarray", {}, _fill_array)


def _fill_array(target: Record, state: Any) -> None:
    _, shape, dtype, fortran, data = parts(state, 5)
    if type(shape) is not tuple or len(shape) > AXES or any(type(n) is not int or n < 0 for n in shape):
        raise FormatError("damaged: an array of a strange shape")
    target.state["array"] = np.frombuffer(data, _dtype(dtype)).reshape(shape, order="F" if fortran else "C")


NAMES: Allowed = {
    ("numpy", "dtype"): _new_dtype,
    ("numpy", "ndarray"): name_only,
    ("numpy.core.multiarray", "scalar"): _new_scalar,
    ("numpy._core.multiarray", "scalar"): _new_scalar,
    ("numpy.core.multiarray", "_reconstruct"): _new_array,
    ("numpy._core.multiarray", "_reconstruct"): _new_array,
}
