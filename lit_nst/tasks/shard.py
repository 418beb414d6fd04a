"""Which rows of ``w`` a process has."""

from collections.abc import Sequence

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
    if trainer.limit_train_batches == 0:
        raise InputError("--trainer.limit_train_batches: 0; no step would be taken, leave it out")
    if trainer.precision not in PRECISIONS:
        raise InputError(
            f"--trainer.precision: {trainer.precision} loses steps of w; use one of {', '.join(PRECISIONS)}"
        )
    if trainer.gradient_clip_val:
        raise InputError("--trainer.gradient_clip_val: it would couple the rows of w; leave it out")
    if trainer.accumulate_grad_batches != 1:
        raise InputError("--trainer.accumulate_grad_batches: every step has the whole gradient already; leave it out")


def check_strategy(trainer: Trainer) -> None:
    """Refuses several processes under a strategy that would mix their rows.

    Raises:
        InputError: One that averages gradients, or does not know of rows.
    """
    if trainer.world_size > 1 and not getattr(trainer.strategy, "shards_rows", False):
        name = type(trainer.strategy).__name__
        parallel = isinstance(trainer.strategy, ParallelStrategy)
        kind = "would average the gradients of different problems" if parallel else "does not shard rows"
        raise InputError(f"strategy: {name} {kind}; use --trainer.strategy rows")


class Shard:
    """The rows of one process: a contiguous part of those that its trainer computes.

    Convolutions round a lone image otherwise than two, but agree on any even number of images. So a process
    with an odd number of rows computes its last one twice: ``w`` is then the same, bit for bit, on any number of
    devices, and in any company. A run of one row does so only where that is cheap.

    Args:
        rows: Numbers in the grid of the rows that the trainer computes.
        trainer: Knows the number of processes and this one's rank.
        twice: Also a lone row is computed twice.

    Attributes:
        all: Those numbers.
        total: How many.
        places: Positions in ``all`` of this process's rows.
        rows: Numbers in the grid of this process's rows.
        local: How many.
        padded: The same, with the last one repeated where their number is odd.

    Raises:
        InputError: More processes than rows, or a strategy that would average gradients.
    """

    def __init__(self, rows: Sequence[int], trainer: Trainer, twice: bool = False) -> None:
        self.all, self.total = list(rows), len(rows)
        if trainer.world_size > self.total:
            raise InputError(
                f"devices: {trainer.world_size} processes for {self.total} image(s); give at most {self.total}"
            )
        check_strategy(trainer)
        places = torch.arange(self.total).tensor_split(trainer.world_size)[trainer.global_rank]
        self.places: list[int] = places.tolist()
        self.rows = [self.all[place] for place in self.places]
        self.local = len(self.rows)
        odd = (self.total > 1 or twice) and self.local % 2 == 1
        self.padded = [*self.rows, self.rows[-1]] if odd else self.rows

    def pad(self, w: Tensor) -> Tensor:
        """Repeats the last row where ``padded`` does."""
        return torch.cat([w, w[-1:]]) if len(self.padded) > len(w) else w
