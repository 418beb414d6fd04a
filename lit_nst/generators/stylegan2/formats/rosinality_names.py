"""The names and shapes by which the StyleGAN2 in PyTorch by rosinality goes."""

import re

import torch

from lit_nst.generators.stylegan2.network import Architecture

LAYER = {
    "weight": "conv.weight",
    "affine.weight": "conv.modulation.weight",
    "affine.bias": "conv.modulation.bias",
    "noise_strength": "noise.weight",
    "bias": "activate.bias",
}
RGB = {**{key: LAYER[key] for key in ("weight", "affine.weight", "affine.bias")}, "bias": "bias"}


def names_of(architecture: Architecture) -> dict[str, str]:
    """NVlabs' name → rosinality's, of all that both have."""
    names = {
        f"mapping.fc{i}.{part}": f"style.{i + 1}.{part}"
        for i in range(architecture.mapping_layers)
        for part in ("weight", "bias")
    }
    names["synthesis.b4.const"] = "input.input"
    for k in range(len(architecture.channels)):
        block = f"synthesis.b{4 * 2**k}"
        layers = {"conv0": (f"convs.{2 * k - 2}", 2 * k - 1), "conv1": (f"convs.{2 * k - 1}", 2 * k)}
        for layer, (name, index) in layers.items() if k else [("conv1", ("conv1", 0))]:
            names |= {f"{block}.{layer}.{key}": f"{name}.{part}" for key, part in LAYER.items()}
            names[f"{block}.{layer}.noise_const"] = f"noises.noise_{index}"
        rgb = f"to_rgbs.{k - 1}" if k else "to_rgb1"
        names |= {f"{block}.torgb.{key}": f"{rgb}.{part}" for key, part in RGB.items()}
    return names


def kernels_of(architecture: Architecture) -> list[str]:
    """Names of the constant resampling kernels, which only rosinality has."""
    blocks = range(len(architecture.channels) - 1)
    return [name for k in blocks for name in (f"convs.{2 * k}.conv.blur.kernel", f"to_rgbs.{k}.upsample.kernel")]


def shape_of(key: str, shape: torch.Size) -> torch.Size:
    """Rosinality's shape of a tensor by NVlabs' name and shape."""
    if key.endswith("noise_const"):
        return torch.Size((1, 1, *shape))
    if key.endswith("torgb.bias"):
        return torch.Size((1, *shape, 1, 1))
    extra = re.search(r"\.(const|noise_strength|conv[01]\.weight|torgb\.weight)$", key)
    return torch.Size((1, *shape)) if extra else shape
