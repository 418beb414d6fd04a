"""How many rows fit in the memory."""

import itertools
import warnings
from collections.abc import Callable

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from lit_nst.data import Images
from lit_nst.errors import InputError
from lit_nst.parallel import memory
from lit_nst.tasks import Objective


class Rehearsal(Callback):
    """Takes the dearest step of a task once, before a fit's first step."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes it."""
        assert isinstance(pl_module, Objective)
        pl_module.rehearse()


def rehearse(
    task: Objective, data: Images, trainer: Callable[[Callback], Trainer], most: int, device: torch.device
) -> memory.MemoryModel | None:
    """Measures two steps of a few rows, and of twice as many, and draws a line through both.

    It also finds bad input before a run has a folder.

    Args:
        task: Its grid is laid out.
        data: The pictures.
        trainer: Makes a trainer that takes two steps and leaves no file.
        most: How many rows will be computed at a time at most.
        device: Whose memory counts.

    Returns:
        The line. Where there are too few rows for a second measurement, or no memory for it, one through no byte and
        no row. None where there is no memory for the first.

    Raises:
        InputError: Bad input, as a fit finds it.
    """
    group = max(2, getattr(task.generator, "group", 0))
    rows = _readable(task, data, 2 * group)
    counts = (group, 2 * group) if min(most, len(rows)) >= 2 * group else (group,)
    peaks: list[int] = []
    for count in counts:
        task.choose(rows[:count])
        try:
            with memory.Peak(device) as peak, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                trainer(Rehearsal()).fit(task, datamodule=data)
        except Exception as error:
            if not memory.is_out_of_memory(error):
                raise
            break
        peaks.append(peak.peak)
    if not peaks:
        return None
    return memory.fitted(peaks[0], peaks[-1] if len(peaks) > 1 else 2 * peaks[0], group)


def _readable(task: Objective, data: Images, count: int) -> list[int]:
    """The first rows whose pictures can be read, where the others are to be left out."""
    rows = range(len(task.grid))
    if data.unreadable == "stop":
        return list(rows[:count])
    found = list(itertools.islice((row for row in rows if task.unreadable(row, data) is None), count))
    if not found:
        raise InputError(f"none of the {len(rows)} rows has pictures that can be read; give others")
    return found
