"""An option and the values that it takes."""

import json
from dataclasses import dataclass
from typing import Any

from lit_nst.errors import InputError

Option = tuple[str, str]


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
