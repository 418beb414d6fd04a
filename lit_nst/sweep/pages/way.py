"""The way of a run: its pictures at steps, the terms of its loss."""

import csv
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from lit_nst.data import read_image
from lit_nst.report import Series, collage, contact_sheet, curve
from lit_nst.sweep.pages.parts import Drawn, Part
from lit_nst.sweep.pages.weights import ByWeight, run_of, steps_of, weight_of

FRAMES = 10
# Where the plots of the report look flat.
FLAT = 70


def frames(table: ByWeight) -> list[Part]:
    """The way of the first picture in the main setting, then in the main number of steps at all weights."""
    firsts = {run_of(row): row for row in reversed(table.rows) if steps_of(row) == table.last}
    ways = sorted(((weight_of(row), _trajectory(run)) for run, row in firsts.items()), key=lambda pair: pair[0])
    own = next((way for weight, way in ways if weight == table.weight), {})
    drawn: list[Part] = []
    if own:
        steps = _chosen(list(own), FRAMES)
        image = contact_sheet(
            torch.stack([own[step] for step in steps]), columns=5, captions=[f"step {step}" for step in steps]
        )
        caption = f"Picture {table.main[0].name} in the main setting: the image at steps."
        drawn.append(Drawn("steps", image, caption))
    if len(ways) > 1:
        steps = _chosen(sorted(set.intersection(*(set(way) for _, way in ways))), FRAMES - 1)
        lines: list[list[Tensor | None]] = [[way[step] for step in steps] for _, way in ways]
        image = collage(lines, [f"{weight:g}" for weight, _ in ways], [f"step {step}" for step in steps])
        drawn.append(Drawn("steps_by_weight", image, "The same way at every weight: down the weights, across steps."))
    return drawn


def losses(table: ByWeight) -> list[Part]:
    """Every term of the main setting over steps; none where the run left no positive value."""
    columns = _history(run_of(table.main[0]))
    steps, total = columns.pop("step", []), columns.get("loss", [])
    columns.pop("rows", None)
    series = [
        Series("total" if name == "loss" else name, steps, values)
        for name, values in columns.items()
        if any(value > 0 for value in values)
    ]
    if not series:
        return []
    note = ""
    if len(total) > 2 * FLAT and total[0] > 0:
        note = (
            f" The total falls to {total[FLAT - 1] / total[0]:.1%} of its start by step {FLAT}, after which a plot on "
            f"a linear axis looks flat, and to {total[-1] / total[0]:.1%} by the last step."
        )
    image = curve(series, "step", "weighted term", "Terms of the loss over steps", log_y=True)
    return [Drawn("losses", image, f"Main setting: every term with its weight, mean over the pictures.{note}")]


def _chosen(steps: Sequence[int], count: int) -> list[int]:
    """The first and the last ones: those between are powers of two, so the first ones are near each other."""
    return list(steps) if len(steps) <= count else [steps[0], *steps[len(steps) - count + 1 :]]


def _history(run: Path) -> dict[str, list[float]]:
    """``metrics.csv``: column → value per step."""
    with (run / "metrics.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return {name: [float(line[name]) for line in lines] for name in (lines[0] if lines else ())}


def _trajectory(run: Path) -> dict[int, Tensor]:
    """Step → picture of the run's first row."""
    files = sorted((run / "results" / "trajectory").glob("step_*_00.png"))
    return {int(path.stem.split("_")[1]): read_image(path)[0] for path in files}
