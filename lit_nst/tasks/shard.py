"""Which rows of ``w`` a process has."""

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import ParallelStrategy
from torch import Tensor

from lit_nst.errors import InputError

PRECISIONS = ("32-true", "64-true", "bf16-mixed")


def check_trainer(trainer: Trainer) -> None:
    """Refuses settings of the trainer under which rows would not be independent, or would not end.

    Raises:
        InputError: Half precisions that cannot hold ``w`` or that scale the loss, clipping of the gradient
            of all rows together, accumulation of the same gradient, no number of steps.
    """
    if trainer.max_steps < 1:
        raise InputError(f"--trainer.max_steps: {trainer.max_steps}; the loop has no other end, give 1 or more")
    if trainer.precision not in PRECISIONS:
        raise InputError(
            f"--trainer.precision: {trainer.precision} loses steps of w; use one of {', '.join(PRECISIONS)}"
        )
    if trainer.gradient_clip_val:
        raise InputError("--trainer.gradient_clip_val: it would couple the rows of w; leave it out")
    if trainer.accumulate_grad_batches != 1:
        raise InputError("--trainer.accumulate_grad_batches: every step has the whole gradient already; leave it out")


class Shard:
    """The rows of one process: a contiguous part of all of them.

    Convolutions round a lone image otherwise than two, but agree on any even number of images. So a process
    with an odd number of rows computes its last one twice: ``w`` is then the same, bit for bit, on any number of
    devices, and in any company. A run of one row does so only where that is cheap.

    Args:
        total: Rows of the whole run.
        trainer: Knows the number of processes and this one's rank.
        twice: Also the only row of a run is computed twice.

    Raises:
        InputError: More processes than rows, or a strategy that would average gradients.
    """

    def __init__(self, total: int, trainer: Trainer, twice: bool = False) -> None:
        if trainer.world_size > total:
            raise InputError(f"devices: {trainer.world_size} processes for {total} image(s); give at most {total}")
        if trainer.world_size > 1 and not getattr(trainer.strategy, "shards_rows", False):
            name = type(trainer.strategy).__name__
            kind = (
                "would average the gradients of different problems"
                if isinstance(trainer.strategy, ParallelStrategy)
                else ""
            )
            raise InputError(f"strategy: {name} {kind or 'does not shard rows'}; use --trainer.strategy rows")
        self.total = total
        self.rows: list[int] = torch.arange(total).tensor_split(trainer.world_size)[trainer.global_rank].tolist()
        self.local = len(self.rows)
        odd = (total > 1 or twice) and self.local % 2 == 1
        self.padded = [*self.rows, self.rows[-1]] if odd else self.rows

    def pad(self, w: Tensor) -> Tensor:
        """Repeats the last row where ``padded`` does."""
        return torch.cat([w, w[-1:]]) if len(self.padded) > len(w) else w
