"""The undegraded pictures, for figures and metrics only."""

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
        itself, else None.
    """
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    role = "truth" if data.has("truth") else task.roles[0]
    if role != "truth" and task.measured(role):
        return None
    if data.count(role) != data.count(task.roles[0]):
        raise InputError(
            f"--data.truth: {data.count(role)} pictures for {data.count(task.roles[0])} targets; give one each"
        )
    images: Tensor = data.load(role, rows, task.size)
    return images
