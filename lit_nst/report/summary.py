"""Figures as text for a terminal."""

import math
from collections.abc import Mapping, Sequence

from torch import Tensor

NONE = "–"


def summary_table(records: Sequence[Mapping[str, object]]) -> str:
    """An aligned table: a line per record, a column per key, the means below.

    Columns stand in the order in which their keys first occur. Floats of one column have the same
    digits: four significant ones of the largest. What is missing or not finite is ``–``. With more than one
    record a last line has the mean of each column of floats, over the records that have one; a value
    that is not finite makes it ``–``, so that a failed row cannot better a mean. The first column names
    the records and has no mean; if it holds floats, a nameless column for the word is put before it.

    Args:
        records: Key → text, integer, float, tensor of one element, truth value or None.

    Returns:
        Lines without a final line end; an empty text without records.

    >>> print(summary_table([{"row": "a", "psnr": 24.123, "steps": 5}, {"row": "b", "psnr": 9.5}]))
    row    psnr  steps
    ----  -----  -----
    a     24.12      5
    b      9.50      –
    ----  -----  -----
    mean  16.81
    """
    keys = list(dict.fromkeys(key for record in records for key in record))
    if not keys:
        return ""
    columns = {key: [_plain(record.get(key)) for record in records] for key in keys}
    label = [["", *[""] * len(records), "mean"]] if _is_float(columns[keys[0]]) and len(records) > 1 else []
    cells = label + [_cells(key, values, named=i == 0 and not label) for i, (key, values) in enumerate(columns.items())]
    left = [True] * len(label) + [_is_text(values) for values in columns.values()]
    if len(records) == 1:
        cells = [column[:2] for column in cells]
    widths = [max(map(len, column)) for column in cells]
    lines = [
        "  ".join(c.ljust(w) if at_left else c.rjust(w) for c, w, at_left in zip(line, widths, left, strict=True))
        for line in zip(*cells, strict=True)
    ]
    rule = "  ".join("-" * width for width in widths)
    body = [lines[0], rule, *lines[1 : len(records) + 1]]
    return "\n".join(line.rstrip() for line in body + ([rule, lines[-1]] if len(records) > 1 else []))


def human_time(seconds: float) -> str:
    """A time span in the two units that matter; ``–`` if it is not finite.

    >>> [human_time(t) for t in (0.0042, 0.5, 42, 125, 7260, 97200)]
    ['4 ms', '0.5 s', '42 s', '2 min 05 s', '2 h 01 min', '1 d 03 h']
    """
    if not math.isfinite(seconds):
        return NONE
    if seconds < 0:
        return "-" + human_time(-seconds)
    if seconds < 0.0995:
        return f"{round(1000 * seconds)} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if (whole := round(seconds)) < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if (minutes := round(seconds / 60)) < 1440:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24:02d} h"


def _plain(value: object) -> object:
    return value.item() if isinstance(value, Tensor) and value.numel() == 1 else value


def _is_float(values: Sequence[object]) -> bool:
    return any(isinstance(value, float) for value in values)


def _is_text(values: Sequence[object]) -> bool:
    return not any(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _numbers(values: Sequence[object]) -> list[float]:
    return [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]


def _cells(key: str, values: Sequence[object], named: bool) -> list[str]:
    """Head, one text per value, mean."""
    if not _is_float(values):
        return [key, *[_text(value) for value in values], "mean" if named else ""]
    numbers = _numbers(values)
    form = _form(numbers)
    cells = [_figure(float(v), form) if isinstance(v, int | float) else _text(v) for v in values]
    return [key, *cells, _figure(sum(numbers) / len(numbers), form)]


def _form(numbers: Sequence[float]) -> str:
    """Format with which the largest finite number has four significant digits."""
    largest = max((abs(n) for n in numbers if math.isfinite(n)), default=0.0)
    if largest == 0:
        return ".1f"
    if not 1e-3 <= largest < 1e7:
        return ".3e"
    return f".{min(6, max(0, 3 - math.floor(math.log10(largest))))}f"


def _figure(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else NONE


def _text(value: object) -> str:
    if value is None:
        return NONE
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)
