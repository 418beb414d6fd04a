"""Checkpoint files that are whole or not there."""

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.fabric.utilities.types import _PATH

from lit_nst.checkpoints import read_checkpoint
from lit_nst.files import write_atomically

# The state alone, which the processes of Lightning's forking launcher leave to the one that waits for them.
HANDED_OVER = ".temp.ckpt"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes next to the final place, then renames: a killed run leaves the old file or the new one.

    Lightning's own write goes through the temporary folder, which is atomic only where that lies on the
    same file system.
    """

    def load_checkpoint(self, path: _PATH, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Reads a checkpoint, weights only.

        Raises:
            InputError: The file is damaged, holds more than tensors and plain values, or is no checkpoint of a run.
        """
        load = super().load_checkpoint
        if Path(path).name == HANDED_OVER:
            return load(path, *args, **kwargs)
        return read_checkpoint(Path(path), lambda: load(path, *args, **kwargs))

    def save_checkpoint(self, checkpoint: dict[str, Any], path: _PATH, storage_options: Any | None = None) -> None:
        """Saves tensors and plain values, readable with ``weights_only=True``."""
        data = io.BytesIO()
        torch.save(checkpoint, data)
        write_atomically(Path(path), data.getvalue())
