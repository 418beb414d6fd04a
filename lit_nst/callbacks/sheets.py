"""The sheet of the first rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from lit_nst.callbacks.figures import Pictures
from lit_nst.callbacks.layout import chooses
from lit_nst.callbacks.part import Part
from lit_nst.report import Row, collage, comparison

SHOWN = 16
KINDS = ("result", "truth", "measurement", "content")


@dataclass(frozen=True, eq=False)
class Line:
    """The pictures of one row, 3×H×W each; None where it has none of the kind."""

    result: Tensor
    truth: Tensor | None
    measurement: Tensor | None
    content: Tensor | None
    styles: list[Tensor]


def first_places(task: Any, rows: Sequence[int], losses: Tensor) -> list[int]:
    """Where the rows are that the sheet may show: those of the first problems, of their restarts the best one here.

    Args:
        task: Has the grid.
        rows: Numbers in it.
        losses: Of these rows.
    """
    restarts, best = task.search.restarts if chooses(task) else 1, dict[int, int]()
    known = torch.where(losses.isnan(), torch.inf, losses).tolist()
    for place in sorted(range(len(rows)), key=lambda place: rows[place]):
        problem = rows[place] // restarts
        if problem < SHOWN and (problem not in best or known[place] < known[best[problem]]):
            best[problem] = place
    return list(best.values())


def kept_pictures(
    rows: Sequence[int], places: Sequence[int], found: Mapping[str, Tensor], pictures: Pictures
) -> dict[str, Tensor]:
    """The pictures of some rows, as ``Part.tensors`` has them; of an inpainting the composite is the result.

    Args:
        rows: Numbers of all rows.
        places: Which of them.
        found: What was found, for all rows.
        pictures: What it is compared with, for all rows.
    """
    if not places:
        return {}
    own = pictures.chosen(places)
    result, measured = found.get("composite", found["result"])[list(places)], found.get("measurement")
    measurement = None if measured is None else measured[list(places)].clamp(0, 1)
    given = dict(zip(KINDS, (result, own.truth, measurement, own.content), strict=True))
    kept = {kind: value for kind, value in given.items() if value is not None}
    styles = {id(picture): picture for line in own.styles for _, picture in line}
    if styles:
        number = {key: i for i, key in enumerate(styles)}
        kept["styles"] = torch.tensor([[number[id(picture)] for _, picture in line] for line in own.styles])
        kept |= {f"style_{i}": picture for i, picture in enumerate(styles.values())}
    return {"shown": torch.tensor([rows[place] for place in places]), **kept}


def lines_of(part: Part) -> dict[int, Line]:
    """Row → its pictures, for those that a part keeps."""
    own, lines = part.tensors, dict[int, Line]()
    for i, row in enumerate(own["shown"].tolist() if "shown" in own else []):
        pictures = {kind: own[kind][i] if kind in own else None for kind in KINDS}
        styles = [own[f"style_{number}"] for number in (own["styles"][i].tolist() if "styles" in own else [])]
        lines[row] = Line(**pictures, styles=styles)  # type: ignore[arg-type]
    return lines


def sheet(lines: Sequence[Line], figures: Sequence[dict[str, Any]], more: int) -> Image.Image:
    """The lines of some rows with their figures.

    Args:
        lines: At least one.
        figures: Of the same rows.
        more: How many rows there are beside them.
    """
    return _styled(lines, figures) if lines[0].styles else _compared(lines, figures, more)


def _compared(lines: Sequence[Line], figures: Sequence[dict[str, Any]], more: int) -> Image.Image:
    """Target, measurement, result and error of each row."""
    rows = []
    for line, own in zip(lines, figures, strict=True):
        keys = {"measurement": "measurement_psnr", "result": "composite_psnr" if "composite_psnr" in own else "psnr"}
        notes = {column: f"{own[key]:.1f} dB" for column, key in keys.items() if key in own}
        rows.append(Row(own["name"], line.truth, line.measurement, line.result, notes))
    return comparison(rows, more)


def _styled(lines: Sequence[Line], figures: Sequence[dict[str, Any]]) -> Image.Image:
    """Content, styles and result of each row; a row with a prompt is told by it."""
    before = [[] if line.content is None else [line.content] for line in lines]
    cells = [[*own, *line.styles, line.result] for own, line in zip(before, lines, strict=True)]
    heads = [*["content"] * len(before[0]), *["style"] * len(lines[0].styles), "result"]
    labels = [row.get("prompt") or row["name"] for row in figures]
    # The name tells them too, but in as many letters as a file may have.
    notes = [[*[None] * (len(heads) - 1), _start(row)] for row in figures]
    scale = None if lines[0].result.shape[-1] < 192 else 1
    return collage(cells, labels, heads, scale=scale, corner_notes=notes)


def _start(row: dict[str, Any]) -> str | None:
    """Of a sampling its seed and weights."""
    if "prompt" not in row:
        return None
    return ", ".join([f"seed {row['seed']}", *(f"{term} {weight:g}" for term, weight in row["weights"].items())])
