"""``config.yaml`` of a run of one unit."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from lit_nst.files import write_atomically

NAME = "config.yaml"


class Record(Callback):
    """Writes ``config.yaml`` once pictures and networks are there; bad input before leaves no folder.

    Args:
        folder: Of the run.
        text: Of the file.
        made: Folders that this run has made, the inner ones first.
    """

    def __init__(self, folder: Path, text: str, made: Sequence[Path]) -> None:
        self.folder, self.text, self.made = folder, text, made
        self.started = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the file, where a run begins."""
        self.started = True
        if not (self.folder / NAME).is_file():
            write_atomically(self.folder / NAME, self.text.encode())

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Takes away what a run left that never started."""
        if self.started:
            return
        if isinstance(trainer.logger, TensorBoardLogger):
            trainer.logger.finalize("failed")
            for file in self.folder.glob(f"events.out.tfevents.*.{os.getpid()}.*"):
                file.unlink()
        if self.made:
            (self.folder / ".claim").unlink(missing_ok=True)
        remove_empty(self.made)


def remove_empty(folders: Sequence[Path]) -> None:
    """Removes folders that hold nothing, in their order."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
