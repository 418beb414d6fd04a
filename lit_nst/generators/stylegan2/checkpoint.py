"""Generator files: safetensors with NVlabs' ``G_ema`` parameter names."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lit_nst.embedded import locate
from lit_nst.errors import InputError
from lit_nst.files import write_atomically
from lit_nst.generators.stylegan2.network import Architecture

FORMAT = "lit_nst.stylegan2.v1"
EMBEDDED = "embedded:portraits.safetensors"


def resolve(weights: str) -> Path:
    """The file behind the option ``generator.weights``.

    Raises:
        InputError: Neither ``"embedded"`` nor a ``.safetensors`` file that is there.
    """
    if weights == "embedded":
        return locate(EMBEDDED)
    path = Path(weights)
    if not path.is_file():
        raise InputError(f'generator weights "{weights}": no such file; give "embedded" or a .safetensors file')
    if path.suffix != ".safetensors":
        raise InputError(f'generator weights "{weights}": this version reads .safetensors files only')
    return path


def read(path: Path) -> tuple[Architecture, dict[str, Tensor]]:
    """Reads a generator file.

    Args:
        path: A ``.safetensors`` file; its tensors may be of any floating precision.

    Returns:
        The architecture, inferred from the shapes, and float32 tensors.

    Raises:
        InputError: Damaged, or not a StyleGAN2 in this format.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a readable safetensors file ({error})") from None
    if metadata.get("format") != FORMAT:
        raise InputError(f'{path}: not a StyleGAN2 of this project (its metadata lack "format": "{FORMAT}")')
    try:
        settings = json.loads(metadata["settings"])
        return _infer(state, settings["lr_multiplier"], settings["conv_clamp"]), state
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: incomplete StyleGAN2 file, {error} is missing or unreadable") from None


def write(path: Path, architecture: Architecture, state: dict[str, Tensor], half: bool = False) -> None:
    """Writes a generator file, atomically.

    Args:
        path: Where to.
        architecture: Its settings that shapes do not show go into the metadata.
        state: Tensors by NVlabs' names.
        half: Store float16 instead of float32.
    """
    dtype = torch.float16 if half else torch.float32
    tensors = {key: value.detach().to("cpu", dtype).contiguous() for key, value in state.items()}
    settings = {"lr_multiplier": architecture.lr_multiplier, "conv_clamp": architecture.conv_clamp}
    write_atomically(path, save(tensors, {"format": FORMAT, "settings": json.dumps(settings)}))


def _infer(state: dict[str, Tensor], lr_multiplier: float, conv_clamp: float | None) -> Architecture:
    channels: list[int] = []
    while f"synthesis.b{4 * 2 ** len(channels)}.conv1.weight" in state:
        channels.append(len(state[f"synthesis.b{4 * 2 ** len(channels)}.conv1.weight"]))
    depth = sum(key.startswith("mapping.fc") and key.endswith(".weight") for key in state)
    w_dim, z_dim = state["mapping.fc0.weight"].shape
    return Architecture(z_dim, w_dim, tuple(channels), depth, lr_multiplier, conv_clamp)
