"""How many rows fit into memory."""

import errno
import math
import os
import re
import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

MIB = 2**20
# What a process takes beside its tensors, once and in proportion to them; measured by benchmarks/memory.py.
OVERHEAD, SLACK = 64 * MIB, 1.4
# Taken to be free where nothing tells it.
UNKNOWN = 2 * 2**30
EXHAUSTED = "DefaultCPUAllocator|(allocate|enough|out of) memory|ALLOC_FAILED|bad_alloc|size calculation overflowed"


class Peak(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the tensor storages that are made inside it, forward and backward.

    A storage counts from the operation that makes it to the end of its last reference, so what is kept for the
    gradient counts; a view, or an operation in place, makes none. What an operation needs while it computes is not
    seen. A function that ``torch.compile`` made counts only as far as it runs uncompiled.

    Args:
        device: Whose storages count, all of its kind where it has no index; None: every device's together.

    Attributes:
        live: Bytes of those storages that are still there.
        peak: The most that ``live`` has been.

    >>> x = torch.zeros(256, requires_grad=True)
    >>> with Peak() as memory:
    ...     x.sin().sin().sum().backward()
    >>> memory.peak, memory.live  # a sine, its cosine, the product, two scalars; at the end x's gradient
    (3080, 1024)
    """

    def __init__(self, device: torch.device | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device, self.live, self.peak = device, 0, 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # Storages of outside come back as views; they are held here, so that no new one has the id of one of them.
        given = {id(storage): storage for storage in _storages((args, kwargs or {}))}
        found = func(*args, **(kwargs or {}))
        for storage in _storages(found):
            if id(storage) in self._sizes or id(storage) not in given:
                self._count(storage)
        return found

    def _count(self, storage: torch.UntypedStorage) -> None:
        wanted, own = self.device, storage.device
        if wanted is not None and (wanted.type != own.type or wanted.index not in (None, own.index or 0)):
            return
        key, size = id(storage), storage.nbytes()
        if key not in self._sizes:
            weakref.finalize(storage, self._forget, key).atexit = False
        self.live += size - self._sizes.get(key, 0)
        self._sizes[key] = size
        self.peak = max(self.peak, self.live)

    def _forget(self, key: int) -> None:
        self.live -= self._sizes.pop(key)


def _storages(values: Any) -> Iterator[torch.UntypedStorage]:
    """Those of all tensors in nested lists and dicts; sparse tensors have none."""
    if isinstance(values, Tensor):
        with suppress(NotImplementedError):
            yield values.untyped_storage()
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _storages(value)
    elif isinstance(values, dict):
        yield from _storages(list(values.values()))


@dataclass(frozen=True)
class MemoryModel:
    """bytes(B) = fixed + per_row·B.

    Attributes:
        fixed: Bytes whatever the number of rows.
        per_row: Bytes that each row adds, at least 1.
        group: Rows are computed so many at a time, the last ones filled up: B is rounded up to a multiple.

    >>> MemoryModel(100, 10).bytes(5), MemoryModel(100, 10, group=4).bytes(5)
    (150, 180)
    """

    fixed: int
    per_row: int
    group: int = 1

    def bytes(self, rows: int) -> int:
        """What so many rows need."""
        return self.fixed + self.per_row * self.group * math.ceil(rows / self.group)

    def fitting(self, budget: int) -> int:
        """The most rows whose bytes fit; an even number from 2 on, 0 where not even one fits.

        >>> [MemoryModel(100, 10).fitting(budget) for budget in (109, 119, 120, 139, 140)]
        [0, 1, 2, 2, 4]
        """
        rows = max(budget - self.fixed, 0) // (self.per_row * self.group) * self.group
        return rows if rows < 2 else rows - rows % 2


def fitted(two: int, four: int, group: int = 2) -> MemoryModel:
    """The model of a run whose tensors need at most so many bytes with 2 rows and with 4.

    bytes(B) = 64 MiB + 1.4·(a + b·B), where a + b·B goes through the two peaks. Beyond the tensors a process pays for
    code and kernels that are made at the first step, for workspaces of convolutions, and above all for gaps that its
    allocator leaves between tensors of different sizes: on the CPU 0.1 to 0.6 of the tensors, by job.

    A peak must see all that a run ever holds at once: the second step, since the optimiser's state is made by the first
    one, and a step that computes every gradient.

    Args:
        two: Peak of 2 rows; of ``group`` rows where that is another number.
        four: Peak of twice as many rows.
        group: How many rows are computed at a time at least. Odd numbers of rows are made even, which is 2. Where
            networks get more inputs at a time, fewer rows cost as much as a group, and say nothing of the next ones.
    """
    per_row = (four - two) / group
    fixed = max(two - per_row * group, 0)
    return MemoryModel(OVERHEAD + math.ceil(SLACK * fixed), max(math.ceil(SLACK * per_row), 1), group)


def available(device: torch.device) -> int:
    """Bytes that this process can still take on a device.

    CUDA: what is free there, with what this process's allocator holds unused. CPU, and devices of its memory: the
    least of ``MemAvailable``, of what limits of control groups (v2 and v1) leave, file cache counted as free, and of
    what the limit of the address space leaves. Without ``/proc`` half of the physical memory, or 2 GiB where the system
    does not tell it. Processes that share the memory each get the whole as answer.
    """
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + unused
    return max(int(min(_free(), _address_space())), 0)


def _free(root: Path = Path("/")) -> int:
    """Of the machine and of the control groups, whose files are below a root."""
    try:
        words = (root / "proc/meminfo").read_text().partition("MemAvailable:")[2].split()
        return min([int(words[0]) * 1024, *_groups(root)])
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):
        return UNKNOWN


def _groups(root: Path) -> Iterator[int]:
    """What the limit of each control group that this process is in leaves, the outer ones too."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, kinds, path = line.split(":", 2)
            if kinds == "":
                top, files = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
            elif "memory" in kinds.split(","):
                top = root / "sys/fs/cgroup/memory"
                files = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            else:
                continue
            own = top / path.lstrip("/")
            # In a container the path may be that outside; its own group is then the top.
            for folder in (top, *(each for each in (own, *own.parents) if top in each.parents)):
                with suppress(OSError, ValueError):
                    yield _left(folder, *files)


def _left(folder: Path, limit: str, usage: str, cache: str) -> int:
    """A control group's limit less its usage; no limit is no number."""
    cached = re.search(rf"^{cache} (\d+)$", (folder / "memory.stat").read_text(), re.MULTILINE)
    used = int((folder / usage).read_text()) - (int(cached[1]) if cached else 0)
    return int((folder / limit).read_text()) - used


def _address_space() -> int | float:
    """What ``ulimit -v`` leaves; no limit is infinity."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):
        return math.inf
    return math.inf if limit == resource.RLIM_INFINITY else limit - pages * resource.getpagesize()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device, or the machine, has no memory left.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("shapes do not match"))
    (True, False)
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and re.search(EXHAUSTED, str(error)) is not None
