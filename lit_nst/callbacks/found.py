"""What a process found."""

from typing import Any

from torch import Tensor

from lit_nst.degradations import Mask
from lit_nst.functional.reduce import row_mean
from lit_nst.losses import ContentLoss


def found_rows(task: Any) -> dict[str, Tensor]:
    """Name → a line for each row of this process, as ``row_figures`` takes them, with ``w``.

    Also ``hole``, 1 in it, where the only degradation is a mask.
    """
    local = task(task.best).float().nan_to_num(0)
    found: dict[str, Tensor] = {
        "result": local,
        "w": task.best,
        "loss": task.best_loss,
        "stopped": task.stopped,
        "distance": row_mean(task.generator.standardize(task.best).square()),
        **{f"term_{name}": value for name, value in task.terms(task.best).items()},
    }
    found |= task.counts
    for name, loss in task.compared.items():
        if isinstance(loss, ContentLoss):
            found[f"energy_{name}"] = loss.energy(task.references[name])[: len(local)]
    if len(task.degradation):
        found["measurement"] = task.target[: len(local)].float()
        found["predicted"] = task.degradation(task.shard.pad(local))[: len(local)].float()
        if len(task.degradation) == 1 and isinstance(mask := task.degradation[0], Mask):
            known = mask.known(task.shard.pad(local))
            found["hole"] = (known.expand(len(task.shard.padded), -1, -1, -1)[: len(local)] == 0).to(local.dtype)
    return found
