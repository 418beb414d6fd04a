"""Latents as files: what was found, and of which generator."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.files import write_atomically
from lit_nst.generators import Generator

NAMES = ("latent.npz", "latent.safetensors")


@dataclass(frozen=True)
class Latents:
    """What ``results/latent.safetensors`` and ``latent.npz`` hold.

    Attributes:
        latent: B×num_ws×w_dim, in W++ B×(channels)×w_dim.
        maps: Optimised noise maps, B×1×h×h each; empty where they were not.
        names: Of the rows.
        noise: The generator's ``noise``.
        digests: SHA-256 of the generator's file, and of its weights in whatever file.
    """

    latent: Tensor
    names: list[str]
    noise: str
    digests: tuple[str, str]
    maps: list[Tensor] = field(default_factory=list)


def write_latents(folder: Path, generator: Generator, names: Sequence[str], w: Tensor) -> None:
    """Writes both files, where ``w`` is a latent; they replace earlier ones."""
    w = w.to(generator.center.device)
    latent = generator.latent(w)
    if latent is None:
        return
    noise = getattr(generator, "noise", "none")
    maps = generator.maps(w) if noise == "optimized" else []  # type: ignore[operator]
    tensors = {"latent": latent, **{f"noise_{i}": value for i, value in enumerate(maps)}}
    tensors = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    told = {
        "generator_sha256": str(generator.digest),
        "weights_sha256": str(generator.weights_digest()),
        "noise": noise,
    }
    data = io.BytesIO()
    arrays = {key: value.numpy() for key, value in tensors.items()}
    np.savez(data, allow_pickle=False, names=np.array(names), **{k: np.array(v) for k, v in told.items()}, **arrays)
    write_atomically(folder / NAMES[0], data.getvalue())
    write_atomically(folder / NAMES[1], save(tensors, {**told, "names": json.dumps(list(names))}))


def read_latents(path: Path) -> Latents:
    """Reads either file.

    Raises:
        InputError: Not there, damaged, or not of this kind.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a run's results/latent.safetensors or latent.npz")
    try:
        tensors, told, names = _npz(path) if path.suffix == ".npz" else _safetensors(path)
        latent = tensors.pop("latent")
        maps = [tensors[f"noise_{i}"] for i in range(len(tensors))]
        digests = told["generator_sha256"], told["weights_sha256"]
        if latent.dim() != 3 or len(names) != len(latent) or not latent.is_floating_point():
            raise ValueError(f"latent of shape {tuple(latent.shape)} and {len(names)} names")
        return Latents(latent.float(), names, told["noise"], digests, maps)
    except (
        SafetensorError,
        BadZipFile,
        OSError,
        ValueError,
        KeyError,
        EOFError,
        TypeError,
        NotImplementedError,
    ) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not the latents of a run ({reason}); give its results/latent.safetensors") from None


Parts = tuple[dict[str, Tensor], dict[str, str], list[str]]


def _npz(path: Path) -> Parts:
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    told = {key: str(arrays.pop(key)) for key in ("generator_sha256", "weights_sha256", "noise")}
    names = [str(name) for name in arrays.pop("names")]
    return {key: torch.from_numpy(value) for key, value in arrays.items()}, told, names


def _safetensors(path: Path) -> Parts:
    with safe_open(path, framework="pt") as file:
        told = file.metadata() or {}
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
    return tensors, told, [str(name) for name in json.loads(told["names"])]
