"""Checkpoints of runs: read as data, and known to be whole before anything is made of them."""

import pickle
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lit_nst.errors import InputError

ADVICE = "give a run's checkpoints/last.ckpt"
# What a run writes, and goes on from.
PARTS: dict[str, type] = {
    "state_dict": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
    "loops": dict,
    "global_step": int,
    "epoch": int,
    "pytorch-lightning_version": str,
}


def read_checkpoint(path: Path, load: Callable[[], Any]) -> dict[str, Any]:
    """Reads a checkpoint of a run, without running any code that is in it.

    Args:
        path: The file, for the messages.
        load: Reads it, weights only.

    Raises:
        InputError: The file is damaged, holds more than tensors and plain values, or is no checkpoint of a run.
    """
    try:
        with warnings.catch_warnings():
            # PyTorch's, of how the file was pickled.
            warnings.simplefilter("ignore")
            found = load()
    # Damaged bytes fail anywhere, as anything.
    except Exception as error:
        raise InputError(
            f"--ckpt_path: {path} is damaged or no checkpoint of a run ({reason(error)}); {ADVICE}"
        ) from None
    if wrong := _wrong(found):
        raise InputError(f"--ckpt_path: {path} is no checkpoint of a run ({wrong}); {ADVICE}")
    checkpoint: dict[str, Any] = found
    return checkpoint


def reason(error: Exception) -> str:
    """What PyTorch says of a file that it cannot read, on one line, without its advice to run what is in it."""
    if isinstance(error, pickle.UnpicklingError) or "weights_only" in str(error):
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        return f"it asks for {named[1]}, which is not run" if named else "it holds other things than tensors"
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _wrong(found: object) -> str | None:
    """What a run could not go on from."""
    if not isinstance(found, dict):
        return f"a {type(found).__name__} instead of parts by name"
    for name, kind in PARTS.items():
        if not isinstance(found.get(name), kind):
            return f"it has no {name}" if name not in found else f"its {name} is no {kind.__name__}"
    if not re.fullmatch(r"\d+(\.\d+)*([a-z.+-]\w*)*", found["pytorch-lightning_version"]):
        return "its version is no version"
    if min(found["global_step"], found["epoch"]) < 0:
        return "it has done fewer than no steps"
    if not {"state_dict", "epoch_loop.state_dict", "epoch_progress"} <= set(found["loops"].get("fit_loop") or ()):
        return "its loops are not those of a run"
    if not isinstance(found.get("callbacks", {}), dict):
        return "its callbacks are no dict"
    return _wrong_tensors(found["state_dict"]) or _wrong_optimizers(found["optimizer_states"])


def _wrong_tensors(state: dict[str, Any]) -> str | None:
    for name, value in state.items():
        if not isinstance(value, Tensor) or value.layout != torch.strided or value.is_meta:
            return f"{str(name)[:80]} is no tensor of numbers"
    if "w" not in state:
        return "it has no w"
    if not state["w"].is_floating_point():
        return f"its w holds {state['w'].dtype}"
    if state.get("best", state["w"]).shape != state["w"].shape:
        return "its best and its w differ in shape"
    return None


def _wrong_optimizers(states: list[Any]) -> str | None:
    for state in states:
        if not isinstance(state, dict) or not isinstance(state.get("state"), dict):
            return "its optimizer has no state"
        groups = state.get("param_groups")
        if not isinstance(groups, list) or not groups or not all(isinstance(group, dict) for group in groups):
            return "its optimizer has no groups"
    return None if len(states) == 1 else f"it has {len(states)} optimizers"
