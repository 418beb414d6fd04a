"""Safetensors with NVlabs' ``G_ema`` parameter names, and what every format shares: the check of a whole state."""

import json
import re
from collections.abc import Mapping as MappingOf
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from lit_nst.errors import InputError
from lit_nst.files import write_atomically
from lit_nst.generators.stylegan2.formats.unpickler import quote
from lit_nst.generators.stylegan2.network import Architecture, Mapping, Synthesis

FORMAT = "lit_nst.stylegan2.v1"
# Sizes are taken from files; one that claims more than 4096×4096, or a deeper mapping, is not believed.
BLOCKS, DEPTH = 11, 64


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
            state = {name: file.get_tensor(name).float() for name in names}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a readable safetensors file ({error})") from None
    lr_multiplier, conv_clamp = read_settings(metadata.get("settings"), path)
    architecture = infer(state, lr_multiplier, conv_clamp, path)
    check_state(state, shapes(architecture), path)
    return architecture, state


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
    except (KeyError, ValueError, TypeError):
        raise InputError(
            f"{path}: the settings of a StyleGAN2 are missing or unreadable; they are written as "
            '{"lr_multiplier": 0.01, "conv_clamp": null}'
        ) from None


def infer(state: MappingOf[str, Tensor], lr_multiplier: float, conv_clamp: float | None, path: Path) -> Architecture:
    """The architecture that the shapes of a state by NVlabs' names show.

    Args:
        state: The tensors; only a few are looked at.
        lr_multiplier: Of the mapping network.
        conv_clamp: Limit of each layer's output, or None.
        path: Their file, for the messages.

    Raises:
        InputError: A tensor that shows a size is missing or has no such axis.
    """
    depth = min(count(state, r"mapping\.fc(\d+)\."), DEPTH)
    blocks = max(1, min(count(state, r"synthesis\.b(\d+)\."), BLOCKS))
    channels = [axis(state, f"synthesis.b{4 * 2**k}.conv1.weight", 4, 0, path) for k in range(blocks)]
    z_dim, w_dim = (axis(state, "mapping.fc0.weight", 2, i, path) for i in (1, 0))
    return Architecture(z_dim, w_dim, tuple(channels), depth, lr_multiplier, conv_clamp)


def shapes(architecture: Architecture) -> dict[str, torch.Size]:
    """Shapes of all tensors by NVlabs' names.

    >>> shapes(Architecture(z_dim=5, w_dim=7, channels=(9,)))["synthesis.b4.const"]
    torch.Size([9, 4, 4])
    """
    return {key: value.shape for key, value in build(architecture).state_dict().items()}


def build(architecture: Architecture) -> nn.ModuleDict:
    """``mapping`` and ``synthesis``, without numbers; fill them by ``load_state_dict(state, assign=True)``."""
    with torch.device("meta"):
        return nn.ModuleDict({"mapping": Mapping(architecture), "synthesis": Synthesis(architecture)})


def check_state(state: MappingOf[str, object], wanted: MappingOf[str, torch.Size], path: Path) -> None:
    """Refuses a state that is not, name for name and shape for shape, what it should be.

    Args:
        state: What a file holds.
        wanted: Shapes by name.
        path: The file, for the messages.

    Raises:
        InputError: A missing or an unknown name, no floating tensor, another shape, or numbers that
            are not finite; the first one is named.
    """
    if missing := [key for key in wanted if key not in state]:
        raise InputError(f"{path}: it lacks {some(missing)} of a StyleGAN2; give the whole generator")
    if unknown := [key for key in state if key not in wanted]:
        raise InputError(
            f"{path}: it holds {some(unknown)}, which no StyleGAN2 of its size has; give an unconditional StyleGAN2 of "
            "the skip architecture"
        )
    for key, shape in wanted.items():
        value = state[key]
        if not isinstance(value, Tensor) or not value.is_floating_point():
            raise InputError(f"{path}: {key} is not a tensor of floating-point numbers; the file is damaged")
        if value.shape != shape:
            raise InputError(f"{path}: {key} is {size(value.shape)}, but {size(shape)} fits the other layers")
        if not bool(value.isfinite().all()):
            raise InputError(f"{path}: {key} holds numbers that are not finite; the training or the file is broken")


def count(state: MappingOf[str, object], pattern: str) -> int:
    r"""How many different numbers stand in the group of a pattern at the start of the names.

    >>> count({"fc0.weight": 0, "fc0.bias": 0, "fc1.bias": 0}, r"fc(\d+)")
    2
    """
    return len({found[1] for key in state if (found := re.match(pattern, key))})


def axis(state: MappingOf[str, object], key: str, dimensions: int, index: int, path: Path) -> int:
    """Length of one axis of a tensor that shows the size of a network.

    Raises:
        InputError: It is missing, or has another number of axes.
    """
    value = state.get(key)
    if not isinstance(value, Tensor):
        raise InputError(f"{path}: it lacks {key} of a StyleGAN2; give the whole generator")
    if value.dim() != dimensions:
        raise InputError(f"{path}: {key} is {size(value.shape)}, but a StyleGAN2 has {dimensions} axes there")
    return value.shape[index]


def size(shape: torch.Size) -> str:
    """A shape as text.

    >>> size(torch.Size([3, 4]))
    '3×4'
    """
    return "×".join(map(str, shape)) or "a single number"


def some(names: list[str]) -> str:
    """The first of many names of a file, fit for one line.

    >>> some(["a", "b", "c", "d"])
    'a, b and 2 more'
    """
    return ", ".join(map(quote, names[:2])) + (f" and {len(names) - 2} more" if len(names) > 2 else "") or "nothing"


def _positive(value: float) -> float:
    if not 0 < float(value) < float("inf"):
        raise ValueError
    return float(value)
