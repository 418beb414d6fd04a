"""The progress bar."""

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar


class StepBar(TQDMProgressBar):
    """One bar over all steps: step, speed, time left, every term of the loss.

    Of a fit of some rows it says which, so that a run in units shows how far it has come.

    Args:
        refresh_rate: Steps between two updates.

    Attributes:
        note: What else is said of the next fit; the queue says how many rows are done.
    """

    BAR_FORMAT = (
        "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_noinv_fmt}{postfix}]"
    )

    def __init__(self, refresh_rate: int = 10) -> None:
        super().__init__(refresh_rate=refresh_rate)
        self.note = ""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        bar = self.train_progress_bar
        bar.reset(trainer.max_steps if trainer.max_steps > 0 else None)
        bar.initial = bar.n = trainer.global_step
        bar.set_description_str(f"{type(pl_module).__name__}{_rows(pl_module)}{self.note}")

    def on_train_epoch_start(self, *_: Any) -> None:
        """Nothing: one bar serves the whole run, and this hook is left out when a run is resumed."""

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """The terms, without Lightning's version number."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return dict(metrics)


def _rows(task: Any) -> str:
    """The rows of a fit that is not of all, by their numbers in the grid."""
    rows, total = task.shard.all, len(task.grid)
    if len(rows) == total:
        return ""
    return f", row {rows[0]} of {total}" if len(rows) == 1 else f", rows {rows[0]}-{rows[-1]} of {total}"
