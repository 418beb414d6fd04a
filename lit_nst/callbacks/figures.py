"""The final figures of each row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lit_nst.callbacks.judge import Judge
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
    """Name → value, for each row.

    Args:
        names: Of the rows.
        found: ``result``, ``loss``, ``term_…``, ``energy_…``, ``stopped``, ``distance``, and ``measurement`` with
            ``predicted`` where there is a degradation, ``composite`` where there is one, ``skipped`` of a sampling.
        pictures: What the results are compared with.
        judge: Has the network of the distances.
    """
    columns: dict[str, list[float]] = {"loss": found["loss"].tolist()}
    if pictures.truth is not None:
        columns |= _against_truth(found, pictures.truth, judge)
    if pictures.content is not None:
        own, other = judge.maps(found["result"]), judge.maps(pictures.content)
        columns["content_distance"] = feature_distance(own, other).tolist()
    if pictures.styles:
        columns["style_distance"] = _style_distances(found["result"], pictures.styles, judge)
    if "measurement" in found:
        columns["consistency_psnr"] = psnr(found["predicted"], found["measurement"]).tolist()
    columns["latent_distance"] = found["distance"].tolist()
    if (realism := judge.realism(found["result"])) is not None:
        columns["generator_distance"] = realism.tolist()
    columns |= {name: value.tolist() for name, value in found.items() if name.startswith(("term_", "energy_"))}
    rows = [{"name": name, **{key: column[i] for key, column in columns.items()}} for i, name in enumerate(names)]
    for row, step in zip(rows, found["stopped"].tolist(), strict=True):
        row["stopped_at_step"] = None if step < 0 else step
    for row, count in zip(rows, found["skipped"].tolist() if "skipped" in found else [], strict=False):
        row["skipped"] = count
    return rows


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


def _style_distances(results: Tensor, styles: Sequence[Sequence[tuple[float, Tensor]]], judge: Judge) -> list[float]:
    values, known = [], dict[int, dict[str, Tensor]]()
    for result, own in zip(results, styles, strict=True):
        maps, value = judge.maps(result[None]), 0.0
        for share, picture in own:
            if id(picture) not in known:
                known[id(picture)] = judge.maps(picture[None].cpu())
            value += share * float(style_distance(maps, known[id(picture)]))
        values.append(value)
    return values
