"""NVlabs' snapshots: pickles of stylegan2-ada-pytorch, of stylegan3 and of their forks."""

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lit_nst.errors import quote
from lit_nst.generators.stylegan2.formats.nvlabs_layers import (
    check_filters,
    check_layers,
    group,
    own,
    read_lr_multiplier,
)
from lit_nst.generators.stylegan2.formats.records import FormatError, Record, reading
from lit_nst.generators.stylegan2.formats.state import check_state, infer, shapes
from lit_nst.generators.stylegan2.formats.tensorflow import read_tensorflow
from lit_nst.generators.stylegan2.formats.torch_file import read_pickle
from lit_nst.generators.stylegan2.network import Architecture

# Modules within modules: synthesis, block, layer, affine.
DEPTH = 4
# Modules and tensors; a StyleGAN2 of 4096×4096 has about 400.
ITEMS = 10_000


def read_nvlabs(path: Path) -> tuple[Architecture, dict[str, Tensor]]:
    """Reads the averaged generator ``G_ema`` of a snapshot, also of the older pickles of TensorFlow.

    What no shape shows is taken from the attributes of each layer, never from defaults, which differ
    between the releases; the arguments that the generator was made with are only compared. A layer
    without noise gets a noise of strength 0.

    Args:
        path: The ``.pkl`` file.

    Returns:
        The architecture, and float32 tensors by NVlabs' names.

    Raises:
        InputError: Damaged; not a snapshot; not an unconditional StyleGAN2 of the skip architecture;
            numbers that are not finite. Nothing of the file was run.
    """
    content = read_pickle(path)
    with reading(path):
        if isinstance(content, tuple):
            architecture, state = read_tensorflow(content, path)
        else:
            architecture, state = _convert(_choose(content), path)
        check_state(state, shapes(architecture), path)
    return architecture, state


def _choose(content: object) -> Record:
    if not isinstance(content, dict):
        raise FormatError("a pickle, but not a snapshot of NVlabs (a dictionary with G_ema)")
    generator = content.get("G_ema")
    if not isinstance(generator, Record):
        held = ", ".join(quote(key) for key in list(content)[:5]) or "nothing"
        raise FormatError(f"it holds no G_ema, the averaged generator (it holds {held}); give a whole snapshot")
    return generator


def _convert(generator: Record, path: Path) -> tuple[Architecture, dict[str, Tensor]]:
    _check_kind(generator)
    tree = _Tree(generator, path.stat().st_size)
    state = tree.tensors
    clamp, silent = check_layers(tree.layers)
    architecture = infer(state, read_lr_multiplier(tree.layers), clamp, path)
    for key, shape in shapes(architecture).items():
        if ".noise_" in key and key.rpartition(".")[0] in silent:
            state.setdefault(key, torch.zeros(shape))
    check_filters(state)
    _compare(generator, tree.layers, architecture)
    return architecture, state


class _Tree:
    """Modules and float32 tensors by their dotted names.

    Args:
        root: The whole network, by the name ``""``.
        room: Bytes that all of its tensors may have together.
    """

    def __init__(self, root: Record, room: int) -> None:
        self.layers: dict[str, Record] = {}
        self.tensors: dict[str, Tensor] = {}
        self.room = room
        self.left = ITEMS
        self._walk(root, "")

    def _walk(self, record: Record, name: str) -> None:
        if name.count(".") >= DEPTH:
            raise FormatError(f"{name} is a module within too many others, not of a StyleGAN2")
        self.layers[name] = record
        for kind in ("_parameters", "_buffers", "_modules"):
            for key, value in group(record, kind, name).items():
                self.left -= 1
                if self.left < 0 or not re.fullmatch(r"\w{1,64}", key, re.ASCII):
                    raise FormatError(f"it holds {quote(key)} or too many modules, which no StyleGAN2 does")
                full = f"{name}.{key}" if name else key
                if isinstance(value, Record) and kind == "_modules":
                    self._walk(value, full)
                elif isinstance(value, Tensor) and kind != "_modules":
                    self._keep(value, full)
                elif value is not None:
                    raise FormatError(f"damaged: {full} is neither a tensor nor a module")

    def _keep(self, value: Tensor, name: str) -> None:
        self.room -= value.numel() * value.element_size()
        if self.room < 0 or not value.is_floating_point():
            raise FormatError(f"{name} shares its numbers with others, or they are no floating-point numbers")
        self.tensors[name] = value.float().contiguous()


def _check_kind(generator: Record) -> None:
    modules = group(generator, "_modules", "")
    if set(modules) != {"mapping", "synthesis"}:
        raise FormatError(f"its G_ema is a {quote(generator.kind)}, not a StyleGAN2 generator (mapping and synthesis)")
    if "input" in group(modules["synthesis"], "_modules", "synthesis"):
        raise FormatError("a StyleGAN3 generator; this project draws StyleGAN2 only")
    if own(generator, "c_dim", "") != 0 or "embed" in group(modules["mapping"], "_modules", "mapping"):
        raise FormatError("a conditional generator (c_dim above 0); only unconditional ones can be read")
    if own(generator, "img_channels", "") != 3:
        raise FormatError("its images have not 3 channels; only generators of colour images can be read")


def _compare(generator: Record, layers: dict[str, Record], architecture: Architecture) -> None:
    """Refuses a generator that says other sizes of itself than its tensors have."""
    a = architecture
    init = generator.state.get("_init_kwargs")
    kwargs: dict[str, Any] = dict(init) if isinstance(init, dict) else {}
    mapping, synthesis = (kwargs.get(f"{part}_kwargs") or {} for part in ("mapping", "synthesis"))
    # The later release takes the arguments of the synthesis network among the generator's.
    kwargs = {**kwargs, **mapping, **synthesis}
    sizes = {"z_dim": a.z_dim, "w_dim": a.w_dim, "img_resolution": a.resolution, "num_ws": a.num_ws}
    claims = [
        *((name, generator.state[name], size) for name, size in sizes.items() if name in generator.state),
        *((name, kwargs[name], size) for name, size in sizes.items() if name in kwargs),
        ("num_layers", own(layers["mapping"], "num_layers", "mapping"), a.mapping_layers),
        ("num_layers", kwargs.get("num_layers", a.mapping_layers), a.mapping_layers),
        ("conv_clamp", kwargs.get("conv_clamp", a.conv_clamp), a.conv_clamp),
        ("lr_multiplier", mapping.get("lr_multiplier", a.lr_multiplier), a.lr_multiplier),
    ]
    base, most = kwargs.get("channel_base"), kwargs.get("channel_max")
    if isinstance(base, int) and isinstance(most, int):
        claims += [("channels", min(base // (4 * 2**k), most), size) for k, size in enumerate(a.channels)]
    for name, claimed, size in claims:
        if isinstance(claimed, (dict, list, tuple, set)) or claimed != size:
            raise FormatError(
                f"it says another {name} than its tensors have ({size}); it is damaged or altered by hand"
            )
