"""The final figures of each row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lit_nst.callbacks.judge import BATCH, Judge
from lit_nst.report import feature_distance, psnr, ssim, style_distance


@dataclass
class Pictures:
    """What the results are compared with, for all rows.

    Attributes:
        truth: N×3×H×W, or None.
        content: N×3×H×W, or None.
        styles: Per row its style pictures with their shares; empty for a task without.
    """

    truth: Tensor | None = None
    content: Tensor | None = None
    styles: list[list[tuple[float, Tensor]]] = field(default_factory=list)

    def chosen(self, rows: Sequence[int]) -> "Pictures":
        """Those of some rows."""
        truth, content = (None if x is None else x[list(rows)] for x in (self.truth, self.content))
        return Pictures(truth, content, [self.styles[row] for row in rows] if self.styles else [])


@torch.no_grad()
def row_figures(
    names: Sequence[str], found: Mapping[str, Tensor], pictures: Pictures, judge: Judge
) -> list[dict[str, Any]]:
    """Name → value, for each row; the same, bit for bit, whatever the other rows are.

    Args:
        names: Of the rows.
        found: ``result``, ``loss``, ``term_…``, ``energy_…``, ``stopped``, ``distance``, and ``measurement`` with
            ``predicted`` where there is a degradation, ``composite`` where there is one, ``skipped`` of a sampling.
        pictures: What the results are compared with.
        judge: Has the network of the distances.
    """
    rows, styles = list[dict[str, Any]](), dict[int, dict[str, Tensor]]()
    realism = judge.realism(found["result"])
    for start in range(0, len(names), BATCH):
        places = range(start, min(start + BATCH, len(names)))
        own = {name: value[list(places)] for name, value in found.items()}
        columns = _columns(own, pictures.chosen(places), judge, styles)
        if realism is not None:
            columns["generator_distance"] = realism[list(places)].tolist()
        columns |= {name: value.tolist() for name, value in own.items() if name.startswith(("term_", "energy_"))}
        columns["stopped_at_step"] = [None if step < 0 else step for step in own["stopped"].tolist()]
        columns |= {name: own[name].tolist() for name in ("skipped",) if name in own}
        rows += [
            {"name": names[row], **{key: column[i] for key, column in columns.items()}} for i, row in enumerate(places)
        ]
    return rows


def _columns(
    found: Mapping[str, Tensor], pictures: Pictures, judge: Judge, styles: dict[int, dict[str, Tensor]]
) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {"loss": found["loss"].tolist()}
    if pictures.truth is not None:
        columns |= _against_truth(found, pictures.truth, judge)
    maps = judge.maps(found["result"]) if pictures.content is not None or pictures.styles else {}
    if pictures.content is not None:
        columns["content_distance"] = feature_distance(maps, judge.maps(pictures.content)).tolist()
    if pictures.styles:
        columns["style_distance"] = _style_distances(maps, pictures.styles, judge, styles)
    if "measurement" in found:
        columns["consistency_psnr"] = psnr(found["predicted"], found["measurement"]).tolist()
    columns["latent_distance"] = found["distance"].tolist()
    return columns


def _against_truth(found: Mapping[str, Tensor], truth: Tensor, judge: Judge) -> dict[str, list[float]]:
    images, columns = {"": found["result"]}, dict[str, list[float]]()
    if "composite" in found:
        images = {"composite_": found["composite"], **images}
    if "measurement" in found:
        shown = F.interpolate(found["measurement"], truth.shape[-2:], mode="bicubic", antialias=True)
        images = {"measurement_": shown.clamp(0, 1), **images}
    for prefix, image in images.items():
        columns[prefix + "psnr"] = psnr(image, truth).tolist()
        columns[prefix + "ssim"] = ssim(image, truth).tolist()
        columns[prefix + judge.name] = judge.between(image, truth).tolist()
    return columns


def _style_distances(
    maps: Mapping[str, Tensor],
    styles: Sequence[Sequence[tuple[float, Tensor]]],
    judge: Judge,
    known: dict[int, dict[str, Tensor]],
) -> list[float]:
    """Of each row; ``known`` keeps the maps of the styles, which many rows share."""
    values = []
    for row, own in enumerate(styles):
        value, alone = 0.0, {layer: x[row : row + 1] for layer, x in maps.items()}
        for share, picture in own:
            if id(picture) not in known:
                known[id(picture)] = judge.maps(picture[None].cpu())
            value += share * float(style_distance(alone, known[id(picture)]))
        values.append(value)
    return values
