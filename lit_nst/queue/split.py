"""Checkpoints of fewer rows out of one, and one out of several."""

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lit_nst.errors import InputError

Checkpoint = Mapping[str, Any]

# What the units of a run have in common after a step, but for the lines of their tensors.
ALIKE = ("state_dict", "optimizer_states", "lr_schedulers")


def rows_of(checkpoint: Checkpoint) -> list[int]:
    """The numbers in the grid of a checkpoint's rows, in the order of the lines of its tensors.

    A checkpoint from before these were noted has all rows of its run.

    Raises:
        InputError: No checkpoint of a run, or one that has not a line for each row.
    """
    w = checkpoint.get("state_dict", {}).get("w")
    if not torch.is_tensor(w) or w.dim() == 0:
        raise InputError("checkpoint: it has no rows of w; give one that a run has written")
    rows = list(checkpoint.get("rows", range(len(w))))
    if not len(set(rows)) == len(rows) == len(w):
        raise InputError(f"checkpoint: it has {len(w)} line(s) for the rows {_some(rows)}; give one that is whole")
    return rows


def split(checkpoint: Checkpoint, groups: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """A checkpoint for each group of rows, which go on from it as they would have gone on together.

    A tensor of the task's or an optimiser's state has a line per row if its first dimension is the number of rows, as
    ``RowsStrategy`` has it. All else goes into every part as it is: the numbers of steps, the schedules, the states of
    callbacks with the paths of the whole run. Parts share no memory with each other, nor with the whole.

    Args:
        checkpoint: Tensors and plain values, as ``weights_only=True`` reads them.
        groups: Numbers in the grid, in the order that the lines of the part shall have. Rows may be left out.

    Raises:
        InputError: A group of no rows, a row in two groups, or one that the checkpoint does not have.
    """
    rows = rows_of(checkpoint)
    if not all(len(group) for group in groups):
        raise InputError("checkpoint: a group has no rows; leave it out")
    _check_once([row for group in groups for row in group], "groups")
    if unknown := sorted({row for group in groups for row in group}.difference(rows)):
        raise InputError(f"checkpoint: it has the rows {_some(rows)}, but not {_some(unknown)}; give that of their run")
    return [_gathered([checkpoint], list(group)) for group in groups]


def merge(parts: Sequence[Checkpoint]) -> dict[str, Any]:
    """The checkpoint of all rows of several, in order of their numbers; the inverse of ``split``.

    The states of callbacks and of the trainer's loops are those of the first part.

    Args:
        parts: Checkpoints of one run after the same step, in any order.

    Raises:
        InputError: No part, a row in two parts, another step, parts of different runs, or an optimiser that does not
            keep its state by row, as PyTorch's L-BFGS.
    """
    if not parts:
        raise InputError("checkpoint: there are no parts to merge; give one or more")
    rows = [row for part in parts for row in rows_of(part)]
    _check_once(rows, "parts")
    first = parts[0]
    for part in parts[1:]:
        both = f"those of the rows {_some(rows_of(first))} and {_some(rows_of(part))}"
        if first["global_step"] != part["global_step"]:
            steps = f"{first['global_step']} and {part['global_step']}"
            raise InputError(f"checkpoint: {both} are of the steps {steps}; bring them to the same step first")
        lines = len(rows_of(first)), len(rows_of(part))
        for key in ALIKE:
            if not _alike(first[key], part[key], lines):
                advice = "give parts of one run, whose optimizer keeps its state by row"
                raise InputError(f"checkpoint: {both} differ in {key}; {advice}")
    return _gathered(parts, sorted(rows))


def _gathered(parts: Sequence[Checkpoint], rows: list[int]) -> dict[str, Any]:
    """The lines of some rows out of the parts of a run; all else from the first one."""
    held = [rows_of(part) for part in parts]
    places = {row: place for place, row in enumerate(row for own in held for row in own)}
    lines, counts = [places[row] for row in rows], [len(own) for own in held]

    def joined(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
        # In its own type: a module's state comes with versions.
        whole = copy.copy(states[0])
        for name in whole:
            values = [state[name] for state in states]
            found = all(map(_has_lines, values, counts))
            whole[name] = _all_lines(values)[lines] if found else copy.deepcopy(values[0])
        return whole

    def optimizer(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
        inner = {w: joined([state["state"][w] for state in states]) for w in states[0]["state"]}
        return {key: inner if key == "state" else copy.deepcopy(value) for key, value in states[0].items()}

    optimizers = zip(*(part["optimizer_states"] for part in parts), strict=True)
    own = {
        "state_dict": joined([part["state_dict"] for part in parts]),
        "optimizer_states": [optimizer(states) for states in optimizers],
        "rows": rows,
    }
    return {key: own[key] if key in own else copy.deepcopy(value) for key, value in parts[0].items()} | own


def _all_lines(values: Sequence[Tensor]) -> Tensor:
    """The lines of all; not a copy of a lone one, since a history can be as large as the memory."""
    return torch.cat(list(values)) if len(values) > 1 else values[0]


def _has_lines(value: Any, rows: int) -> bool:
    """Whether a value is a tensor with a line per row."""
    return torch.is_tensor(value) and value.dim() > 0 and len(value) == rows


def _alike(a: Any, b: Any, rows: tuple[int, int]) -> bool:
    """Whether two states, of so many rows each, differ in nothing but the lines of their tensors."""
    if torch.is_tensor(a) and torch.is_tensor(b):
        if _has_lines(a, rows[0]) and _has_lines(b, rows[1]):
            return a.dtype == b.dtype and a.shape[1:] == b.shape[1:]
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_alike(a[key], b[key], rows) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(_alike(one, other, rows) for one, other in zip(a, b, strict=True))
    return type(a) is type(b) and bool(a == b)


def _check_once(rows: Sequence[int], where: str) -> None:
    """Refuses a row that is there twice."""
    if twice := sorted(row for row, times in Counter(rows).items() if times > 1):
        raise InputError(f"checkpoint: the rows {_some(twice)} are in several {where}; give each row once")


def _some(rows: Sequence[int]) -> str:
    """Rows in few words."""
    return f"{rows[0]} … {rows[-1]} ({len(rows)})" if len(rows) > 3 else ", ".join(map(str, rows))
