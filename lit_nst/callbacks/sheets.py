"""The sheet of all rows."""

from typing import Any

from PIL import Image
from torch import Tensor

from lit_nst.callbacks.figures import Pictures
from lit_nst.report import Row, collage, comparison

SHOWN = 16


def compared(
    names: list[str], found: dict[str, Tensor], figures: list[dict[str, Any]], pictures: Pictures
) -> Image.Image:
    """Target, measurement, result and error of each row; of an inpainting the composite in place of the result."""
    lines, truth = [], pictures.truth
    shown, key = ("composite", "composite_psnr") if "composite" in found else ("result", "psnr")
    for i, name in enumerate(names):
        text = {"measurement": "measurement_psnr", "result": key}
        notes = {column: f"{figures[i][key]:.1f} dB" for column, key in text.items() if key in figures[i]}
        target = None if truth is None else truth[i]
        measurement = found["measurement"][i].clamp(0, 1) if "measurement" in found else None
        lines.append(Row(name, target, measurement, found[shown][i], notes))
    return comparison(lines)


def styled(
    names: list[str], found: dict[str, Tensor], figures: list[dict[str, Any]], pictures: Pictures
) -> Image.Image:
    """Content, styles and result of each row; a row with a prompt is told by it."""
    lines: list[list[Tensor | None]] = []
    for i in range(min(len(names), SHOWN)):
        styles: list[Tensor | None] = [picture for _, picture in pictures.styles[i]]
        before = [] if pictures.content is None else [pictures.content[i]]
        lines.append([*before, *styles, found["result"][i]])
    heads = [*(["content"] if pictures.content is not None else []), *["style"] * len(styles), "result"]
    shown = figures[: len(lines)]
    labels = [row.get("prompt") or name for name, row in zip(names, shown, strict=False)]
    # The name tells them too, but in as many letters as a file may have.
    notes = [[*[None] * (len(heads) - 1), _start(row)] for row in shown]
    scale = None if found["result"].shape[-1] < 192 else 1
    return collage(lines, labels, heads, scale=scale, corner_notes=notes)


def _start(row: dict[str, Any]) -> str | None:
    """Of a sampling its seed and weights."""
    if "prompt" not in row:
        return None
    return ", ".join([f"seed {row['seed']}", *(f"{term} {weight:g}" for term, weight in row["weights"].items())])
