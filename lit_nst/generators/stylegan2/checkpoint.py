"""Generator files of every kind: which one it is, and who reads it."""

import os
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from lit_nst.embedded import locate
from lit_nst.errors import InputError
from lit_nst.generators.stylegan2.formats import own
from lit_nst.generators.stylegan2.formats.nvlabs import read_nvlabs
from lit_nst.generators.stylegan2.formats.own import FORMAT
from lit_nst.generators.stylegan2.formats.rosinality import from_rosinality, write_rosinality
from lit_nst.generators.stylegan2.formats.torch_file import read_torch
from lit_nst.generators.stylegan2.network import Architecture

EMBEDDED = "embedded:portraits.safetensors"
SUFFIXES = (".safetensors", ".pkl", ".pt", ".pth")
CHOICES = 'give "embedded" or a .safetensors, .pkl, .pt or .pth file'
# Whole trainings, optimisers included, have about 1 GiB.
LARGEST = 3 << 30
ZIP = b"PK\x03\x04"
# A pickle of torch's magic number, with which its files began before they were zip archives.
LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
PICKLES = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))
DOWNLOADS = {b"<": "a web page", b"version https://git-lfs": "a pointer of Git LFS"}


def resolve(weights: str) -> Path:
    """The file behind the option ``generator.weights``.

    Raises:
        InputError: Neither ``"embedded"`` nor a file of a generator that is there.
    """
    if weights == "embedded":
        return locate(EMBEDDED)
    path = Path(weights)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f'generator weights "{weights}": no such kind of file; {CHOICES}')
    # os.path answers False where Path would raise, such as for a name that is too long.
    if not os.path.isfile(path):
        raise InputError(f'generator weights "{weights}": no such file; {CHOICES}')
    return path


def read(path: Path) -> tuple[Architecture, dict[str, Tensor]]:
    """Reads a generator file: this project's, NVlabs' pickle, or a torch file of rosinality's names or of NVlabs'.

    The first bytes say which one it is, whatever its suffix. No code of a file is ever run.

    Args:
        path: The file.

    Returns:
        The architecture, inferred from the shapes, and float32 tensors by NVlabs' names.

    Raises:
        InputError: Damaged, not a StyleGAN2, or one that cannot be drawn by this project's network.
    """
    if path.stat().st_size > LARGEST:
        raise InputError(f"{path}: larger than {LARGEST >> 30} GiB, which no file of a StyleGAN2 is")
    with path.open("rb") as file:
        start = file.read(32)
    if start.startswith((ZIP, LEGACY)):
        return from_rosinality(read_torch(path), path)
    if start.startswith(PICKLES):
        return read_nvlabs(path)
    if start[8:9] == b"{":
        return own.read(path)
    found = next((name for mark, name in DOWNLOADS.items() if start.lstrip().startswith(mark)), None)
    if found is not None:
        raise InputError(f"{path}: {found} instead of a generator; download the file again")
    raise InputError(f"{path}: {'not' if start else 'empty, not'} a .safetensors file, a pickle or a torch file")


def write(path: Path, architecture: Architecture, state: Mapping[str, Tensor], half: bool = False) -> None:
    """Writes a generator file, atomically: rosinality's where the suffix is ``.pt``, else safetensors.

    Args:
        path: Where to.
        architecture: Its settings that shapes do not show are kept.
        state: Tensors by NVlabs' names.
        half: Store float16 instead of float32; for safetensors only.

    Raises:
        InputError: Another suffix, or what the format cannot hold.
    """
    check_name(path, half)
    if path.suffix.lower() == ".pt":
        write_rosinality(path, architecture, state)
    else:
        own.write(path, architecture, state, half)


def check_name(path: Path, half: bool = False) -> None:
    """Refuses what ``write`` cannot write, by the name of the file.

    Args:
        path: Of a file to be.
        half: As in ``write``.

    Raises:
        InputError: A suffix of no format, or ``half`` for one that has float32 only.
    """
    suffix = path.suffix.lower()
    if suffix == ".pkl":
        raise InputError(
            f"{path}: no .pkl is written, since NVlabs' pickles carry NVIDIA's source code, which this project does "
            "not ship; name it .safetensors, or .pt for rosinality's format"
        )
    if suffix not in (".safetensors", ".pt"):
        raise InputError(f"{path}: name it .safetensors, or .pt for rosinality's format")
    if half and suffix == ".pt":
        raise InputError(f"{path}: half is for .safetensors files; leave it out, or name the file .safetensors")


__all__ = ["EMBEDDED", "FORMAT", "check_name", "read", "resolve", "write"]
