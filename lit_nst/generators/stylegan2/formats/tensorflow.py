"""The older pickles of NVlabs, of networks in TensorFlow."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lit_nst.errors import quote
from lit_nst.generators.stylegan2.formats.records import FormatError, Record, parts
from lit_nst.generators.stylegan2.formats.state import infer, shapes
from lit_nst.generators.stylegan2.layers import fir_kernel
from lit_nst.generators.stylegan2.network import Architecture

NETWORK = "dnnlib.tflib.network.Network"
# Options whose other values make another network: what can be read.
FIXED: dict[str, tuple[object, ...]] = {
    "label_size": (0,),
    "num_channels": (3,),
    "architecture": ("skip",),
    "nonlinearity": ("lrelu",),
    "mapping_nonlinearity": ("lrelu",),
    "normalize_latents": (True,),
    "resample_kernel": ((1, 3, 3, 1),),
    "use_noise": (True, False),
    "mapping_func": ("G_mapping",),
    "synthesis_func": ("G_synthesis", "G_synthesis_stylegan2"),
}
READ = ("mapping_lrmul", "conv_clamp")
# Options that shapes show, or that matter in training or on a graphics card only, and two that are read.
FREE = {
    *("latent_size", "dlatent_size", "resolution", "mapping_layers", "mapping_fmaps", "label_fmaps", "fmap_base"),
    *("fmap_decay", "fmap_min", "fmap_max", "dlatent_broadcast", "dlatent_avg_beta", "w_avg_beta", "truncation_psi"),
    *("truncation_cutoff", "truncation_psi_val", "truncation_cutoff_val", "style_mixing_prob", "randomize_noise"),
    *("structure", "dtype", "fused_modconv", "num_fp16_res", *READ),
}
# The default of the releases; only other values are in the file.
LR_MULTIPLIER = 0.01
Array = np.ndarray[Any, Any]


def read_tensorflow(records: tuple[object, ...], path: Path) -> tuple[Architecture, dict[str, Tensor]]:
    """Converts the last, averaged generator of a pickle of three networks.

    The variables are those of the TensorFlow releases of StyleGAN2 and StyleGAN2-ADA. Here dense weights
    are transposed, convolutions go from height, width, in, out to out, in, height, width, those that
    enlarge are turned by half a turn, and the bias of a style, which is added to 1 there, includes it.

    Args:
        records: Generator, discriminator and averaged generator.
        path: Their file, for messages.

    Returns:
        The architecture, from the shapes and the network's own options, and float32 tensors by NVlabs' names.

    Raises:
        FormatError: Not a StyleGAN2, or one that this project cannot draw.
        InputError: Sizes that cannot be told.
    """
    if len(records) != 3 or not all(isinstance(record, Record) and record.kind == NETWORK for record in records):
        raise FormatError("a tuple, but not of the three networks of a TensorFlow pickle of NVlabs")
    generator = records[2]
    assert isinstance(generator, Record)
    networks = _components(generator)
    options = _options([network.state for network in networks.values()])
    arrays = _variables(networks, path.stat().st_size)
    state = dict(_convert(name, array) for name, array in arrays.items() if name not in ("lod", "synthesis/lod"))
    clamp = options.get("conv_clamp")
    lr_multiplier = options.get("mapping_lrmul") or LR_MULTIPLIER
    architecture = infer(state, lr_multiplier, clamp, path)
    for key, shape in shapes(architecture).items():
        if key.endswith("resample_filter"):
            state[key] = fir_kernel()
        elif ".noise_" in key and options.get("use_noise") is False:
            state.setdefault(key, torch.zeros(shape))
    return architecture, state


def _components(generator: Record) -> dict[str, Record]:
    """The generator by the name ``""``, and its two networks."""
    version, components = generator.state["version"], generator.state.get("components")
    if type(version) is not int or version < 4 or not isinstance(components, dict):
        raise FormatError("a TensorFlow pickle older than StyleGAN2; only StyleGAN2 can be read")
    if set(components) != {"mapping", "synthesis"} or not all(isinstance(c, Record) for c in components.values()):
        raise FormatError("a TensorFlow pickle, but its generator has no mapping and synthesis networks of StyleGAN2")
    return {"": generator, **components}


def _options(states: list[dict[str, Any]]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for state in states:
        for name, value in state["static_kwargs"].items():
            if name not in FIXED and name not in FREE:
                raise FormatError(f"its network has the option {quote(name)}, which this reader does not know")
            if name in FIXED and value is not None and not any(_same(value, known) for known in FIXED[name]):
                raise FormatError(
                    f"its network has another {name} than {_text(FIXED[name])}; only unconditional StyleGAN2 of the "
                    "skip architecture can be read"
                )
            if name in READ and value is not None:
                value = _positive(name, value)
                if options.get(name, value) != value:
                    raise FormatError(f"its networks disagree about {name}; it is damaged or altered by hand")
            options[name] = value if value is not None else options.get(name)
    return options


def _same(value: object, known: object) -> bool:
    # Values of a file may be nested without end; only plain ones are compared.
    if isinstance(value, (list, tuple)) and isinstance(known, tuple):
        return len(value) == len(known) and all(map(_same, value, known))
    return isinstance(value, (int, float, str)) and value == known


def _text(values: tuple[object, ...]) -> str:
    return " or ".join(map(str, values))


def _positive(name: str, value: object) -> float:
    if not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise FormatError(f"its network has a {name} that is no positive number")
    return float(value)


def _variables(networks: dict[str, Record], room: int) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    for part, record in networks.items():
        variables = record.state["variables"]
        if not isinstance(variables, list):
            raise FormatError("damaged: the variables of its network are no list")
        for variable in variables:
            name, value = parts(variable, 2)
            if type(name) is not str or not isinstance(value, (Record, float)):
                raise FormatError("damaged: its network has a variable without a name or numbers")
            array = np.asarray(value.state["array"] if isinstance(value, Record) else value)
            room -= array.nbytes if isinstance(value, Record) else 0
            if room < 0 or array.dtype.kind != "f":
                raise FormatError(
                    f"{quote(name)} shares its numbers with others, or they are no floating-point numbers"
                )
            arrays[f"{part}/{name}" if part else name] = array
    return arrays


def _convert(name: str, array: Array) -> tuple[str, Tensor]:
    for pattern, target, change in PATTERNS:
        if found := re.fullmatch(pattern, name):
            key = target(*found.groups())
            # A copy: the bytes of the pickle cannot be written to, and a view may run backwards.
            return key, torch.from_numpy(np.array(change(array), dtype=np.float32))
    if "ToRGB_lod" in name:
        raise FormatError(
            "a StyleGAN2 of configuration A to D, which grows; only E and F (skip architecture) can be read"
        )
    raise FormatError(f"its TensorFlow generator has the variable {quote(name)}, which no StyleGAN2 has")


def _layer(resolution: str, kind: str) -> str:
    return f"synthesis.b{resolution}.{ {'Conv0_up': 'conv0', 'ToRGB': 'torgb'}.get(kind, 'conv1') }"


def _noise(index: str) -> str:
    k = int(index)
    return f"synthesis.b{4 * 2 ** ((k + 1) // 2)}.{'conv0' if k % 2 else 'conv1'}.noise_const"


LAYER = r"synthesis/(\d{1,4})x\1/(Conv|Conv0_up|Conv1|ToRGB)"
PATTERNS: list[tuple[str, Callable[..., str], Callable[[Array], Array]]] = [
    (r"dlatent_avg", lambda: "mapping.w_avg", lambda x: x),
    (r"mapping/Dense(\d{1,2})/weight", lambda i: f"mapping.fc{i}.weight", lambda x: x.T),
    (r"mapping/Dense(\d{1,2})/bias", lambda i: f"mapping.fc{i}.bias", lambda x: x),
    (r"synthesis/4x4/Const/const", lambda: "synthesis.b4.const", lambda x: x[0]),
    (r"synthesis/noise(\d{1,2})", _noise, lambda x: x[0, 0]),
    (f"{LAYER}/(bias|noise_strength)", lambda r, kind, part: f"{_layer(r, kind)}.{part}", lambda x: x),
    (f"{LAYER}/mod_weight", lambda r, kind: f"{_layer(r, kind)}.affine.weight", lambda x: x.T),
    (f"{LAYER}/mod_bias", lambda r, kind: f"{_layer(r, kind)}.affine.bias", lambda x: x + 1),
    (
        r"synthesis/(\d{1,4})x\1/(Conv0_up)/weight",
        lambda r, kind: f"{_layer(r, kind)}.weight",
        lambda x: x[::-1, ::-1].transpose(3, 2, 0, 1),
    ),
    (f"{LAYER}/weight", lambda r, kind: f"{_layer(r, kind)}.weight", lambda x: x.transpose(3, 2, 0, 1)),
]
