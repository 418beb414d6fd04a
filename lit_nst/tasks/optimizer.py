"""Which optimisers can search, and which state they can go on from."""

import math
from typing import Any

import torch
from torch import Tensor

from lit_nst.errors import InputError

# Of the shape of ``w``, in those of torch.
SHAPED = ("exp_avg", "exp_avg_sq", "momentum_buffer")


def check_optimizer(optimizer: torch.optim.Optimizer, w: Tensor, resumed: dict[str, Any] | None) -> None:
    """Refuses an optimiser that cannot step, or cannot go on.

    Args:
        optimizer: A new one.
        w: Its parameter.
        resumed: State of the optimiser of the run that goes on; None: the run begins.

    Raises:
        InputError: A step size that is not finite, an optimiser of sparse gradients, or a state of another one.
    """
    if isinstance(optimizer, torch.optim.SparseAdam):
        raise InputError("--model.optimizer: SparseAdam takes sparse gradients, which w has not; give Adam")
    group = optimizer.param_groups[0]
    if not math.isfinite(group.get("lr", 1.0)):
        raise InputError(f"--model.optimizer.lr is {group['lr']}; give a finite step size")
    if resumed is None:
        return
    if missing := sorted(set(group) - set(resumed["param_groups"][0])):
        raise InputError(
            f"ckpt_path holds the state of another optimizer than {type(optimizer).__name__}, without {missing[0]}; "
            "give the --model.optimizer of the run that wrote it"
        )
    for state in resumed["state"].values():
        for name in SHAPED:
            value = state.get(name)
            if isinstance(value, Tensor) and value.shape[1:] != w.shape[1:]:
                raise InputError(
                    f"ckpt_path holds {name} of shape {tuple(value.shape)}, w is {tuple(w.shape)}; it is damaged"
                )
