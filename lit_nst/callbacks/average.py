"""The average of the iterates."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.tasks import Task

NAME = "average"


class Average(Callback):
    """Averages ``w`` over the steps, exponentially; at the end the average is judged as one more ``w``.

    a ← decay·a + (1 − decay)·w, divided by 1 − decayᵏ after k steps, so that the start does not count. Rows for which
    it has a lower loss than the best step, as is usual with noisy steps such as Adam's, get it as their result.

    Polyak & Juditsky, "Acceleration of stochastic approximation by averaging", 1992, with the bias correction of
    Adam; Katherine Crowson's style-transfer-pytorch, 2021, always gives out the average. With a line search there
    is nothing to average out.

    Args:
        decay: Share of the average that is kept at a step, from 0 to below 1.
        always: The average is the result, whatever its loss, unless it is not finite.

    Raises:
        InputError: Another decay, or a task that samples.
    """

    def __init__(self, decay: float = 0.99, always: bool = False) -> None:
        if not 0 <= decay < 1:
            raise InputError(f"Average: decay is {decay:g}; give 0 to below 1")
        self.decay, self.always = decay, always

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        task: Any = pl_module
        if not isinstance(task, Task):
            raise InputError(f"Average: {type(task).__name__} takes no steps to average; leave it out")
        if NAME not in task.extra_rows:
            # A row state of the task: gathered, saved and shared out as ``w`` is.
            task.extra_rows.append(NAME)

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        task: Any = pl_module
        average: Tensor = task.average
        average.lerp_(task.w, 1 - self.decay)

    @torch.no_grad()
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # The one epoch ends after the task has judged its last ``w``, and before the results are written.
        task: Any = pl_module
        mean = task.average / (1 - self.decay**trainer.global_step)
        losses = task.losses(mean)
        if self.always:
            # A stopped row keeps its best step: its average is of a ``w`` that went wrong.
            replaced = losses.isfinite() & (task.stopped < 0)
            task.best_loss.copy_(torch.where(replaced, torch.inf, task.best_loss))
        task.keep_best(mean, torch.where(losses.isfinite(), losses, torch.inf), stop=False)
