"""Latents as files: what was found, and of which generator."""

import io
import json
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.files import write_atomically
from lit_nst.generators import Generator

NAMES = ("latent.npz", "latent.safetensors")
NOISE = ("const", "none", "optimized")
LONGEST_NAME = 200


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
    write_atomically(folder / NAMES[1], _ordered(save(tensors, {**told, "names": json.dumps(list(names))})))


def _ordered(data: bytes) -> bytes:
    """The same safetensors file, its metadata sorted: as written they have another order each time."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[end:]


def read_latents(path: Path) -> Latents:
    """Reads either file.

    Raises:
        InputError: Not there, damaged, or not of this kind; numbers that are not finite; names that are no names of
            files, or two that are one.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a run's results/latent.safetensors or latent.npz")
    try:
        tensors, told, names = _npz(path) if path.suffix == ".npz" else _safetensors(path)
        latent = _finite(tensors.pop("latent"), "latent")
        maps = [_finite(tensors[f"noise_{i}"], "noise") for i in range(len(tensors))]
        digests = told["generator_sha256"], told["weights_sha256"]
        if latent.dim() != 3 or len(names) != len(latent) or len(names) == 0:
            raise ValueError(f"latent of shape {tuple(latent.shape)} and {len(names)} names")
        if told["noise"] not in NOISE or (told["noise"] == NOISE[-1]) != bool(maps):
            raise ValueError(f"{len(maps)} noise maps where the noise is {told['noise'][:80]!a}")
        _check_names(names)
        return Latents(latent, names, told["noise"], digests, maps)
    except (
        SafetensorError,
        BadZipFile,
        OSError,
        ValueError,
        KeyError,
        EOFError,
        TypeError,
        NotImplementedError,
        MemoryError,
        RecursionError,
        zlib.error,
    ) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not the latents of a run ({reason}); give its results/latent.safetensors") from None


def _finite(value: Tensor, what: str) -> Tensor:
    if not value.is_floating_point() or not bool(value.isfinite().all()):
        raise ValueError(f"{what} holds numbers that are not finite, or no floating-point numbers")
    return value.float()


def _check_names(names: list[str]) -> None:
    """Names of the rows become names of files."""
    for name in names:
        if (
            name in (".", "..")
            or Path(name).name != name
            or "\\" in name
            or "\0" in name
            or not 0 < len(os.fsencode(name)) <= LONGEST_NAME
        ):
            raise ValueError(f"{name[:80]!a} is no name of a picture")
    if len({name.casefold() for name in names}) < len(names):
        raise ValueError("two pictures of one name")


Parts = tuple[dict[str, Tensor], dict[str, str], list[str]]


def _npz(path: Path) -> Parts:
    with ZipFile(path) as archive:
        # ``np.savez`` does not compress; what is packed could be of any size.
        if any(entry.file_size > entry.compress_size for entry in archive.infolist()):
            raise ValueError("it is compressed")
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    told = {key: str(arrays.pop(key)) for key in ("generator_sha256", "weights_sha256", "noise")}
    names = [str(name) for name in arrays.pop("names")]
    return {key: torch.from_numpy(value) for key, value in arrays.items()}, told, names


def _safetensors(path: Path) -> Parts:
    with safe_open(path, framework="pt") as file:
        told = file.metadata() or {}
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
    names = json.loads(told["names"])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("its names are no list of names")
    return tensors, told, names
