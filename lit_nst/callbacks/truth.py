"""The pictures that results are compared with, for figures and sheets only."""

from collections.abc import Sequence
from typing import Any

from lightning.pytorch import Trainer
from torch import Tensor

from lit_nst.errors import InputError


def load_truth(trainer: Trainer, task: Any, rows: Sequence[int]) -> Tensor | None:
    """The undegraded pictures of some rows.

    Args:
        trainer: Has the data.
        task: Has the size of the generated images.
        rows: Numbers of the rows.

    Returns:
        N×3×H×W: the role ``truth`` where it is given, else the targets where the task degrades them
        itself, else None; also for a task without targets.
    """
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    if "target" not in task.roles:
        return None
    role = "truth" if data.has("truth") else "target"
    if role != "truth" and task.measured(role):
        return None
    if data.count(role) != data.count("target"):
        raise InputError(f"--data.truth: {data.count(role)} pictures for {data.count('target')} targets; give one each")
    return _load(data, task, role, "target", rows)


def load_content(trainer: Trainer, task: Any, rows: Sequence[int]) -> Tensor | None:
    """The content pictures of some rows, N×3×H×W; None for a task without."""
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    return _load(data, task, "content", "content", rows) if "content" in task.roles else None


def styles_of(task: Any, rows: Sequence[int]) -> list[list[tuple[float, Tensor]]]:
    """The style pictures of some rows, 3×h×w each with its share, which is 1 where nothing is blended."""
    pictures = task.pictures.get("style")
    if pictures is None:
        return []
    if task.blend is None:
        return [[(1.0, pictures[task.grid[row].images["style"]])] for row in rows]
    total = sum(task.blend)
    weighted = zip(task.blend, pictures.values(), strict=True)
    shares = [(weight / total, picture) for weight, picture in weighted if weight > 0]
    return [shares for _ in rows]


def _load(data: Any, task: Any, role: str, by: str, rows: Sequence[int]) -> Tensor:
    images: Tensor = data.load(role, [task.grid[row].images[by] for row in rows], task.size)
    return images
