"""Files of the StyleGAN2 in PyTorch by rosinality and of those that took over its names: pSp, e4e, ReStyle.

The same numbers as NVlabs', by other names and with a few axes of length 1 more. Its resampling kernels are FIR × 4,
and its w̄ stands outside the network.
"""

import io
from collections.abc import Mapping as MappingOf
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.files import write_atomically
from lit_nst.functional.random import normal
from lit_nst.generators.stylegan2.formats.own import read_settings, write_settings
from lit_nst.generators.stylegan2.formats.rosinality_names import kernels_of, names_of, shape_of
from lit_nst.generators.stylegan2.formats.state import (
    BLOCKS,
    DEPTH,
    axis,
    believed,
    check_state,
    count,
    infer,
    shapes,
    size,
    some,
)
from lit_nst.generators.stylegan2.layers import fir_kernel
from lit_nst.generators.stylegan2.network import Architecture, Mapping

SETTINGS = "lit_nst"
AVERAGE = "mapping.w_avg"
SAMPLES, SEED, PARTS = 10_000, 123, 10


def from_rosinality(content: object, path: Path) -> tuple[Architecture, dict[str, Tensor]]:
    """The generator in what such a file holds.

    It is one of: a dict with ``g_ema``, as converters and the trainer write it; a dict with ``state_dict``, of which
    the names that begin with ``decoder.`` count (pSp, e4e, ReStyle); or the generator's state itself. Any of them may
    go by NVlabs' names instead (``mapping.fc0.weight``).

    ``lr_multiplier`` is 0.01 and ``conv_clamp`` None, unless the file is of ``to_rosinality``. Where something is
    missing that the trainer and older files leave out, it is made: w̄ (``latent_avg``) is the mean of 10,000 seeded
    samples of the mapping network, as in NVlabs' projector, and a noise map is drawn from N(0, 1), keyed by its layer,
    as the network would have made it. A w̄ with a row per layer is averaged to one.

    Args:
        content: Plain dicts and tensors.
        path: Where they come from, for the messages.

    Returns:
        The architecture, inferred from the shapes, and float32 tensors by NVlabs' names.

    Raises:
        InputError: No such file, or a name or a shape that does not fit; the first one is named.
    """
    if not isinstance(content, dict):
        raise InputError(f"{path}: it holds no dict of tensors; give the file of a StyleGAN2 generator")
    found = _generator(content, path)
    settings = read_settings(content[SETTINGS], path) if SETTINGS in content else (0.01, None)
    if any(key.startswith("mapping.") for key in found):
        architecture = infer(found, *settings, path)
        check_state(found, shapes(architecture), path)
        return architecture, {key: value.float() for key, value in found.items()}
    architecture = _infer(found, *settings, path)
    state = _rename(architecture, found, path)
    average = content.get("latent_avg")
    state[AVERAGE] = _estimate(architecture, state) if average is None else _average(average, architecture, path)
    return architecture, state


def to_rosinality(architecture: Architecture, state: MappingOf[str, Tensor]) -> dict[str, object]:
    """A generator as converters to that format write it.

    Every tensor keeps its bits. What the format has no place for, ``lr_multiplier`` and ``conv_clamp``, goes into a
    further entry, ``lit_nst``, that this project reads and others pass over: rosinality's own network draws the same
    image of z only where ``lr_multiplier`` is 0.01 and the sizes of z and w agree, and does not clamp.

    Args:
        architecture: Of the state.
        state: Tensors by NVlabs' names.

    Returns:
        ``{"g_ema": …, "latent_avg": w̄, "lit_nst": …}``, with tensors of their own in float32.

    Raises:
        InputError: A resampling filter that the format's network has not.
    """
    for key in (key for key in state if key.endswith("resample_filter")):
        if not torch.equal(state[key].float().cpu(), fir_kernel()):
            raise InputError(f"{key}: this format knows one filter only, 1 3 3 1; write a .safetensors file")
    tensors = {}
    for key, name in names_of(architecture).items():
        value = state[key].detach().to("cpu", torch.float32)
        tensors[name] = value.reshape(shape_of(key, value.shape)).clone(memory_format=torch.contiguous_format)
    tensors |= {name: 4 * fir_kernel() for name in kernels_of(architecture)}
    average = state[AVERAGE].detach().to("cpu", torch.float32).clone()
    return {"g_ema": tensors, "latent_avg": average, SETTINGS: write_settings(architecture)}


def write_rosinality(path: Path, architecture: Architecture, state: MappingOf[str, Tensor]) -> None:
    """Writes ``to_rosinality`` as torch does, atomically.

    Raises:
        InputError: As ``to_rosinality``.
    """
    data = io.BytesIO()
    torch.save(to_rosinality(architecture, state), data)
    write_atomically(path, data.getvalue())


def _generator(content: dict[object, object], path: Path) -> dict[str, Tensor]:
    found = content.get("g_ema", content)
    if "g_ema" not in content and isinstance(whole := content.get("state_dict"), dict):
        start = "decoder."
        found = {str(key).removeprefix(start): value for key, value in whole.items() if str(key).startswith(start)}
    if not isinstance(found, dict) or not any(str(key).startswith(("mapping.fc", "style.")) for key in found):
        names = some([str(key) for key in (found if isinstance(found, dict) and found else content)])
        raise InputError(
            f'{path}: it holds {names}, but neither "g_ema", nor a "state_dict" with a decoder, nor a StyleGAN2; give '
            "the file of a generator"
        )
    return {str(key): value for key, value in found.items()}


def _infer(found: MappingOf[str, Tensor], lr_multiplier: float, conv_clamp: float | None, path: Path) -> Architecture:
    blocks = min(1 + count(found, r"to_rgbs\.(\d+)\."), BLOCKS)
    layers = ["conv1", *(f"convs.{2 * k - 1}" for k in range(1, blocks))]
    channels = tuple(axis(found, f"{layer}.conv.weight", 5, 1, path) for layer in layers)
    z_dim, w_dim = (axis(found, "style.1.weight", 2, i, path) for i in (1, 0))
    depth = min(count(found, r"style\.(\d+)\."), DEPTH)
    return believed(Architecture(z_dim, w_dim, channels, depth, lr_multiplier, conv_clamp), path)


def _rename(architecture: Architecture, found: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Everything but w̄ by NVlabs' names, after a check of every name and shape."""
    own, names, kernel = shapes(architecture), names_of(architecture), 4 * fir_kernel()
    kernels = kernels_of(architecture)
    wanted = {name: shape_of(key, own[key]) for key, name in names.items()} | dict.fromkeys(kernels, kernel.shape)
    absent = {name for key, name in names.items() if key.endswith("noise_const") and name not in found}
    check_state(found, {name: shape for name, shape in wanted.items() if name not in absent}, path)
    found = found | {name: normal(wanted[name], 0, "noise", name) for name in absent}
    for name in kernels:
        if not torch.allclose(found[name].float(), kernel):
            raise InputError(f"{path}: {name} is not the filter 1 3 3 1 of StyleGAN2; no other one can be read")
    state = {key: found[name].float().reshape(own[key]) for key, name in names.items()}
    return state | {key: fir_kernel() for key in own if key.endswith("resample_filter")}


def _average(average: object, architecture: Architecture, path: Path) -> Tensor:
    w_dim = architecture.w_dim
    if not isinstance(average, Tensor) or not average.is_floating_point() or average.dim() not in (1, 2):
        raise InputError(f"{path}: latent_avg is not a tensor of one or two axes; the file is damaged")
    if average.shape[-1] != w_dim or average.numel() == 0:
        raise InputError(f"{path}: latent_avg is {size(average.shape)}, but {w_dim} numbers fit the other layers")
    rows = average.float().view(-1, w_dim)
    # A mean of equal rows would round.
    return rows[0] if bool((rows == rows[0]).all()) else rows.mean(0)


@torch.no_grad()
def _estimate(architecture: Architecture, state: MappingOf[str, Tensor]) -> Tensor:
    with torch.random.fork_rng(devices=()):
        mapping = Mapping(architecture)
    prefix = "mapping."
    known = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    mapping.load_state_dict({**known, "w_avg": torch.zeros(architecture.w_dim)}, assign=True)
    z = np.random.RandomState(SEED).randn(SAMPLES, architecture.z_dim).astype(np.float32)
    # All rows of a sample are equal, and many.
    rows = [mapping(torch.from_numpy(part))[:, 0] for part in np.array_split(z, PARTS)]
    return torch.cat(rows).double().mean(0).float()
