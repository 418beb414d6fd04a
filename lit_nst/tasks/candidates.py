"""The best of many samples as start."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.functional.reduce import row_mean
from lit_nst.tasks.view import shrunk

if TYPE_CHECKING:
    from lit_nst.tasks.objective import Objective

SIDE, BATCH = 32, 16


def nearest_samples(task: "Objective") -> Tensor:
    """For each row the sample whose measurement is nearest to the target's.

    Each sample is drawn once, degraded as the prediction of every row is, and compared at no more than 32×32 pixels,
    by the mean square. Equal problems of several restarts take the nearest, the second nearest, ….

    Args:
        task: Has the generator, the degradation and the measured targets.

    Returns:
        ``w`` of the process's rows.

    Raises:
        InputError: A generator without samples, or a task without target.
    """
    if "target" not in task.roles:
        raise InputError(f"search.candidates: {type(task).__name__} has no target to compare with; leave it at 0")
    samples = task.generator.sample(task.search.candidates, task.seed)
    target = task.get_buffer("target")
    factor = -(-max(target.shape[-2:]) // SIDE)
    wanted = shrunk(target, factor)
    distances = []
    for part in torch.split(samples, BATCH):
        # An even number of samples is drawn alike in any batch, which a lone one is not.
        for image in task.generator(_even(part))[: len(part)].clamp(0, 1):
            measured = task.degradation(image.expand(len(target), -1, -1, -1))
            distances.append(row_mean((shrunk(measured, factor) - wanted).square()))
    order = torch.stack(distances).nan_to_num(torch.inf).argsort(dim=0, stable=True)
    restarts = [task.grid[row].restart for row in task.shard.rows]
    return samples[[int(order[restart, i]) for i, restart in enumerate(restarts)]]


def _even(samples: Tensor) -> Tensor:
    return torch.cat([samples, samples[-1:]]) if len(samples) % 2 else samples
