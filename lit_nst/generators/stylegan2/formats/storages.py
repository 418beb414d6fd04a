"""The numbers behind the tensors of a file of torch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lit_nst.generators.stylegan2.formats.records import FormatError, Global, parts

DTYPES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "DoubleStorage": torch.float64,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


@dataclass(frozen=True, eq=False)
class Storage:
    """The numbers behind one or several tensors; one axis."""

    values: Tensor


class Storages:
    """Storages by their keys, each made once.

    Args:
        fetch: Bytes of a key and of a length.
        budget: Bytes that all of them may have together.
    """

    def __init__(self, fetch: Callable[[str, int], bytearray], budget: int) -> None:
        self.fetch, self.budget = fetch, budget
        self.bytes: dict[str, bytearray] = {}
        self.found: dict[str, Storage] = {}

    def look_up(self, identity: Any) -> Storage:
        """The storage that a persistent id of torch means; its place, the device, is passed over."""
        kind, name, key, _, count, *view = parts(identity, 5, 6)
        if kind != "storage" or type(key) is not str or not isinstance(name, Global) or name.name not in DTYPES:
            raise FormatError("damaged: its pickle refers to an unknown kind of storage")
        if type(count) is not int or count < 0 or view not in ([], [None]):
            raise FormatError(
                "its tensors share storages in a way that torch has given up; save it again with a newer torch"
            )
        dtype = DTYPES[name.name]
        if key not in self.found:
            self.budget -= count * dtype.itemsize
            if self.budget < 0:
                raise FormatError("damaged: its tensors are larger than the whole file; download it again")
            self.bytes[key] = self.fetch(key, count * dtype.itemsize)
            values = torch.frombuffer(self.bytes[key], dtype=dtype) if count else torch.empty(0, dtype=dtype)
            self.found[key] = Storage(values)
        values = self.found[key].values
        if values.dtype != dtype or len(values) != count or len(self.bytes[key]) != count * dtype.itemsize:
            raise FormatError("damaged: a tensor is cut short, or has two sizes; download it again")
        return self.found[key]

    def check(self) -> None:
        """Refuses truth values other than 0 and 1, with which torch may do anything."""
        for storage in self.found.values():
            if storage.values.dtype == torch.bool and bool((storage.values.view(torch.uint8) > 1).any()):
                raise FormatError("damaged: a truth value that is neither true nor false; download it again")
