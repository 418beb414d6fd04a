"""Figures over a setting: lines or bars with their intervals."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from lit_nst.errors import InputError
from lit_nst.report.interval import Interval, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colors that the common kinds of color blindness keep apart (Okabe and Ito 2008, without their yellow,
# which is too light on white); markers and dashes say the same once more, for a gray print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
DASHES = ("-", "--", "-.", ":")
HATCHES = ("", "//", "..", "xx")
INCHES, DPI = (9.0, 5.0), 200
TICKS = 20


@dataclass(frozen=True)
class Series:
    """One line, or the bars of one color.

    Args:
        name: Written in the legend.
        x: Numbers, or category labels in their order.
        y: Means, one per x; NaN leaves a gap.
        low: Lower ends of the intervals; None: none are drawn.
        high: Upper ends, given with ``low``; NaN leaves one out.

    Raises:
        InputError: No point, or lists of several lengths.
    """

    name: str
    x: Sequence[float] | Sequence[str]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if (self.low is None) != (self.high is None):
            raise InputError(f"Series {self.name!r}: low or high alone; give both or neither")
        lengths = {len(numbers) for numbers in (self.x, self.y, self.low, self.high) if numbers is not None}
        if len(lengths) != 1 or 0 in lengths:
            raise InputError(f"Series {self.name!r}: lists of {sorted(lengths)} points; give one length from 1 up")
        if len({isinstance(x, str) for x in self.x}) != 1:
            raise InputError(f"Series {self.name!r}: x has numbers and labels; give one kind")

    @classmethod
    def of(cls, name: str, x: Sequence[float] | Sequence[str], intervals: Sequence[Interval]) -> "Series":
        """The series of some means with their intervals; that of a single value is left out.

        >>> Series.of("relu", [1], [Interval(0.5, 0.4, 0.6, 8)])
        Series(name='relu', x=[1], y=[0.5], low=[0.4], high=[0.6])
        """
        low, high = ([end if i.count > 1 else math.nan for i, end in zip(intervals, ends, strict=True)] for ends in (
            [i.low for i in intervals], [i.high for i in intervals],
        ))  # fmt: skip
        return cls(name, x, [i.mean for i in intervals], low, high)


def curve(
    series: Sequence[Series],
    x_label: str,
    y_label: str,
    title: str = "",
    log_y: bool = False,
    x_ticks: Mapping[float, str] | None = None,
    log_x: bool = False,
) -> Image.Image:
    """Lines with marks; intervals are a light band, and bars at up to 20 points.

    Drawn at 1800×1000 pixels so that it can be read at half that width. A point without a finite mean is a gap.
    On a logarithmic axis what is not positive is one too, and an interval that reaches 0 ends at the edge.

    Args:
        series: At least one; all with numbers, or all with labels (which then stand in the order in which
            they first occur). One line has no legend.
        x_label: What x is, with its unit.
        y_label: What y is, with its unit.
        title: Over the figure.
        log_y: Logarithmic y axis.
        x_ticks: Position → text on the x axis; None: the labels, or up to 20 positions as they are if
            they are evenly spaced, else round numbers.
        log_x: Logarithmic x axis.

    Raises:
        InputError: No series, numbers beside labels, no finite point, or none that is positive on a
            logarithmic axis.
    """
    labels = _labels("curve", series)
    _check_drawn("curve", series, log_y)
    if log_x and any(isinstance(x, str) or x <= 0 for one in series for x in one.x):
        raise InputError("curve: log_x with an x that is not a positive number; leave it out")
    figure_, axes = _axes(x_label, y_label, title)
    if log_x:
        axes.set_xscale("log")
    if log_y:
        axes.set_yscale("log")
    floor = _floor(series) if log_y else -math.inf
    for i, one in enumerate(series):
        x = [float(labels.index(x) if isinstance(x, str) else x) for x in one.x]
        _line(axes, one, x, i, floor)
    _ticks(axes, series, labels, x_ticks, log_x)
    _legend(axes, len(series))
    return _drawn(figure_)


def bars(series: Sequence[Series], x_label: str, y_label: str, title: str = "", log_y: bool = False) -> Image.Image:
    """Groups of bars, one group per x and one bar per series, with their intervals.

    Every x is a category, numbers too, in the order in which they first occur.

    Args:
        series: At least one; a missing or NaN value leaves its place empty.
        x_label: What the groups are.
        y_label: What y is, with its unit.
        title: Over the figure.
        log_y: Logarithmic y axis.

    Raises:
        InputError: No series, numbers beside labels, no finite point, or none that is positive on a
            logarithmic axis.
    """
    _labels("bars", series)
    _check_drawn("bars", series, log_y)
    groups = list(dict.fromkeys(x for one in series for x in one.x))
    figure_, axes = _axes(x_label, y_label, title)
    floor = _floor(series) if log_y else -math.inf
    if log_y:
        axes.set_yscale("log")
    else:
        axes.axhline(0, color="#555555", linewidth=1)
    width = 0.8 / len(series)
    for i, one in enumerate(series):
        x = [groups.index(x) + (i - (len(series) - 1) / 2) * width for x in one.x]
        y = [value if value >= floor else math.nan for value in one.y]
        hatch = HATCHES[i // len(COLOURS) % len(HATCHES)]
        axes.bar(
            x, y, 0.92 * width, color=_colour(i), hatch=hatch, edgecolor="white", linewidth=0, label=_escaped(one.name)
        )
        _whiskers(axes, one, x, "#333333", floor)
    names = [x if isinstance(x, str) else f"{x:g}" for x in groups]
    _set_ticks(axes, range(len(groups)), names)
    axes.grid(visible=False, axis="x")
    _legend(axes, len(series))
    return _drawn(figure_)


def _labels(name: str, series: Sequence[Series]) -> list[str]:
    """The categories in the order in which they first occur; none for numbers."""
    if not series:
        raise InputError(f"{name}: no series; give at least one")
    if len({isinstance(one.x[0], str) for one in series}) != 1:
        raise InputError(f"{name}: one series has numbers as x and one has labels; give one kind")
    return list(dict.fromkeys(x for one in series for x in one.x if isinstance(x, str)))


def _check_drawn(name: str, series: Sequence[Series], log_y: bool) -> None:
    if not any(math.isfinite(y) and (y > 0 or not log_y) for one in series for y in one.y):
        raise InputError(f"{name}: no {'positive ' if log_y else ''}finite point to draw; give another series or axis")


def _floor(series: Sequence[Series]) -> float:
    """The smallest positive number that is drawn: where a logarithmic axis ends."""
    numbers = itertools.chain.from_iterable((*one.y, *(one.low or ())) for one in series)
    return min(number for number in numbers if math.isfinite(number) and number > 0)


def _axes(x_label: str, y_label: str, title: str) -> tuple["Figure", "Axes"]:
    # Here, because it takes half a second that the command line's start must not pay. No pyplot: that
    # keeps every figure, and a global state.
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure_ = Figure(figsize=INCHES, dpi=DPI, facecolor="white", layout=ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.12))
    axes = figure_.add_subplot()
    axes.set_xlabel(_escaped(x_label), fontsize=14)
    axes.set_ylabel(_escaped(y_label), fontsize=14)
    if title:
        figure_.suptitle(_escaped(title), fontsize=15)
    axes.tick_params(labelsize=12, color="#999999")
    axes.grid(visible=True, color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#999999")
    return figure_, axes


def _line(axes: "Axes", one: Series, x: Sequence[float], index: int, floor: float) -> None:
    y = [value if value >= floor else math.nan for value in one.y]
    axes.plot(
        x,
        y,
        color=_colour(index),
        marker=MARKERS[index % len(MARKERS)],
        linestyle=DASHES[index % len(DASHES)],
        linewidth=2.2,
        markersize=7 if len(x) <= 2 * TICKS else 0,
        label=_escaped(one.name),
    )
    if one.low is None or one.high is None:
        return
    low, high = ([max(end, floor) for end in ends] for ends in (one.low, one.high))
    axes.fill_between(x, low, high, color=_colour(index), alpha=0.15, linewidth=0)
    if len(x) <= TICKS:
        _whiskers(axes, one, x, _colour(index), floor)


def _whiskers(axes: "Axes", one: Series, x: Sequence[float], colour: str, floor: float) -> None:
    """A thin line from low to high; not about the mean, which an interval need not enclose."""
    if one.low is None or one.high is None:
        return
    ends = [
        (place, max(low, floor), high)
        for place, low, high in zip(x, one.low, one.high, strict=True)
        if math.isfinite(low) and math.isfinite(high) and high >= floor
    ]
    for place, low, high in ends:
        axes.plot([place, place], [low, high], color=colour, linewidth=1.3, marker="_", markersize=7)


def _ticks(
    axes: "Axes", series: Sequence[Series], labels: Sequence[str], given: Mapping[float, str] | None, log: bool
) -> None:
    places = sorted({x for one in series for x in one.x if not isinstance(x, str)})
    if given is not None:
        _set_ticks(axes, list(given), list(given.values()))
    elif labels:
        _set_ticks(axes, range(len(labels)), labels)
    elif len(places) <= TICKS and _evenly([math.log(x) for x in places] if log else places):
        _set_ticks(axes, places, [figure(x) if x != int(x) else str(int(x)) for x in places])


def _evenly(places: Sequence[float]) -> bool:
    """Whether no two neighbours are much nearer than they would be if all were evenly spaced."""
    gaps = [b - a for a, b in itertools.pairwise(places)]
    return all(gap > 0.3 * sum(gaps) / len(gaps) for gap in gaps)


def _set_ticks(axes: "Axes", places: Sequence[float], names: Sequence[str]) -> None:
    # About 95 letters of this size stand beside each other.
    crowded = sum(len(name) + 2 for name in names) > 95
    axes.set_xticks(list(places), [_escaped(name) for name in names])
    axes.set_xticks([], minor=True)
    if crowded:
        axes.tick_params(axis="x", labelrotation=40)
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")


def _legend(axes: "Axes", count: int) -> None:
    """In a line over the axes, or at their right if there are many names; none for one."""
    if count < 2:
        return
    handles, names = axes.get_legend_handles_labels()
    in_line = sum(len(name) + 8 for name in names) <= 90
    axes.legend(
        handles,
        names,
        loc="lower center" if in_line else "upper left",
        bbox_to_anchor=(0.5, 1.0) if in_line else (1.01, 1.02),
        ncols=count if in_line else 1,
        fontsize=13 if in_line else 12,
        frameon=False,
        handlelength=3,
    )


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def _escaped(text: str) -> str:
    """A text in which a dollar does not begin an equation."""
    return text.replace("$", r"\$")


def _drawn(figure_: "Figure") -> Image.Image:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure_)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = bytes(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return Image.frombytes("RGBA", canvas.get_width_height(), pixels).convert("RGB")
