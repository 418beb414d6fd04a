"""NVlabs' snapshots: pickles of stylegan2-ada-pytorch, of stylegan3 and of their forks."""

import math
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lit_nst.generators.stylegan2.formats.own import check_state, infer, shapes
from lit_nst.generators.stylegan2.formats.tensorflow import read_tensorflow
from lit_nst.generators.stylegan2.formats.torch_file import read_pickle
from lit_nst.generators.stylegan2.formats.unpickler import FormatError, Record, quote, reading
from lit_nst.generators.stylegan2.layers import GAIN, fir_kernel
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
    clamp, silent = _check_layers(tree.layers)
    architecture = infer(state, _lr_multiplier(tree.layers), clamp, path)
    for key, shape in shapes(architecture).items():
        if ".noise_" in key and key.rpartition(".")[0] in silent:
            state.setdefault(key, torch.zeros(shape))
    _check_filters(state)
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
        for group in ("_parameters", "_buffers", "_modules"):
            for key, value in _own(record, group, name).items():
                self.left -= 1
                if self.left < 0 or not re.fullmatch(r"\w{1,64}", key, re.ASCII):
                    raise FormatError(f"it holds {quote(key)} or too many modules, which no StyleGAN2 does")
                full = f"{name}.{key}" if name else key
                if isinstance(value, Record) and group == "_modules":
                    self._walk(value, full)
                elif isinstance(value, Tensor) and group != "_modules":
                    self._keep(value, full)
                elif value is not None:
                    raise FormatError(f"damaged: {full} is neither a tensor nor a module")

    def _keep(self, value: Tensor, name: str) -> None:
        self.room -= value.numel() * value.element_size()
        if self.room < 0 or not value.is_floating_point():
            raise FormatError(f"{name} shares its numbers with others, or they are no floating-point numbers")
        self.tensors[name] = value.float().contiguous()


def _own(record: Record, attribute: str, name: str) -> Any:
    try:
        return record.state[attribute]
    except KeyError:
        raise FormatError(
            f"{name or 'G_ema'} ({quote(record.kind)}) has no {attribute}, not a StyleGAN2 of NVlabs"
        ) from None


def _check_kind(generator: Record) -> None:
    modules = _own(generator, "_modules", "")
    if set(modules) != {"mapping", "synthesis"}:
        raise FormatError(f"its G_ema is a {quote(generator.kind)}, not a StyleGAN2 generator (mapping and synthesis)")
    if "input" in _own(modules["synthesis"], "_modules", "synthesis"):
        raise FormatError("a StyleGAN3 generator; this project draws StyleGAN2 only")
    if _own(generator, "c_dim", "") != 0 or "embed" in _own(modules["mapping"], "_modules", "mapping"):
        raise FormatError("a conditional generator (c_dim above 0); only unconditional ones can be read")
    if _own(generator, "img_channels", "") != 3:
        raise FormatError("its images have not 3 channels; only generators of colour images can be read")


def _check_layers(layers: dict[str, Record]) -> tuple[float | None, set[str]]:
    """Compares each layer's attributes with what this project draws; conv_clamp, and the layers without noise."""
    clamps: set[float | None] = set()
    silent: set[str] = set()
    for name, layer in layers.items():
        if re.fullmatch(r"synthesis\.b\d+", name):
            _expect(layer, name, "architecture", "skip")
        if name.endswith((".conv0", ".conv1")):
            _expect(layer, name, "activation", "lrelu")
            _expect(layer, name, "up", 2 if name.endswith("0") else 1)
            _expect(layer, name, "act_gain", GAIN)
            if not _own(layer, "use_noise", name):
                silent.add(name)
        if name.endswith((".conv0", ".conv1", ".torgb")):
            clamps.add(_clamp(layer, name))
        if name.endswith((".affine", ".torgb")):
            fan_in = layer.state["_parameters"]["weight"].shape[1]
            _expect(layer, name, "weight_gain", 1 / math.sqrt(max(fan_in, 1)))
        if name.endswith(".affine"):
            _expect(layer, name, "activation", "linear")
            _expect(layer, name, "bias_gain", 1)
    if len(clamps) > 1:
        raise FormatError("its conv_clamp differs between layers, which this project cannot draw")
    return clamps.pop() if clamps else None, silent


def _clamp(layer: Record, name: str) -> float | None:
    clamp = _own(layer, "conv_clamp", name)
    if clamp is not None and not (isinstance(clamp, (int, float)) and 0 < clamp < math.inf):
        raise FormatError(f"{name} has a conv_clamp that is no positive number")
    return None if clamp is None else float(clamp)


def _expect(layer: Record, name: str, attribute: str, wanted: str | float) -> None:
    value = _own(layer, attribute, name)
    if isinstance(wanted, str):
        fits = isinstance(value, str) and value == wanted
    else:
        fits = isinstance(value, (int, float)) and math.isclose(value, wanted, rel_tol=1e-6)
    if not fits:
        found = quote(value) if isinstance(value, (str, int, float)) else f"a {type(value).__name__}"
        raise FormatError(f"{name} has {attribute} {found}; only StyleGAN2 with {wanted} can be read")


def _lr_multiplier(layers: dict[str, Record]) -> float:
    found: set[float] = set()
    for name, layer in layers.items():
        if re.fullmatch(r"mapping\.fc\d+", name):
            _expect(layer, name, "activation", "lrelu")
            # The bias is multiplied by it, the weight by it over the root of the inputs.
            multiplier = _own(layer, "bias_gain", name)
            if not isinstance(multiplier, (int, float)) or not 0 < multiplier < math.inf:
                raise FormatError(f"{name} has a bias_gain that is no positive number")
            fan_in = layer.state["_parameters"]["weight"].shape[1]
            _expect(layer, name, "weight_gain", multiplier / math.sqrt(max(fan_in, 1)))
            found.add(float(multiplier))
    if len(found) != 1:
        raise FormatError(
            "the layers of its mapping network have different learning-rate multipliers, or there are none"
        )
    return found.pop()


def _check_filters(state: dict[str, Tensor]) -> None:
    kernel = fir_kernel()
    for key, value in state.items():
        if key.endswith("resample_filter") and not (value.shape == kernel.shape and torch.allclose(value, kernel)):
            raise FormatError(f"{key} is not the filter 1 3 3 1; no other one can be read")


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
        ("num_layers", _own(layers["mapping"], "num_layers", "mapping"), a.mapping_layers),
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
