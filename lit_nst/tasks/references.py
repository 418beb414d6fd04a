"""What the terms are compared with."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.losses import Loss

if TYPE_CHECKING:
    from lit_nst.tasks.objective import Objective


def check_blend(weights: Sequence[float], styles: int) -> None:
    """Refuses weights that blend nothing.

    Raises:
        InputError: Not one each, one below 0, or none above.
    """
    if len(weights) != styles:
        raise InputError(f"--model.blend: {len(weights)} weights for {styles} styles; give one each")
    if not (all(weight >= 0 for weight in weights) and 0 < math.fsum(weights) < math.inf):
        raise InputError(f"--model.blend: {list(weights)}; give no weight below 0 and one above")


def reference_statistics(task: "Objective") -> dict[str, dict[str, Tensor]]:
    """The statistics of the reference images: term → layer → one value per (padded) row.

    The images of a role have one size and are measured together. The styles have sizes of their own:
    each is measured by itself, once, and the rows take theirs, or all of them take the blend.

    Raises:
        InputError: A picture that is too small for the layers.
    """
    found: dict[str, dict[str, Tensor]] = {}
    for role in task.roles:
        terms = {name: task.compared[name] for name, own in task.role_of.items() if own == role}
        if role == "style":
            found.update(_styles(task, terms))  # type: ignore[arg-type]
        elif terms:
            maps = _maps(task, role, getattr(task, role))
            found.update({name: loss.measure(maps) for name, loss in terms.items()})  # type: ignore[operator]
    return found


def _styles(task: "Objective", terms: dict[str, Loss]) -> dict[str, dict[str, Tensor]]:
    measured: dict[str, list[dict[str, Tensor]]] = {name: [] for name in terms}
    for picture in task.pictures["style"].values():
        maps = _maps(task, "style", picture[None].to(task.device))
        for name, loss in terms.items():
            measured[name].append(loss.measure(maps))
    # Only the size of the result's maps counts; that of all styles says whether it does, not of those at hand.
    maps = task.maps(torch.full((1, 3, *task.size), 0.5, device=task.device)) if task.mixed else maps
    found: dict[str, dict[str, Tensor]] = {}
    for name, loss in terms.items():
        own = loss.measure(maps)
        layers = {layer: [part[layer] for part in measured[name]] for layer in loss.layers}
        found[name] = {layer: _rows(task, loss, parts, own[layer]) for layer, parts in layers.items()}
    return found


def _rows(task: "Objective", loss: Loss, parts: list[Tensor], like: Tensor) -> Tensor:
    rows = task.images("style")
    if task.blend is None:
        places = {number: place for place, number in enumerate(task.pictures["style"])}
        return loss.align(parts, like)[[places[row] for row in rows]]
    blended = loss.blend(parts, task.blend)
    return blended.expand(len(rows), *blended.shape[1:])


def _maps(task: "Objective", role: str, images: Tensor) -> dict[str, Tensor]:
    try:
        return task.maps(images)
    except InputError as error:
        raise InputError(f"--data.{role}: {error}") from None
