"""What the pages share: means per picture, verdicts, collages."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from lit_nst.errors import InputError
from lit_nst.report import Claim, Heading, Interval, Table, Text, bootstrap_mean
from lit_nst.report.page import Verdict
from lit_nst.sweep.axis import Axis
from lit_nst.sweep.plan import Plan
from lit_nst.sweep.records import Row


@dataclass(frozen=True, eq=False)
class Drawn:
    """A picture of the page that is a file too.

    Args:
        name: Of the file, without suffix.
        image: The picture.
        caption: What is seen.
    """

    name: str
    image: Image.Image
    caption: str


Part = Heading | Text | Table | Claim | Drawn


def needed(plan: Plan, key: str) -> Axis:
    """The axis without which a page has nothing to show.

    Raises:
        InputError: The plan does not have it.
    """
    axis = plan.axis(key)
    if axis is None:
        raise InputError(f"page {plan.page}: it needs an axis {key}; give --vary '{key}=[VALUE, ...]', or no page")
    return axis


def value(row: Row, figure: str) -> float:
    """A figure of a row; NaN where there is none."""
    found = row.figures.get(figure)
    return math.nan if found is None else float(found)


def per_unit(rows: Sequence[Row], figure: str) -> list[float]:
    """The mean of a figure over the starts of each picture, or pair of them, in order of their first row."""
    units = dict.fromkeys(row.unit for row in rows)
    found: dict[tuple[str, ...], list[float]] = {unit: [] for unit in units}
    for row in rows:
        found[row.unit].append(value(row, figure))
    return [sum(values) / len(values) for values in found.values()]


def ratio(a: Sequence[float], b: Sequence[float]) -> Interval:
    """Geometric mean of aᵢ/bᵢ with its bootstrap interval; NaN where one is not above 0."""
    if any(not x > 0 for x in (*a, *b)):
        return Interval(math.nan, math.nan, math.nan, len(a))
    logs = bootstrap_mean([math.log(x / y) for x, y in zip(a, b, strict=True)])
    return Interval(math.exp(logs.mean), math.exp(logs.low), math.exp(logs.high), logs.count, logs.confidence)


def verdict(side: int, wanted: int) -> Verdict:
    """What an interval says of a claim: 0 decides nothing.

    >>> verdict(1, 1), verdict(-1, 1), verdict(0, 1)
    ('holds', 'does not hold', 'not decided')
    """
    return "not decided" if side == 0 else "holds" if side == wanted else "does not hold"


def between(interval: Interval, low: float, high: float) -> int:
    """1 if the interval lies within (low, high), −1 if it lies outside, 0 if it does neither."""
    below, above = interval.side(low), interval.side(high)
    return 1 if below > 0 > above else -1 if below < 0 or above > 0 else 0


def png_of(image: Image.Image) -> bytes:
    """The bytes of a PNG file."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def about_intervals(rows: Sequence[Row]) -> Text:
    """What the intervals of a page mean, and whether they can decide anything."""
    units = {row.unit for row in rows}
    pairs = any(len(unit) > 1 for unit in units)
    kind = "pairs of pictures" if pairs else "pictures"
    sentences = [
        f"Intervals are 95 % bootstrap intervals over the {len(units)} {kind}; several starts of one count as one."
    ]
    if pairs:
        sentences.append("Pairs that share a picture are not quite independent, so they are rather too narrow.")
    if len(units) < 6:
        sentences.append("Fewer than six decide nothing, however clear they look.")
    return Text(" ".join(sentences))
