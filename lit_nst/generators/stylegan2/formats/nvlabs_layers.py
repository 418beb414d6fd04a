"""Attributes of NVlabs' modules: what each layer says that it does, against what this project draws."""

import math
import re
from typing import Any

import torch
from torch import Tensor

from lit_nst.errors import quote
from lit_nst.generators.stylegan2.formats.records import FormatError, Record
from lit_nst.generators.stylegan2.layers import GAIN, fir_kernel


def own(record: Record, attribute: str, name: str) -> Any:
    """An attribute of a module.

    Raises:
        FormatError: It has none of that name.
    """
    try:
        return record.state[attribute]
    except KeyError:
        raise FormatError(
            f"{name or 'G_ema'} ({quote(record.kind)}) has no {attribute}, not a StyleGAN2 of NVlabs"
        ) from None


def group(record: Record, attribute: str, name: str) -> dict[Any, Any]:
    """Tensors or modules of a module by their names.

    Raises:
        FormatError: It has none of that name, or it is no dictionary.
    """
    value = own(record, attribute, name)
    if not isinstance(value, dict):
        raise FormatError(f"damaged: {attribute} of {name or 'G_ema'} is no dictionary")
    return value


def check_layers(layers: dict[str, Record]) -> tuple[float | None, set[str]]:
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
            if not own(layer, "use_noise", name):
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
    clamp = own(layer, "conv_clamp", name)
    if clamp is not None and not (isinstance(clamp, (int, float)) and 0 < clamp < math.inf):
        raise FormatError(f"{name} has a conv_clamp that is no positive number")
    return None if clamp is None else float(clamp)


def _expect(layer: Record, name: str, attribute: str, wanted: str | float) -> None:
    value = own(layer, attribute, name)
    if isinstance(wanted, str):
        fits = isinstance(value, str) and value == wanted
    else:
        fits = isinstance(value, (int, float)) and math.isclose(value, wanted, rel_tol=1e-6)
    if not fits:
        found = quote(value) if isinstance(value, (str, int, float)) else f"a {type(value).__name__}"
        raise FormatError(f"{name} has {attribute} {found}; only StyleGAN2 with {wanted} can be read")


def read_lr_multiplier(layers: dict[str, Record]) -> float:
    """That of the mapping network, from the gains of its layers.

    Raises:
        FormatError: There is none, or there are several.
    """
    found: set[float] = set()
    for name, layer in layers.items():
        if re.fullmatch(r"mapping\.fc\d+", name):
            _expect(layer, name, "activation", "lrelu")
            # The bias is multiplied by it, the weight by it over the root of the inputs.
            multiplier = own(layer, "bias_gain", name)
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


def check_filters(state: dict[str, Tensor]) -> None:
    """Refuses resampling filters other than 1 3 3 1."""
    kernel = fir_kernel()
    for key, value in state.items():
        if key.endswith("resample_filter") and not (value.shape == kernel.shape and torch.allclose(value, kernel)):
            raise FormatError(f"{key} is not the filter 1 3 3 1; no other one can be read")
