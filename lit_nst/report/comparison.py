"""Target, measurement, result, error: a table of pictures with one line per row."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from PIL import Image
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.report.sheet import (
    LIMIT,
    MARGIN,
    PAPER,
    Font,
    band_height,
    caption_height,
    cell_size,
    enlargement,
    fitted,
    font_for,
    framed,
    picture,
    shortened,
    write,
)

COLUMNS = ("target", "measurement", "result", "error")
SHOWN = 16

# Lightness rises in even steps from black over violet and orange to pale yellow, so a larger error
# looks larger, on a gray print too.
_HEAT = (
    (0, 0, 4), (30, 12, 70), (86, 16, 110), (136, 34, 106), (187, 55, 84),
    (227, 89, 51), (249, 140, 10), (249, 201, 50), (252, 255, 164),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Row:
    """The pictures of one problem.

    Args:
        name: Written at the left.
        target: The truth t, 3×H×W in [0, 1]; None where it is not known.
        measurement: y = D(t), 3×h×w, of any size; None where nothing was degraded.
        result: G(w), 3×H×W.
        figures: Column (``"target"``, ``"measurement"``, ``"result"``, ``"error"``) → text under its
            picture, such as ``{"result": "24.1 dB"}``.

    Raises:
        InputError: A wrong shape, or figures of an unknown column.
    """

    name: str
    target: Tensor | None
    measurement: Tensor | None
    result: Tensor
    figures: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for column in COLUMNS[:3]:
            image: Tensor | None = getattr(self, column)
            if image is not None and (image.dim() != 3 or image.shape[0] != 3 or 0 in image.shape):
                raise InputError(f"comparison: {column} of {self.name!r} has shape {tuple(image.shape)}; give 3×H×W")
        if self.target is not None and self.target.shape != self.result.shape:
            raise InputError(
                f"comparison: target {tuple(self.target.shape)} and result {tuple(self.result.shape)} "
                f"of {self.name!r} differ in size; give both in one size"
            )
        if unknown := sorted(set(self.figures) - set(COLUMNS)):
            raise InputError(f"comparison: figures of {unknown[0]!r} in {self.name!r}; the columns are {COLUMNS}")

    def error(self) -> Tensor | None:
        """Largest |result − target| of the channels, H×W in [0, 1]; None without a target."""
        if self.target is None:
            return None
        result, target = (x.detach().cpu().float().nan_to_num(nan=0.0).clamp(0, 1) for x in (self.result, self.target))
        return (result - target).abs().amax(0)


def comparison(rows: Sequence[Row], more: int = 0) -> Image.Image:
    """One line per row: name, target, measurement, result, error, with figures under the pictures.

    The error is a heat map of ``Row.error``. One scale holds for all rows and stands in the header: the
    largest of the rows' 99th percentiles, rounded up, so that a few outliers do not darken the rest;
    what is above has the brightest color. Smaller measurements are enlarged to the size of the result
    by nearest neighbour. A column in which no row has a picture is left out. At most 16 rows are shown.

    Args:
        rows: At least one.
        more: How many others there are, which the last line counts with those that are not shown.

    Raises:
        InputError: No row.
    """
    if not rows:
        raise InputError("comparison: no row; give at least one")
    shown, hidden = rows[:SHOWN], max(0, len(rows) - SHOWN) + more
    errors = [row.error() for row in shown]
    scale = error_scale([error for error in errors if error is not None])
    table = [_pictures(row, error, scale) for row, error in zip(shown, errors, strict=True)]
    columns = [column for column in COLUMNS if any(column in line for line in table)]
    layout = _Layout(shown, columns)
    lines = len(shown) * layout.pitch[1] + layout.header + (layout.header if hidden > 0 else 0)
    sheet = Image.new("RGB", (layout.names + len(columns) * layout.pitch[0] + MARGIN, lines + MARGIN), PAPER)
    for i, column in enumerate(columns):
        _header(sheet, column, layout.box(i), layout.font, scale)
    for j, (row, pictures) in enumerate(zip(shown, table, strict=True)):
        _line(sheet, row, pictures, columns, layout, layout.header + j * layout.pitch[1])
    if hidden > 0:
        write(sheet, f"… and {hidden} more", (0, lines - layout.header, sheet.width, layout.header), layout.font)
    return sheet


def error_scale(errors: Sequence[Tensor]) -> float:
    """The upper end of the heat map: 0.05, 0.1, 0.2, 0.5 or 1.

    >>> error_scale([torch.full((8, 8), 0.13), torch.zeros(8, 8)])
    0.2
    """
    peaks = [float(e.flatten().kthvalue(math.ceil(0.99 * e.numel())).values) for e in errors]
    peak = round(max(peaks, default=0.0), 6)
    return next(level for level in (0.05, 0.1, 0.2, 0.5, 1.0) if level >= peak)


def heat(values: Tensor) -> Tensor:
    """Color of values in [0, 1], H×W → 3×H×W: black, violet, red, orange, pale yellow."""
    anchors = torch.tensor(_HEAT) / 255
    position = values.clamp(0, 1) * (len(_HEAT) - 1)
    below = position.floor().long().clamp(max=len(_HEAT) - 2)
    color = torch.lerp(anchors[below], anchors[below + 1], (position - below).unsqueeze(-1))
    return color.permute(2, 0, 1)


class _Layout:
    """Sizes of the table in pixels: cells, text, the column of names."""

    def __init__(self, rows: Sequence[Row], columns: Sequence[str]) -> None:
        size = max(row.result.shape[2] for row in rows), max(row.result.shape[1] for row in rows)
        scale = enlargement(size)
        self.cell = size[0] * scale, size[1] * scale
        # The text takes room from the cells, and its size comes from theirs: the second pass is right for both.
        for _ in range(2):
            self.font = font_for(self.cell[0])
            self.header = band_height(self.font) + 12
            self.band = caption_height(self.font) if any(row.figures for row in rows) else 0
            longest = max(math.ceil(self.font.getlength(shortened(row.name, self.font, 220))) for row in rows)
            self.names = longest + 16 if longest else 0
            width = (LIMIT - self.names - MARGIN) // len(columns) - MARGIN
            height = (LIMIT - 2 * self.header - MARGIN) // len(rows) - MARGIN - self.band
            self.cell = cell_size(size, (width, height), scale)
        self.pitch = self.cell[0] + MARGIN, self.cell[1] + self.band + MARGIN

    def box(self, column: int) -> tuple[int, int, int, int]:
        """Where the header of a column stands."""
        return self.names + MARGIN + column * self.pitch[0], 0, self.cell[0], self.header


def _pictures(row: Row, error: Tensor | None, scale: float) -> dict[str, Image.Image]:
    images = {"target": row.target, "measurement": row.measurement, "result": row.result}
    if error is not None:
        images["error"] = heat(error / scale)
    return {column: picture(image) for column, image in images.items() if image is not None}


def _header(sheet: Image.Image, column: str, box: tuple[int, int, int, int], font: Font, scale: float) -> None:
    if column != "error":
        write(sheet, column, box, font)
        return
    left, top, width, height = box
    start, end = "error 0", f"{scale:g}" + ("+" if scale < 1 else "")
    first, last = math.ceil(font.getlength(start)) + 8, math.ceil(font.getlength(end)) + 8
    write(sheet, start, (left, top, first, height), font)
    write(sheet, end, (left + width - last, top, last, height), font)
    bar = picture(heat(torch.linspace(0, 1, max(8, width - first - last)).expand(height // 3, -1)))
    sheet.paste(bar, (left + first, top + height // 3))


def _line(
    sheet: Image.Image,
    row: Row,
    pictures: Mapping[str, Image.Image],
    columns: Sequence[str],
    layout: _Layout,
    top: int,
) -> None:
    if layout.names:
        write(sheet, row.name, (4, top, layout.names - 4, layout.cell[1]), layout.font, "lm")
    for i, column in enumerate(columns):
        left, _, width, _ = layout.box(i)
        if column in pictures:
            image = fitted(pictures[column], layout.cell)
            corner = left + (width - image.width) // 2, top + MARGIN + (layout.cell[1] - image.height) // 2
            framed(sheet, image, corner)
        else:
            write(sheet, "-", (left, top, width, layout.cell[1]), layout.font)
        if column in row.figures:
            below = left, top + MARGIN + layout.cell[1], width, band_height(layout.font)
            write(sheet, row.figures[column], below, layout.font)
