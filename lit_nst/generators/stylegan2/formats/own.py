"""Safetensors with NVlabs' ``G_ema`` parameter names."""

import json
from collections.abc import Mapping as MappingOf
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lit_nst.errors import InputError, quote
from lit_nst.files import write_atomically
from lit_nst.generators.stylegan2.formats.records import reading
from lit_nst.generators.stylegan2.formats.state import check_state, infer, shapes, some
from lit_nst.generators.stylegan2.network import Architecture

FORMAT = "lit_nst.stylegan2.v1"


def read(path: Path) -> tuple[Architecture, dict[str, Tensor]]:
    """Reads a generator file of this project.

    Args:
        path: A safetensors file; its tensors may be of any floating precision.

    Returns:
        The architecture, inferred from the shapes, and float32 tensors.

    Raises:
        InputError: Damaged, incomplete, or not a StyleGAN2 in this format.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata, names = file.metadata() or {}, list(file.keys())
            if metadata.get("format") != FORMAT:
                raise InputError(
                    f'{path}: not a StyleGAN2 of this project: it holds {some(names)}, and its metadata lack "format": '
                    f'"{FORMAT}"; give a generator written by lit-nst convert or StyleGAN2.save'
                )
            with reading(path):
                state = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a readable safetensors file ({quote(error)})") from None
    lr_multiplier, conv_clamp = read_settings(metadata.get("settings"), path)
    architecture = infer(state, lr_multiplier, conv_clamp, path)
    check_state(state, shapes(architecture), path)
    return architecture, {name: value.float() for name, value in state.items()}


def write(path: Path, architecture: Architecture, state: MappingOf[str, Tensor], half: bool = False) -> None:
    """Writes a generator file, atomically.

    Args:
        path: Where to.
        architecture: Its settings that shapes do not show go into the metadata.
        state: Tensors by NVlabs' names.
        half: Store float16 instead of float32.

    Raises:
        InputError: ``half``, and a weight that float16 cannot hold.
    """
    dtype = torch.float16 if half else torch.float32
    tensors = {key: value.detach().to("cpu", dtype).contiguous() for key, value in state.items()}
    for key, value in tensors.items():
        if half and bool(value.isinf().any()):
            raise InputError(f"{key} holds weights above 65504, too large for float16; write the file without half")
    write_atomically(path, save(tensors, {"format": FORMAT, "settings": write_settings(architecture)}))


def write_settings(architecture: Architecture) -> str:
    """What no shape shows, as JSON.

    >>> write_settings(Architecture(8, 8, (8,)))
    '{"lr_multiplier": 0.01, "conv_clamp": null}'
    """
    return json.dumps({"lr_multiplier": architecture.lr_multiplier, "conv_clamp": architecture.conv_clamp})


def read_settings(text: object, path: Path) -> tuple[float, float | None]:
    """``lr_multiplier`` and ``conv_clamp`` of ``write_settings``.

    Args:
        text: What a file holds in their place.
        path: The file, for the message.

    Raises:
        InputError: They are missing, or are not positive numbers.
    """
    try:
        settings = json.loads(str(text))
        clamp = settings["conv_clamp"]
        return _positive(settings["lr_multiplier"]), None if clamp is None else _positive(clamp)
    except (KeyError, ValueError, TypeError, RecursionError):
        raise InputError(
            f"{path}: the settings of a StyleGAN2 are missing or unreadable; they are written as "
            '{"lr_multiplier": 0.01, "conv_clamp": null}'
        ) from None


def _positive(value: float) -> float:
    if not 0 < float(value) < float("inf"):
        raise ValueError
    return float(value)
