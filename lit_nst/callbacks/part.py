"""What a fit of some rows leaves, for the results of all."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.files import write_atomically

NAME, KEY = "part.safetensors", "part"


@dataclass
class Part:
    """What was found of some rows, but for their pictures, which are files.

    Attributes:
        rows: Their numbers in the grid.
        figures: Of each of them, as ``metrics.json`` has them; the name is that of the row, with its restart.
        tensors: ``w`` of these rows, where it is a latent; and for the rows ``shown``, which the sheet may show, the
            pictures that it needs.
        steps: That the fit ended at.
        first: That it began at, of a fit that went on.
        seconds: That it took.
        unreadable: Row → reason, of rows that were left out.
    """

    rows: list[int]
    figures: list[dict[str, Any]]
    tensors: dict[str, Tensor] = field(default_factory=dict)
    steps: int = 0
    first: int = 0
    seconds: float = 0.0
    unreadable: dict[int, str] = field(default_factory=dict)

    @classmethod
    def empty(cls, unreadable: Mapping[int, str]) -> "Part":
        """Of rows that were all left out."""
        return cls([], [], unreadable=dict(unreadable))


def write_part(path: Path, part: Part) -> None:
    """Writes one file, whole or not at all; numbers keep every bit."""
    told = asdict(Part(part.rows, part.figures, {}, part.steps, part.first, part.seconds))
    told["tensors"], told["unreadable"] = [], list(part.unreadable.items())
    tensors = {key: value.detach().cpu().contiguous() for key, value in part.tensors.items()}
    write_atomically(path, save(tensors, {KEY: json.dumps(told)}))


def read_part(path: Path) -> Part:
    """Reads it.

    Raises:
        InputError: Not there, damaged, or not of this kind.
    """
    try:
        with safe_open(path, framework="pt") as file:
            told = json.loads((file.metadata() or {})[KEY])
            told["tensors"] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
        told["unreadable"] = {int(row): str(reason) for row, reason in told["unreadable"]}
        if len(told["rows"]) != len(told["figures"]) or not all(isinstance(row, int) for row in told["rows"]):
            raise ValueError(f"{len(told['rows'])} rows and {len(told['figures'])} figures")
        return Part(**told)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not what a fit leaves ({reason}); remove it and compute its rows again") from None
