"""What a sweep is to run: configs, options, axes, and the cells that they make."""

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lit_nst.errors import InputError

Option = tuple[str, str]

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
class Axis:
    """An option and the values that it takes.

    Args:
        key: Its dotted name, without ``init_args``.
        values: JSON values.

    Raises:
        InputError: No value, or one twice.
    """

    key: str
    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise InputError(f"--vary {self.key}: the list is empty; give at least one value")
        for i, value in enumerate(self.values):
            if value in self.values[:i]:
                raise InputError(f"--vary {self.key}: {text_of(value)} is there twice; give each value once")
        if self.shared and not all(isinstance(v, int | float) and not isinstance(v, bool) for v in self.values):
            raise InputError(f"--vary {self.key}: {text_of(list(self.values))} are not all numbers; give weights")

    @property
    def shared(self) -> bool:
        """Whether its values are rows of one run: the losses take a list of weights."""
        return self.key.startswith("model.") and self.key.endswith(".weight")

    @property
    def term(self) -> str:
        """The term whose weight it is.

        >>> Axis("model.style.weight", (1, 10)).term
        'style'
        """
        return self.key.split(".")[1]

    @property
    def labels(self) -> list[str]:
        """A short text per value, none twice.

        >>> Axis("model.style", ({"class_path": "a.GramLoss"}, "MeanVarLoss")).labels
        ['GramLoss', 'MeanVarLoss']
        """
        short = [_label(value) for value in self.values]
        pairs = zip(short, self.values, strict=True)
        long = [text if short.count(text) == 1 else _label(value, full=True) for text, value in pairs]
        return [text if long.count(text) == 1 else f"{text} ({i + 1})" for i, text in enumerate(long)]


@dataclass(frozen=True)
class Cell:
    """One run of the sweep.

    Attributes:
        name: Of its folder.
        labels: Axis → label of its value, for the axes that are not rows.
        options: What it is run with, in order.
    """

    name: str
    labels: Mapping[str, str]
    options: tuple[Option, ...]


@dataclass(frozen=True)
class Plan:
    """A whole sweep.

    Attributes:
        name: Of its folder.
        configs: File of each config → its contents.
        options: Of the recipe.
        axes: What varies.
        overrides: Options of the command line, which win.
        page: Name of the page.
        inputs: Picture or weights that are named → digest.
    """

    name: str
    configs: Mapping[Path, Any]
    options: tuple[Option, ...]
    axes: tuple[Axis, ...]
    overrides: tuple[Option, ...]
    page: str
    inputs: Mapping[str, str]

    def axis(self, key: str) -> Axis | None:
        """The axis of a name, if there is one."""
        return next((axis for axis in self.axes if axis.key == key), None)

    def record(self) -> dict[str, Any]:
        """All that decides what the cells are, as JSON."""
        return {
            "configs": list(self.configs.values()),
            "options": [list(option) for option in self.options],
            "vary": {axis.key: list(axis.values) for axis in self.axes},
            "overrides": [list(option) for option in self.overrides],
            "inputs": dict(self.inputs),
        }

    def cells(self) -> list[Cell]:
        """The product of the axes; those that are rows are a list in every cell. The last one changes fastest."""
        apart = [axis for axis in self.axes if not axis.shared]
        shared = [(axis.key, text_of(list(axis.values))) for axis in self.axes if axis.shared]
        cells = []
        for chosen in itertools.product(*(range(len(axis.values)) for axis in apart)):
            own = [(axis.key, text_of(axis.values[i])) for axis, i in zip(apart, chosen, strict=True)]
            # A class goes before its own options.
            varied = sorted(own + shared, key=lambda option: option[0].count("."))
            labels = {axis.key: axis.labels[i] for axis, i in zip(apart, chosen, strict=True)}
            options = (*self.options, *QUIET, *varied, *self.overrides)
            cells.append(Cell(_name(labels), labels, options))
        return _distinct(cells)


def text_of(value: Any) -> str:
    """A value as it is written on a command line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def plain_key(key: str) -> str:
    """A dotted name without ``init_args``, which the command line may leave out.

    >>> plain_key("model.init_args.style.init_args.weight")
    'model.style.weight'
    """
    return ".".join(part for part in key.split(".") if part != "init_args")


def _label(value: Any, full: bool = False) -> str:
    if isinstance(value, dict):
        name = str(value.get("class_path", "")).rpartition(".")[2]
        inner = value.get("init_args", {}) if name else value
        parts = [f"{key} {_label(item)}" for key, item in inner.items()] if full or not name else []
        return " ".join([name, *parts] if name else parts)
    if isinstance(value, list):
        return "+".join(_label(item) for item in value)
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)


def _name(labels: Mapping[str, str]) -> str:
    """A name that any file system takes: layers-conv1_1."""
    parts = [f"{key.rpartition('.')[2]}-{label}" for key, label in labels.items()]
    return re.sub(r"[^\w.+-]+", "-", "_".join(parts)).strip("-.")[:LONGEST] or "all"


def _distinct(cells: Sequence[Cell]) -> list[Cell]:
    """Numbers the names that are alike, or would be in a file system without cases."""
    names = [cell.name.casefold() for cell in cells]
    return [
        cell if names.count(name) == 1 else Cell(f"{cell.name}_{i + 1}", cell.labels, cell.options)
        for i, (cell, name) in enumerate(zip(cells, names, strict=True))
    ]
