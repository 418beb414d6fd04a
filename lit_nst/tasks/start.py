"""Where a search starts."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lit_nst.data import fit_image, read_image
from lit_nst.errors import InputError
from lit_nst.functional.color import match_colors, noise_of_colors
from lit_nst.functional.random import normal

if TYPE_CHECKING:
    from lit_nst.tasks.objective import Objective


def start(task: "Objective", shape: torch.Size) -> Tensor:
    """The first ``w`` of a process's rows: what ``Search.start`` names plus noise, in the box.

    The noise is keyed by picture and restart, so the rows of one picture that differ in their weights or
    styles start alike, in this run and in others.

    Args:
        task: Has the settings, the generator, the grid and the pictures.
        shape: Of a row.

    Raises:
        InputError: A start that the task or its generator does not have, or a file that cannot be read.
    """
    noise = torch.stack([normal(shape, task.seed, "start", *key) for key in task.row_keys()])
    base = _base(task, noise)
    spread = task.search.spread * task.generator.scale
    return task.generator.project(base + spread * task.generator.share(noise, 0))


def _base(task: "Objective", noise: Tensor) -> Tensor:
    name = task.search.start
    if name == "center":
        return task.generator.center
    rows, size = len(noise), task.size
    if name in ("style", "recolored"):
        _need(task, name, ["style"] if name == "style" else ["content", "style"])
        base = noise if name == "style" else task.get_buffer("content")[:rows].cpu()
        make = noise_of_colors if name == "style" else _recolored
        image = torch.stack([make(style, own) for style, own in zip(_styles(task), base, strict=True)])
    elif name in task.roles:
        image = getattr(task, name)[:rows]
        if image.shape[-2:] != size:
            raise InputError(f'search.start is "{name}", but its size is that of a measurement; use center')
    elif Path(name).is_file():
        image = fit_image(read_image(Path(name))[0], size).expand(rows, -1, -1, -1)
    else:
        known = ", ".join(["center", *task.roles, *(["recolored"] if "content" in task.roles else [])])
        raise InputError(f'search.start: there is no file "{name}"; give {known} or the path of a picture')
    return task.generator.encode(image)


def _styles(task: "Objective") -> list[Tensor]:
    """The style of each row; of a blend its heaviest."""
    pictures = task.pictures["style"]
    if task.blend is not None:
        return [pictures[list(task.blend).index(max(task.blend))]] * task.shard.local
    return [pictures[task.grid[row].images["style"]] for row in task.shard.rows]


def _recolored(style: Tensor, content: Tensor) -> Tensor:
    return match_colors(content, style).clamp(0, 1)


def _need(task: "Objective", name: str, roles: list[str]) -> None:
    for role in roles:
        if role not in task.roles:
            raise InputError(f'search.start is "{name}", but {type(task).__name__} has no {role}; use center')
