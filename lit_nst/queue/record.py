"""``config.yaml`` of a run of one unit."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import Callback, LightningModule, Trainer

from lit_nst.errors import InputError
from lit_nst.files import write_atomically
from lit_nst.plain_yaml import check
from lit_nst.queue.checkpoint import holds_run

NAME = "config.yaml"
# What says which problem a run is, but for what changes no result.
PROBLEM, FREE = ("seed_everything", "model", "data", "callbacks"), {"data.unreadable"}


class Record(Callback):
    """Writes ``config.yaml`` once pictures and networks are there; bad input before leaves no folder.

    Args:
        folder: Of the run.
        text: Of the file.
    """

    def __init__(self, folder: Path, text: str) -> None:
        self.folder, self.text = folder, text

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the file; of a run that goes on, that of the last command."""
        write_atomically(self.folder / NAME, self.text.encode())


def check_same(file: Path, text: str) -> None:
    """Refuses to go on with a run as another problem.

    Args:
        file: The run's ``config.yaml``; what an older version did not write there is not compared.
        text: That of the command.

    Raises:
        InputError: Another task, picture, setting or seed.
    """
    own = yaml.safe_load(text)
    try:
        written = file.read_text(encoding="utf-8")
        check(written)
        saved = yaml.safe_load(written)
    except (yaml.YAMLError, UnicodeDecodeError):
        saved = None
    if not isinstance(saved, dict):
        raise InputError(f"{file} is not the config of a run; put the run's own there")
    for config in (saved, own):
        trainer = config.get("trainer")
        config["callbacks"] = _changing(trainer.get("callbacks") if isinstance(trainer, dict) else None)
    found = [key for part in PROBLEM if part in saved for key in _differing(saved[part], own.get(part), part)]
    if found := [key for key in found if key not in FREE]:
        named = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        raise InputError(
            f"--ckpt_path: this run and {file} differ in {named}; "
            "give that config, or begin a new run from the checkpoint with --trainer.logger.init_args.version NAME"
        )


def _changing(callbacks: Any) -> list[Any]:
    """Of the callbacks in a config those that change the problem."""
    entries = callbacks if isinstance(callbacks, list) else []
    names = tuple(f"lit_nst.callbacks.{kind}" for kind in ("Degrade", "Average"))
    return [entry for entry in entries if isinstance(entry, dict) and str(entry.get("class_path")).startswith(names)]


def _differing(a: Any, b: Any, key: str) -> list[str]:
    """Keys of the first that the second has otherwise."""
    if isinstance(a, dict) and isinstance(b, dict):
        return [found for name in a for found in _differing(a[name], b.get(name), f"{key}.{name}")]
    return [] if a == b else [key]


def clear_away(folder: Path, made: Sequence[Path]) -> None:
    """Takes away what a run left that never started.

    Args:
        folder: Of the run.
        made: Folders that it has made, the inner ones first.
    """
    if holds_run(folder):
        return
    for file in folder.glob(f"events.out.tfevents.*.{os.getpid()}.*"):
        file.unlink()
    for name in (".claim", *(["hparams.yaml"] if folder in made else [])):
        (folder / name).unlink(missing_ok=True)
    remove_empty(made)


def remove_empty(folders: Sequence[Path]) -> None:
    """Removes folders that hold nothing, in their order."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
