"""How many rows are computed at a time."""

import math

import torch

from lit_nst.errors import InputError
from lit_nst.parallel import memory

GIB = 2**30


class Queue:
    """How many rows are computed at a time; the others wait.

    Rows are independent problems, so this changes no result.

    Args:
        batch: Most rows at a time, in each process. None: as many as the memory holds.
        memory: Gibibytes that a process may fill with what it computes, by a measurement of two and of four rows. None:
            four fifths of what is free.

    Raises:
        InputError: Not positive.
    """

    def __init__(self, batch: int | None = 64, memory: float | None = None) -> None:
        if batch is not None and batch < 1:
            raise InputError(f"--queue.batch is {batch}; give 1 or more rows")
        if memory is not None and not 0 < memory < math.inf:
            raise InputError(f"--queue.memory is {memory:g}; give gibibytes above 0")
        self.batch, self.memory = batch, memory

    def budget(self, device: torch.device, processes: int) -> int:
        """Bytes for a process, of which several may share a machine's memory."""
        if self.memory is not None:
            return int(self.memory * GIB)
        return int(0.8 * memory.available(device) / (1 if device.type == "cuda" else processes))
