"""Any sweep: its results side by side and its figures."""

from collections.abc import Sequence

from torch import Tensor

from lit_nst.report import Heading, Table, bootstrap_mean, collage
from lit_nst.sweep.pages.parts import Drawn, Part, about_intervals, per_unit
from lit_nst.sweep.plan import Plan
from lit_nst.sweep.records import Row

FIGURES = ("loss", "psnr", "ssim", "perceptual", "content_distance", "style_distance", "brightness",
           "high_frequency_share", "seconds")  # fmt: skip
ACROSS, DOWN = 12, 8


def check(plan: Plan) -> None:
    """Nothing: it shows every plan."""


def parts(plan: Plan, rows: Sequence[Row]) -> list[Part]:
    """Collages, then a table of means."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.labels[axis.key] for axis in plan.axes), []).append(row)
    return [about_intervals(rows), Heading("Results"), *_collages(groups), Heading("Figures"), _table(
        plan, groups
    )]  # fmt: skip


def _collages(groups: dict[tuple[str, ...], list[Row]]) -> list[Part]:
    names, drawn = list(groups), list[Part]()
    for begin in range(0, len(names), ACROSS):
        own = names[begin : begin + ACROSS]
        # Arms may be of tasks with other pictures.
        units = list(dict.fromkeys(row.unit for name in own for row in groups[name]))
        shown = units[:DOWN]
        lines: list[list[Tensor | None]] = [
            [next((row.picture for row in groups[name] if row.unit == unit), None) for name in own] for unit in shown
        ]
        image = collage(lines, [", ".join(unit) for unit in shown], [", ".join(name) for name in own])
        caption = (
            f"First start of the first {len(shown)} of {len(units)} pictures, values {begin + 1} to {begin + len(own)}"
        )
        drawn.append(Drawn(f"collage_{begin // ACROSS + 1}", image, f"{caption}."))
    return drawn


def _table(plan: Plan, groups: dict[tuple[str, ...], list[Row]]) -> Table:
    known = {key for rows in groups.values() for row in rows for key in row.figures}
    figures = [figure for figure in FIGURES if figure in known]
    lines = [[*name, *(bootstrap_mean(per_unit(rows, figure)) for figure in figures)] for name, rows in groups.items()]
    return Table([*(axis.key for axis in plan.axes), *figures], lines, "Means over pictures.")
