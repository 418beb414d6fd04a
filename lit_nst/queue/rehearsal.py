"""How many rows fit in the memory."""

import itertools
import warnings
from collections.abc import Callable, Sequence

from lightning.pytorch import Callback, LightningModule, Trainer

from lit_nst.data import Images
from lit_nst.errors import InputError
from lit_nst.parallel import memory
from lit_nst.tasks import Objective

FEW, MORE = 2, 4


class Rehearsal(Callback):
    """Takes the dearest step of a task once, before a fit's first step."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes it."""
        assert isinstance(pl_module, Objective)
        pl_module.rehearse()


def rehearse(
    task: Objective, data: Images, trainer: Callable[[Callback], Trainer], counts: Sequence[int] = (FEW, MORE)
) -> memory.MemoryModel | None:
    """Measures a fit of two rows and one of four, a step each, and draws a line through them.

    It also finds bad input before a run has a folder.

    Args:
        task: Its grid is laid out.
        data: The pictures.
        trainer: Makes a trainer that takes a step and leaves no file.
        counts: Numbers of rows.

    Returns:
        The line; through two rows and no byte where there is one count, or the memory has no place for the second. None
        where it has no place for the first.

    Raises:
        InputError: Bad input, as a fit finds it.
    """
    peaks: list[int] = []
    rows = _readable(task, data, max(counts))
    for count in counts:
        task.choose(rows[:count])
        try:
            with memory.Peak() as peak, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                trainer(Rehearsal()).fit(task, datamodule=data)
        except Exception as error:
            if not memory.is_out_of_memory(error):
                raise
            break
        peaks.append(peak.peak)
    if len(peaks) == 2 and len(rows) == MORE:
        return memory.fitted(*peaks)
    return memory.MemoryModel(0, peaks[0] // min(FEW, len(rows))) if peaks else None


def _readable(task: Objective, data: Images, count: int) -> list[int]:
    """The first rows whose pictures can be read, where the others are to be left out."""
    rows = range(len(task.grid))
    if data.unreadable == "stop":
        return list(rows[:count])
    found = list(itertools.islice((row for row in rows if task.unreadable(row, data) is None), count))
    if not found:
        raise InputError(f"none of the {len(rows)} rows has pictures that can be read; give others")
    return found
