"""Writes checkpoints as the original programs do, without their source.

Classes of modules that are not installed, such as ``torch_utils.persistence``, exist only while a file is
written; torch writes its own tensors.
"""

import io
import math
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from lit_nst.generators.stylegan2.network import Architecture

SOURCE = "raise RuntimeError('the source text of a checkpoint was run')\n"


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> tuple[bytes, bool]:
    """A file with one bit the other way, or cut short; and whether it is cut."""
    place = draw(st.integers(0, len(whole) - 1))
    if draw(st.booleans()):
        return whole[:place], True
    flipped = bytes([whole[place] ^ (1 << draw(st.integers(0, 7)))])
    return whole[:place] + flipped + whole[place + 1 :], False


class EasyDict(dict[str, Any]):
    """Stands for ``dnnlib.util.EasyDict``."""


class Network:
    """Stands for ``dnnlib.tflib.network.Network``, whose pickled state is ``fields``."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class Persistent(nn.Module):
    """Stands for a class that NVlabs' ``persistent_class`` decorates; the name of a subclass is the class name."""


def reconstruct(meta: dict[str, Any]) -> None:
    """Stands for ``torch_utils.persistence._reconstruct_persistent_obj``."""


FOREIGN = {
    ("dnnlib.util", "EasyDict"): EasyDict,
    ("dnnlib.tflib.network", "Network"): Network,
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): reconstruct,
}


@contextmanager
def foreign_modules() -> Iterator[None]:
    """The modules that the original programs pickle by name."""
    added = {}
    for (path, name), value in FOREIGN.items():
        parts = path.split(".")
        for depth in range(1, len(parts) + 1):
            full = ".".join(parts[:depth])
            added.setdefault(full, ModuleType(full))
        value.__module__, value.__name__, value.__qualname__ = path, name, name
        setattr(added[path], name, value)
    assert not added.keys() & sys.modules.keys()
    sys.modules.update(added)
    try:
        yield
    finally:
        for full in added:
            del sys.modules[full]


class Pickler(pickle.Pickler):
    """Reduces persistent modules as NVlabs' decorator does: one call on a dictionary, source text included."""

    def reducer_override(self, value: Any) -> Any:
        if not isinstance(value, Persistent):
            return NotImplemented
        meta = {
            "type": "class",
            "version": 6,
            "module_src": SOURCE,
            "class_name": type(value).__name__,
            "state": value.__dict__,
        }
        return reconstruct, (meta,)


def write_pickle(path: Path, content: object, protocol: int = 4) -> Path:
    """Pickles with the foreign modules in place."""
    data = io.BytesIO()
    with foreign_modules():
        Pickler(data, protocol).dump(content)
    path.write_bytes(data.getvalue())
    return path


def write_snapshot(path: Path, generator: nn.Module, protocol: int = 4) -> Path:
    """A snapshot of NVlabs: generator, discriminator, average, and what belongs to the training."""
    discriminator = persistent(
        "Discriminator", {"b4.out.weight": torch.ones(1, 4)}, {"b4.out": {"activation": "linear"}}
    )
    content = {
        "training_set_kwargs": EasyDict(class_name="training.dataset.ImageFolderDataset", resolution=16),
        "G": None,
        "D": discriminator,
        "G_ema": generator,
        "augment_pipe": None,
    }
    return write_pickle(path, content, protocol)


def persistent(kind: str, tensors: dict[str, Tensor], attributes: dict[str, dict[str, Any]]) -> Persistent:
    """A tree of persistent modules.

    Args:
        kind: Class name of the root.
        tensors: By their dotted names; what is called a filter, a constant noise or an average is a buffer.
        attributes: Of each module by its dotted name; ``"kind"`` is its class name, a ``SomeModule`` without.
    """
    root: Persistent = type(kind, (Persistent,), {})()
    modules = {"": root}
    for name in [*(key.rpartition(".")[0] for key in tensors), *attributes]:
        parts = name.split(".") if name else []
        for depth in range(1, len(parts) + 1):
            full, above = ".".join(parts[:depth]), ".".join(parts[: depth - 1])
            if full not in modules:
                kind = attributes.get(full, {}).get("kind", "SomeModule")
                modules[full] = type(kind, (Persistent,), {})()
                modules[above].add_module(parts[depth - 1], modules[full])
    for name, values in attributes.items():
        modules[name].__dict__.update({key: value for key, value in values.items() if key != "kind"})
    for key, value in tensors.items():
        name, _, last = key.rpartition(".")
        if last in ("resample_filter", "noise_const", "w_avg"):
            modules[name].register_buffer(last, value)
        else:
            parameter = value if isinstance(value, nn.Parameter) else nn.Parameter(value, requires_grad=False)
            modules[name].register_parameter(last, parameter)
    return root


def attributes_of(a: Architecture, layout: str = "ada") -> dict[str, dict[str, Any]]:
    """Plain attributes of every module of NVlabs' generator, types included: gains are NumPy's numbers.

    Args:
        a: Sizes.
        layout: ``"ada"``, where arguments of the synthesis network are nested, or ``"sg3"``, where they are not.
    """
    sizes = {"z_dim": a.z_dim, "c_dim": 0, "w_dim": a.w_dim, "img_resolution": a.resolution, "img_channels": 3}
    inner = {"channel_base": a.channels[-1] * a.resolution, "channel_max": max(a.channels), "conv_clamp": a.conv_clamp}
    mapping = EasyDict(num_layers=a.mapping_layers)
    init = {**sizes, "mapping_kwargs": mapping}
    init |= {"synthesis_kwargs": EasyDict(inner)} if layout == "ada" else inner
    found: dict[str, dict[str, Any]] = {
        "": {**sizes, "num_ws": a.num_ws, "_init_args": (), "_init_kwargs": EasyDict(init)},
        "synthesis": {"kind": "SynthesisNetwork", "w_dim": a.w_dim, "img_resolution": a.resolution, "num_ws": a.num_ws},
        "mapping": {"kind": "MappingNetwork", "num_layers": a.mapping_layers, "w_avg_beta": 0.995, "c_dim": 0},
    }
    for i in range(a.mapping_layers):
        found[f"mapping.fc{i}"] = _dense(a.w_dim if i else a.z_dim, "lrelu", a.lr_multiplier)
    for k, (fan_in, fan_out) in enumerate(zip((0, *a.channels), a.channels, strict=False)):
        side = 4 * 2**k
        block = f"synthesis.b{side}"
        found[block] = {"kind": "SynthesisBlock", "in_channels": fan_in, "architecture": "skip", "use_fp16": k > 1}
        for layer, up in ([("conv0", 2)] if k else []) + [("conv1", 1)]:
            found[f"{block}.{layer}"] = {
                "kind": "SynthesisLayer",
                **{"resolution": side, "up": up, "use_noise": True, "activation": "lrelu"},
                **{"conv_clamp": a.conv_clamp, "padding": 1, "act_gain": np.sqrt(2)},
            }
            found[f"{block}.{layer}.affine"] = _dense(a.w_dim, "linear", 1)
        found[f"{block}.torgb"] = {
            "kind": "ToRGBLayer",
            "conv_clamp": a.conv_clamp,
            "weight_gain": 1 / np.sqrt(fan_out),
        }
        found[f"{block}.torgb.affine"] = _dense(a.w_dim, "linear", 1)
    return found


def _dense(fan_in: int, activation: str, lr_multiplier: float) -> dict[str, Any]:
    gain = lr_multiplier / np.sqrt(fan_in)
    return {
        "kind": "FullyConnectedLayer",
        **{"activation": activation, "weight_gain": gain, "bias_gain": lr_multiplier},
    }


def generator(
    a: Architecture,
    state: dict[str, Tensor],
    layout: str = "ada",
    changes: dict[str, dict[str, Any]] | None = None,
) -> Persistent:
    """NVlabs' generator.

    Args:
        a: Sizes.
        state: Tensors by NVlabs' names.
        layout: As in ``attributes_of``.
        changes: Attributes of some modules that are other than usual.
    """
    attributes = attributes_of(a, layout)
    for name, values in (changes or {}).items():
        attributes[name] = attributes.get(name, {}) | values
    return persistent("Generator", state, attributes)


def tensorflow_network(a: Architecture, state: dict[str, Tensor], **options: Any) -> Network:
    """The generator of StyleGAN2's first release, from tensors by NVlabs' later names."""
    arrays = {key: value.numpy() for key, value in state.items() if not key.endswith("resample_filter")}
    own = [("lod", np.float32(0)), ("dlatent_avg", arrays.pop("mapping.w_avg"))]
    mapping, synthesis = [], []
    for key, x in arrays.items():
        part, block, *rest = key.split(".")
        if part == "mapping":
            mapping.append((f"Dense{block[2:]}/{rest[0]}", np.ascontiguousarray(x.T)))
        else:
            synthesis.append(_variable(int(block[1:]), rest, x))
    options = {"num_channels": 3, "resolution": a.resolution, "label_size": 0, **options}
    if a.lr_multiplier != 0.01:
        options["mapping_lrmul"] = a.lr_multiplier
    if a.conv_clamp is not None:
        options["conv_clamp"] = a.conv_clamp
    components = {
        name: _network(name, dict(options), variables)
        for name, variables in (("synthesis", synthesis), ("mapping", mapping))
    }
    return _network("G_main", options, own, components)


def _network(name: str, options: Any, variables: list[tuple[str, Any]], components: Any = None) -> Network:
    return Network(
        **{"version": 4, "name": name, "static_kwargs": options, "components": components or {}},
        **{"build_module_src": SOURCE, "build_func_name": name, "variables": variables},
    )


def _variable(side: int, rest: list[str], x: np.ndarray[Any, Any]) -> tuple[str, Any]:
    if rest == ["const"]:
        return "4x4/Const/const", x[None]
    if rest[-1] == "noise_const":
        return f"noise{2 * int(math.log2(side)) - (5 if rest[0] == 'conv0' else 4)}", x[None, None]
    layer = {"conv0": "Conv0_up", "conv1": "Conv" if side == 4 else "Conv1", "torgb": "ToRGB"}[rest[0]]
    kind = "/".join(rest[1:])
    name, value = {
        "weight": ("weight", np.transpose(x, (2, 3, 1, 0)) if x.ndim == 4 else x),
        "affine/weight": ("mod_weight", x.T),
        "affine/bias": ("mod_bias", x - 1),
        "noise_strength": ("noise_strength", np.float32(x) if x.ndim == 0 else x),
        "bias": ("bias", x),
    }[kind]
    if layer == "Conv0_up" and name == "weight":
        value = value[::-1, ::-1]
    return f"{side}x{side}/{layer}/{name}", np.ascontiguousarray(value) if np.ndim(value) else value
