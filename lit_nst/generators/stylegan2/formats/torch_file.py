"""Files of ``torch.save``, the zip and the older stream, read without torch's own unpickler."""

import math
import zipfile
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lit_nst.generators.stylegan2.formats.arrays import AXES
from lit_nst.generators.stylegan2.formats.machine import Allowed, Budget, Machine, name_only
from lit_nst.generators.stylegan2.formats.names import PLAIN
from lit_nst.generators.stylegan2.formats.records import FormatError, parts, reading
from lit_nst.generators.stylegan2.formats.storages import DTYPES, Storage, Storages
from lit_nst.generators.stylegan2.formats.unpickler import unpickle

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001


def read_torch(path: Path) -> object:
    """Reads a file of ``torch.save`` in either of its forms, on the CPU.

    Args:
        path: The file.

    Returns:
        Dictionaries, lists, tensors and numbers; objects of known classes as a ``Record``.

    Raises:
        InputError: Damaged, or it holds objects of other classes; nothing of it was run.
    """
    with reading(path), path.open("rb") as file:
        if file.read(4) == b"PK\x03\x04":
            return _read_zip(path)
        file.seek(0)
        return _read_stream(BytesIO(file.read()), ALLOWED)


def read_pickle(path: Path) -> object:
    """Reads a plain pickle that may hold tensors, such as NVlabs' snapshots.

    Args:
        path: The file.

    Returns:
        As ``read_torch``.

    Raises:
        InputError: Damaged, or it holds objects of other classes; nothing of it was run.
    """
    with reading(path):
        return unpickle(BytesIO(path.read_bytes()), ALLOWED)


def legacy_tensor_storage(data: bytes, budget: Budget | None = None) -> Storage:
    """The storage that a pickle outside of ``torch.save`` carries as bytes, themselves a file of the older form.

    Args:
        data: The bytes.
        budget: That of the pickle around them; None: one of its own.

    Raises:
        FormatError: Anything but one storage.
        Exception: Any, if the bytes are damaged; call it inside of ``reading``.
    """
    storage = _read_stream(BytesIO(data), STORAGES, budget)
    if not isinstance(storage, Storage):
        raise FormatError("damaged: the bytes of a tensor hold something else")
    return storage


def _read_zip(path: Path) -> object:
    with zipfile.ZipFile(path) as archive:
        size, names = path.stat().st_size, set(archive.namelist())
        _check_zip(archive.infolist(), size)
        roots = [name.removesuffix("data.pkl") for name in names if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(roots) != 1:
            raise FormatError("a zip file, but not one of torch.save (no data.pkl); give the checkpoint itself")
        root = roots[0]
        if f"{root}byteorder" in names and archive.read(f"{root}byteorder") != b"little":
            raise FormatError("written by a big-endian machine, which this reader does not know")
        storages = Storages(lambda key, _: bytearray(archive.read(f"{root}data/{key}")), size)
        value = unpickle(BytesIO(archive.read(f"{root}data.pkl")), ALLOWED, storages.look_up)
    storages.check()
    return value


def _check_zip(entries: list[zipfile.ZipInfo], size: int) -> None:
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
        raise FormatError(
            "a compressed zip file, which torch.save does not write; unpack it and give the checkpoint itself"
        )
    if sum(entry.file_size for entry in entries) > size:
        raise FormatError("damaged: its entries are larger than the whole file; download it again")


def _read_stream(stream: BytesIO, allowed: Allowed, budget: Budget | None = None) -> object:
    budget = budget or Budget()
    if unpickle(stream, {}, None, budget) != MAGIC or unpickle(stream, {}, None, budget) != PROTOCOL:
        raise FormatError("a pickle, but not a file of torch.save")
    system = unpickle(stream, {}, None, budget)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise FormatError("written by a big-endian machine, which this reader does not know")
    start = stream.tell()
    length = stream.seek(0, SEEK_END) - start
    stream.seek(start)
    # Only the pickle tells how long they are, and they follow it: room is made first and filled afterwards.
    storages = Storages(lambda _, size: bytearray(size), length)
    value = unpickle(stream, allowed, storages.look_up, budget)
    keys = unpickle(stream, {}, None, budget)
    if not isinstance(keys, list) or any(type(key) is not str for key in keys) or set(keys) != set(storages.found):
        raise FormatError("damaged: its list of storages is wrong; download it again")
    for key in keys:
        count, room = int.from_bytes(stream.read(8), "little"), storages.bytes[key]
        if count != len(storages.found[key].values) or stream.readinto(room) != len(room):
            raise FormatError("damaged: a tensor is cut short; download it again")
    storages.check()
    return value


def _rebuild(m: Machine, arguments: tuple[Any, ...]) -> Tensor:
    storage, offset, size, stride, *rest = arguments
    if rest[2:] and rest[2] not in (None, {}):
        raise FormatError("it holds tensors with a lazy conjugate or negative, which this reader does not know")
    if not isinstance(storage, Storage) or not type(size) is type(stride) is tuple or len(size) != len(stride):
        raise FormatError("damaged: a tensor without a storage or a shape")
    if len(size) > AXES or any(type(number) is not int or number < 0 for number in (offset, *size, *stride)):
        raise FormatError("damaged: a tensor of a strange shape")
    values, numel = storage.values, math.prod(size)
    if numel == 0:
        return torch.empty(size, dtype=values.dtype)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if max(numel - 1, last) >= len(values):
        raise FormatError("damaged: a tensor is larger than its storage; download it again")
    return values.as_strided(size, stride, offset)


def _parameter(m: Machine, arguments: tuple[Any, ...]) -> Tensor:
    if not isinstance(arguments[0], Tensor):
        raise FormatError("damaged: a parameter that is no tensor")
    return arguments[0]


def _from_bytes(m: Machine, arguments: tuple[Any, ...]) -> Storage:
    (data,) = parts(arguments, 1)
    if type(data) is not bytes:
        raise FormatError("damaged: the numbers of a tensor are no bytes")
    m.spend(len(data))
    return legacy_tensor_storage(data, m.budget)


STORAGES: Allowed = {("torch", name): name_only for name in DTYPES}
ALLOWED: Allowed = {
    **PLAIN,
    **STORAGES,
    ("torch._utils", "_rebuild_tensor"): _rebuild,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch.storage", "_load_from_bytes"): _from_bytes,
}
"""All names that a checkpoint may ask for."""
