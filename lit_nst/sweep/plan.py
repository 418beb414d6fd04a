"""What a sweep is to run: configs, options, axes, and the cells that they make."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lit_nst.sweep.arms import ARM, Arm
from lit_nst.sweep.axis import Axis, Option, plain_key, text_of

# What a run shows by itself would drown the lines of the sweep.
QUIET: tuple[Option, ...] = (
    ("trainer.enable_progress_bar", "false"),
    ("trainer.devices", "1"),
    ("results.summary", "false"),
    ("trajectory.every", "0"),
    ("trajectory.rows", "1"),
)
LONGEST = 100


@dataclass(frozen=True)
class Cell:
    """One run of the sweep.

    Attributes:
        name: Of its folder.
        labels: Axis → label of its value, for the axes that are not rows.
        options: What it is run with, in order.
        configs: Files that it is run with, in order.
        sources: Arm whose results it reads → name of that cell; ``{arm:NAME}`` in an option is its results folder.
    """

    name: str
    labels: Mapping[str, str]
    options: tuple[Option, ...]
    configs: tuple[Path, ...]
    sources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """A whole sweep.

    Attributes:
        name: Of its folder.
        configs: File of each config → its contents.
        options: Of the recipe.
        axes: What varies; with arms the first one is ``arm``.
        overrides: Options of the command line, which win.
        page: Name of the page.
        inputs: Picture or weights that are named → digest.
        arms: Name → bundle of configs and options.
    """

    name: str
    configs: Mapping[Path, Any]
    options: tuple[Option, ...]
    axes: tuple[Axis, ...]
    overrides: tuple[Option, ...]
    page: str
    inputs: Mapping[str, str]
    arms: Mapping[str, Arm] = field(default_factory=dict)

    def axis(self, key: str) -> Axis | None:
        """The axis of a name, if there is one."""
        return next((axis for axis in self.axes if axis.key == key), None)

    @property
    def files(self) -> list[Path]:
        """Every config, those of arms after the common ones."""
        return list(dict.fromkeys([*self.configs, *(path for arm in self.arms.values() for path in arm.configs)]))

    def record(self) -> dict[str, Any]:
        """All that decides what the cells are, as JSON."""
        record: dict[str, Any] = {
            "configs": list(self.configs.values()),
            "options": [list(option) for option in self.options],
            "vary": {axis.key: list(axis.values) for axis in self.axes},
            "overrides": [list(option) for option in self.overrides],
            "inputs": dict(self.inputs),
        }
        return record | ({"arms": {name: arm.record() for name, arm in self.arms.items()}} if self.arms else {})

    def cells(self) -> list[Cell]:
        """The product of the axes; those that are rows are a list in every cell. The last one changes fastest."""
        apart = [axis for axis in self.axes if not axis.shared]
        shared = [(axis.key, text_of(list(axis.values))) for axis in self.axes if axis.shared]
        cells = []
        for chosen in itertools.product(*(range(len(axis.values)) for axis in apart)):
            own = [(axis.key, text_of(axis.values[i])) for axis, i in zip(apart, chosen, strict=True)]
            labels = {axis.key: axis.labels[i] for axis, i in zip(apart, chosen, strict=True)}
            cells.append(self._cell(labels, own, shared))
        return self._linked(_distinct(cells))

    def _cell(self, labels: Mapping[str, str], own: Sequence[Option], shared: Sequence[Option]) -> Cell:
        arm = self.arms.get(labels[ARM]) if self.arms else None
        common, overrides, configs = self.options, self.overrides, tuple(self.configs)
        if arm is not None:
            rows = [option for option in shared if not arm.sets(option[0])]
            own = [*arm.options, *(option for option in [*own, *rows] if option[0] != ARM and arm.takes(option[0]))]
            overrides = tuple(option for option in overrides if arm.takes(plain_key(option[0])))
            common, configs = ((), ()) if arm.alone else (common, configs)
            configs, shared = (*configs, *arm.configs), ()
        # A class goes before its own options.
        varied = sorted([*own, *shared], key=lambda option: option[0].count("."))
        return Cell(_name(labels), labels, (*common, *QUIET, *varied, *overrides), configs)

    def _linked(self, cells: Sequence[Cell]) -> list[Cell]:
        """With the names of the cells, of the same place on the other axes, whose results a cell reads."""
        if not self.arms:
            return list(cells)
        place = {tuple(cell.labels.items()): cell.name for cell in cells}
        sources = {
            cell.name: {s: place[tuple({**cell.labels, ARM: s}.items())] for s in self.arms[cell.labels[ARM]].sources}
            for cell in cells
        }
        return [replace(cell, sources=sources[cell.name]) for cell in cells]


def _name(labels: Mapping[str, str]) -> str:
    """A name that any file system takes: layers-conv1_1."""
    parts = [f"{key.rpartition('.')[2]}-{label}" for key, label in labels.items()]
    return re.sub(r"[^\w.+-]+", "-", "_".join(parts)).strip("-.")[:LONGEST] or "all"


def _distinct(cells: Sequence[Cell]) -> list[Cell]:
    """Numbers the names that are alike, or would be in a file system without cases."""
    names = [cell.name.casefold() for cell in cells]
    return [
        cell if names.count(name) == 1 else replace(cell, name=f"{cell.name}_{i + 1}")
        for i, (cell, name) in enumerate(zip(cells, names, strict=True))
    ]
