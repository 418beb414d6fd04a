"""The rows of all cells, with their figures and pictures."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from lit_nst.data import Images, read_image
from lit_nst.errors import InputError
from lit_nst.report import brightness, high_frequency_share
from lit_nst.sweep.axis import Axis
from lit_nst.sweep.plan import Plan

CONFIG, FIGURES = "config.yaml", "metrics.json"
NAMING = ("name", "images", "weights", "restart", "prompt")


class References:
    """The pictures that the runs of one config started from.

    Args:
        config: A run's ``config.yaml``, as read.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        settings = dict(config["data"])
        if isinstance(settings.get("size"), list):
            settings["size"] = tuple(settings["size"])
        self.images = Images(**settings)
        self._known: dict[tuple[str, str, tuple[int, int]], Tensor] = {}

    def picture(self, role: str, name: str, size: tuple[int, int]) -> Tensor | None:
        """3×H×W of a picture by role and name; a style keeps its aspect. None for a blend of several, or a prompt."""
        if role not in self.images.sources:
            return None
        key = role, name, size
        if key not in self._known:
            names = self.images.names(role)
            if name not in names:
                return None
            index = names.index(name)
            self._known[key] = (
                self.images.load_styles(size, [index])[index]
                if role == "style"
                else self.images.load(role, [index], size)[0]
            )
        return self._known[key]


@dataclass(frozen=True)
class Row:
    """One row of one cell.

    Attributes:
        cell: Name of the cell.
        labels: Axis → label of its value.
        name: Of the row in its run.
        images: Role → name of the picture.
        weights: Term → λ.
        restart: Number of the start.
        figures: Name → value; None where it is not finite.
        config: The run's own config.
        file: The result.
        references: Where its pictures are from.
        prompt: Text that was drawn, if there was one.
    """

    cell: str
    labels: dict[str, str]
    name: str
    images: Mapping[str, str]
    weights: Mapping[str, float]
    restart: int
    figures: dict[str, float | None]
    config: Mapping[str, Any] = field(repr=False)
    file: Path
    references: References = field(repr=False)
    prompt: str | None = None

    @cached_property
    def picture(self) -> Tensor:
        """The result, 3×H×W."""
        return read_image(self.file)[0]

    def reference(self, role: str) -> Tensor | None:
        """The picture of a role."""
        height, width = self.picture.shape[-2:]
        return self.references.picture(role, self.images[role], (height, width))

    @property
    def unit(self) -> tuple[str, ...]:
        """Its pictures: rows of other pictures are independent, those of other starts are not."""
        return tuple(self.images.values())


def collect(plan: Plan, cells: Path) -> list[Row]:
    """All rows of all cells, in the order of the plan, with figures of what the results look like.

    ``normalised_TERM`` and ``raw_TERM`` are the distance of a content loss of one layer, by the target's energy and as
    it is, without weights. ``brightness`` and ``high_frequency_share`` are those of the result, ``brightness_gain`` and
    ``high_frequency_gain`` the differences to the target or the style.

    Args:
        plan: Has the cells and axes.
        cells: Folder of the cells.

    Raises:
        InputError: A record that another program wrote, or a picture that is gone.
    """
    known: dict[str, References] = {}
    rows = []
    for cell in plan.cells():
        config = yaml.safe_load((cells / cell.name / CONFIG).read_text(encoding="utf-8"))
        references = known.setdefault(json.dumps(config["data"]), References(config))
        record = json.loads((cells / cell.name / FIGURES).read_text(encoding="utf-8"))
        run = {"steps": record["steps"], "seconds": record["seconds"], "rows_of_run": len(record["rows"])}
        for entry in record["rows"]:
            row = _row(cell.name, dict(cell.labels), entry, run, config, cells / cell.name / "results", references)
            row.labels.update({axis.key: _weight(row, axis) for axis in plan.axes if axis.shared})
            row.figures.update(_distances(row))
            row.figures.update(_looks(row))
            rows.append(row)
    return rows


def _row(
    cell: str,
    labels: dict[str, str],
    entry: Mapping[str, Any],
    run: dict[str, float],
    config: Mapping[str, Any],
    folder: Path,
    references: References,
) -> Row:
    try:
        images, weights, restart = entry["images"], entry["weights"], entry["restart"]
    except KeyError as error:
        raise InputError(f"{folder.parent}/{FIGURES}: it has no {error}; remove that folder and run again") from None
    figures = {key: value for key, value in entry.items() if key not in NAMING}
    file, prompt = folder / f"{entry['name']}.png", entry.get("prompt")
    return Row(cell, labels, entry["name"], images, weights, restart, figures | run, config, file, references, prompt)


def _weight(row: Row, axis: Axis) -> str:
    """The label of a row on an axis of weights; empty for an arm without such a term."""
    return f"{row.weights[axis.term]:g}" if axis.term in row.weights else ""


def _distances(row: Row) -> dict[str, float | None]:
    """The content distances of a single layer, as they are and by the target's energy, whichever was minimised."""
    found: dict[str, float | None] = {}
    for term in [key.removeprefix("energy_") for key in row.figures if key.startswith("energy_")]:
        settings = row.config["model"]["init_args"][term]["init_args"]
        value, energy, weight = row.figures[f"term_{term}"], row.figures[f"energy_{term}"], row.weights[term]
        if len(settings["layers"]) != 1 or value is None or not energy or not weight:
            continue
        distance = value / weight / sum(settings.get("layer_weights") or [1.0])
        if settings["normalization"] == "energy":
            found |= {f"normalised_{term}": distance, f"raw_{term}": distance * energy}
        elif settings["normalization"] == "mean":
            found |= {f"normalised_{term}": distance / energy, f"raw_{term}": distance}
    return found


@torch.no_grad()
def _looks(row: Row) -> dict[str, float | None]:
    own = row.picture[None]
    found: dict[str, float | None] = {
        "brightness": float(brightness(own)),
        "high_frequency_share": float(high_frequency_share(own)),
    }
    role = next((role for role in ("target", "style") if role in row.images), None)
    other = None if role is None else row.reference(role)
    if other is not None:
        found["brightness_gain"] = float(brightness(own) - brightness(other[None]))
        found["high_frequency_gain"] = float(high_frequency_share(own) - high_frequency_share(other[None]))
    return found
