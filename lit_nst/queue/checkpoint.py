"""The last checkpoint of a unit, and whose it is."""

from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from lit_nst.errors import InputError

FOLDER, LAST, BATCHES = "checkpoints", "last.ckpt", "batches"


class Checkpoint(ModelCheckpoint):
    """Keeps ``last.ckpt``: at every interval, when the process is told to end, and after the last step.

    That of the last step is written after the results: a run that is killed between the two goes on from an earlier
    step, and comes to them again.
    """

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves at the interval, and at once after SIGTERM; not at the last step."""
        if trainer.global_step >= trainer.max_steps:
            return
        if trainer.received_sigterm:
            self.save(trainer)
        else:
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves the last step, whatever the interval."""
        self.save(trainer)

    def save(self, trainer: Trainer) -> None:
        """Writes ``last.ckpt``, unless ``save_last`` is off."""
        if self.save_last:
            self.last_model_path = str(Path(str(self.dirpath)) / LAST)
            trainer.save_checkpoint(self.last_model_path, self.save_weights_only)


def run_of(given: str) -> tuple[Path, Path | None]:
    """The run that ``--ckpt_path`` means, and the checkpoint where it is one of all rows.

    Args:
        given: A run's folder, its ``checkpoints/last.ckpt``, another checkpoint of it, or one of a unit.

    Raises:
        InputError: It does not exist, or is a folder without a run.
    """
    path = Path(given)
    if path.is_dir():
        if not holds_run(path):
            raise InputError(f"--ckpt_path: {given} holds no run; give a run's folder or its checkpoints/last.ckpt")
        return path, None
    if not path.is_file():
        raise InputError(f"--ckpt_path: {given} does not exist; give a run's checkpoints/last.ckpt or its folder")
    folder = path.resolve().parent.parent
    return (folder.parent.parent, None) if folder.parent.name == BATCHES else (folder, path)


def holds_run(folder: Path) -> bool:
    """Whether a folder has anything of a run."""
    return any((folder / name).exists() for name in ("config.yaml", FOLDER, BATCHES, "metrics.json", "metrics.csv"))
