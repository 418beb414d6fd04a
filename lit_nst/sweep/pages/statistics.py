"""Means and variances against Gram matrices, over the style weight."""

from collections.abc import Callable, Sequence

import torch

from lit_nst.errors import InputError
from lit_nst.report import (
    Claim,
    Heading,
    Series,
    Table,
    Text,
    bootstrap_mean,
    collage,
    curve,
    paired_difference,
    variability,
)
from lit_nst.sweep.pages.parts import Drawn, Part, about_intervals, needed, per_unit, verdict
from lit_nst.sweep.plan import Plan
from lit_nst.sweep.records import Row

LOSS, WEIGHT = "model.style", "model.style.weight"
NAMES = ("GramLoss", "MeanVarLoss")
SHOWN = 3


def check(plan: Plan) -> None:
    """Refuses a plan without both losses and several weights.

    Raises:
        InputError: It does so.
    """
    labels = needed(plan, LOSS).labels
    if sorted(labels) != sorted(NAMES):
        raise InputError(f"--vary {LOSS}: page {plan.page} compares {' with '.join(NAMES)}, not {', '.join(labels)}")
    if len(needed(plan, WEIGHT).values) < 2:
        raise InputError(f"--vary {WEIGHT}: page {plan.page} shows a curve; give two weights or more")


def parts(plan: Plan, rows: Sequence[Row]) -> list[Part]:
    """Verdicts, collages, curves, tables."""
    units = list(dict.fromkeys(row.unit for row in rows))
    return [
        Text(
            "Every content is drawn in every style with both losses and every style weight. A weight does not mean the "
            "same for both, since their distances have other sizes: compare the curves, not the columns."
        ),
        about_intervals(rows),
        Heading("Verdicts"),
        _varied(rows, "style weights", lambda row: row.unit),
        _varied(rows, "styles", lambda row: (row.images["content"], row.labels[WEIGHT])),
        Heading("Results"),
        *_collages(plan, rows, units),
        Heading("Over the style weight"),
        *_curves(plan, rows),
    ]


def _varied(rows: Sequence[Row], over: str, fixed: Callable[[Row], tuple[str, ...]]) -> Part:
    """How much the results differ where all else is fixed, paired by what is fixed."""
    groups = {name: _groups(rows, name, fixed) for name in NAMES}
    keys = [key for key, group in groups[NAMES[0]].items() if len(group) > 1]
    if not keys:
        return Text(f"There is one of the {over} alone: how much the results differ over them is not known.")
    # Those of one content are not independent.
    contents = list(dict.fromkeys(key[0] for key in keys)) if over == "styles" else keys
    spread = {
        name: [
            _mean([_spread(group[key]) for key in keys if key == unit or (over == "styles" and key[0] == unit)])
            for unit in contents
        ]
        for name, group in groups.items()
    }
    difference = paired_difference(spread["MeanVarLoss"], spread["GramLoss"])
    means = {name: bootstrap_mean(values) for name, values in spread.items()}
    return Claim(
        f"MeanVar is less varied than Gram (over the {over}).",
        f"Root mean square difference between results of other {over}, of a range of 1: MeanVar "
        f"{means['MeanVarLoss']}, Gram {means['GramLoss']}, MeanVar − Gram = {difference}. Rule: it holds if the "
        "interval of the difference lies below 0.",
        verdict(difference.side(), -1),
    )


def _groups(
    rows: Sequence[Row], name: str, fixed: Callable[[Row], tuple[str, ...]]
) -> dict[tuple[str, ...], list[Row]]:
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if row.labels[LOSS] == name and row.restart == 0:
            groups.setdefault(fixed(row), []).append(row)
    return groups


def _spread(rows: Sequence[Row]) -> float:
    return float(variability(torch.stack([row.picture for row in rows])).mean())


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _collages(plan: Plan, rows: Sequence[Row], units: Sequence[tuple[str, ...]]) -> list[Part]:
    weights = needed(plan, WEIGHT).labels
    drawn: list[Part] = []
    # Pairs of other contents and other styles, as far as there are.
    step = max(1, (len(units) - 1) // max(1, SHOWN - 1))
    for unit in units[::step][:SHOWN]:
        found = {(row.labels[LOSS], row.labels[WEIGHT]): row for row in rows if row.unit == unit and row.restart == 0}
        first = next(iter(found.values()))
        lines = [
            [reference, *(found[name, weight].picture for weight in weights)]
            for name, reference in zip(NAMES, (first.reference("content"), first.reference("style")), strict=True)
        ]
        image = collage(lines, [name.removesuffix("Loss") for name in NAMES], ["content / style", *weights])
        name = "_".join(unit)
        drawn.append(Drawn(f"collage_{name}", image, f"{' in the style of '.join(unit)}, by style weight."))
    return drawn


def _curves(plan: Plan, rows: Sequence[Row]) -> list[Part]:
    axis = needed(plan, WEIGHT)
    weights = sorted(axis.values)
    labels = [f"{weight:g}" for weight in weights]
    drawn: list[Part] = []
    found = {
        (name, label, figure): bootstrap_mean(
            per_unit([r for r in rows if r.labels[LOSS] == name and r.labels[WEIGHT] == label], figure)
        )
        for name in NAMES
        for label in labels
        for figure in ("style_distance", "content_distance")
    }
    for figure, what in (("style_distance", "style"), ("content_distance", "content")):
        series = [Series.of(name, weights, [found[name, label, figure] for label in labels]) for name in NAMES]
        ticks = dict(zip(weights, labels, strict=True))
        title = f"Distance to the {what}"
        image = curve(series, "style weight", f"judged {what} distance", title, x_ticks=ticks, log_x=min(weights) > 0)
        drawn.append(Drawn(figure, image, f"{title}, as judged by a network of random weights that guides no run."))
    lines = [
        [label, *(found[name, label, figure] for figure in ("style_distance", "content_distance") for name in NAMES)]
        for label in labels
    ]
    heads = ["weight", "style, Gram", "style, MeanVar", "content, Gram", "content, MeanVar"]
    return [*drawn, Table(heads, lines, "Judged distances by style weight.")]
