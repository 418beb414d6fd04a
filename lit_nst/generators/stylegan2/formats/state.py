"""What every format shares: the state of a whole generator by NVlabs' names, its sizes and its check."""

import re
from collections.abc import Mapping as MappingOf
from pathlib import Path

import torch
from torch import Tensor, nn

from lit_nst.errors import InputError, quote
from lit_nst.generators.stylegan2.network import Architecture, Mapping, Synthesis

# Sizes are taken from files; one that claims more than 4096×4096, or a deeper mapping, is not believed.
BLOCKS, DEPTH = 11, 64
# An image is drawn from 10,000 latents' mean, and from features of so many numbers.
WIDEST, LARGEST = 2048, 2**27


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
    return believed(Architecture(z_dim, w_dim, tuple(channels), depth, lr_multiplier, conv_clamp), path)


def believed(architecture: Architecture, path: Path) -> Architecture:
    """An architecture that can be drawn, as it is: a small file may stand for a network that fills any memory.

    Raises:
        InputError: z or w of more than 2048 numbers, or a layer of more than 2²⁷, which is 128 channels at 1024×1024.
    """
    a = architecture
    if not 0 < max(a.z_dim, a.w_dim) <= WIDEST:
        raise InputError(f"{path}: its z has {a.z_dim} numbers and its w {a.w_dim}; no more than {WIDEST} can be drawn")
    for k, channels in enumerate(a.channels):
        side = 4 * 2**k
        if channels * side * side > LARGEST:
            raise InputError(f"{path}: it has {channels} channels at {side}×{side}, too many to be drawn")
    return architecture


def shapes(architecture: Architecture) -> dict[str, torch.Size]:
    """Shapes of all tensors by NVlabs' names.

    >>> shapes(Architecture(z_dim=5, w_dim=7, channels=(9,)))["synthesis.b4.const"]
    torch.Size([9, 4, 4])
    """
    a = architecture
    found: dict[str, tuple[int, ...]] = {"mapping.w_avg": (a.w_dim,)}
    for i in range(a.mapping_layers):
        found |= _dense(f"mapping.fc{i}", a.w_dim if i else a.z_dim, a.w_dim)
    for k, (fan_in, fan_out) in enumerate(zip((0, *a.channels), a.channels, strict=False)):
        block, side = f"synthesis.b{4 * 2**k}", 4 * 2**k
        found |= {f"{block}.resample_filter": (4, 4)} | ({} if k else {f"{block}.const": (fan_out, 4, 4)})
        for layer, fan in ((("conv0", fan_in),) if k else ()) + (("conv1", fan_out),):
            name = f"{block}.{layer}"
            found |= {f"{name}.weight": (fan_out, fan, 3, 3), f"{name}.bias": (fan_out,), f"{name}.noise_strength": ()}
            found |= {f"{name}.noise_const": (side, side), f"{name}.resample_filter": (4, 4)}
            found |= _dense(f"{name}.affine", a.w_dim, fan)
        found |= {f"{block}.torgb.weight": (3, fan_out, 1, 1), f"{block}.torgb.bias": (3,)}
        found |= _dense(f"{block}.torgb.affine", a.w_dim, fan_out)
    return {key: torch.Size(shape) for key, shape in found.items()}


def _dense(name: str, fan_in: int, fan_out: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (fan_out, fan_in), f"{name}.bias": (fan_out,)}


def build(architecture: Architecture) -> nn.ModuleDict:
    """``mapping`` and ``synthesis``, with numbers of no meaning; fill them by ``load_state_dict(state, assign=True)``.

    The global random stream stays where it is.
    """
    with torch.random.fork_rng(devices=()):
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
