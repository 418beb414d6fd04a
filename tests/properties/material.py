"""Damaged bytes and hostile numbers, and what a reader may answer to them."""

import math
from collections.abc import Callable
from typing import TypeVar

from hypothesis import strategies as st

from lit_nst.errors import InputError

T = TypeVar("T")

EXTREMES = [math.nan, math.inf, -math.inf, -1, 0, 1, 1e-320, 1e-12, 1e38, 1e308, 2**31, 2**63, -(2**63)]
WHOLE = [number for number in EXTREMES if isinstance(number, int)]
numbers = st.sampled_from(EXTREMES) | st.floats(-10, 10) | st.integers(-3, 40)
whole = st.sampled_from(WHOLE) | st.integers(-3, 40)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
"""Anything that JSON and YAML can hold."""


@st.composite
def damaged(draw: st.DrawFn, sound: bytes) -> bytes:
    """A file with a few bits or bytes changed, a part cut out, repeated or put in, or its end missing."""
    data = bytearray(sound)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.integers(0, 16))
        kind = draw(st.sampled_from(["bit", "bytes", "end", "cut", "repeat", "insert"]))
        if kind == "bit" and data:
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "bytes":
            data[place : place + length] = draw(st.binary(min_size=length, max_size=length))
        elif kind == "end":
            del data[place:]
        elif kind == "cut":
            del data[place : place + length]
        elif kind == "repeat":
            data[place:place] = data[place : place + length] * draw(st.integers(1, 5))
        else:
            data[place:place] = draw(st.binary(max_size=16))
    return bytes(data)


def answer(call: Callable[[], T]) -> T | None:
    """What a call returns; None where it refuses its input in one line that a terminal can show."""
    try:
        return call()
    except InputError as error:
        line = str(error)
    assert line.strip()
    assert line.isprintable(), repr(line)
    return None
