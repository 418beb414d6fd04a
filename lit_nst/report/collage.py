"""A table of pictures with headings, such as layers across and kinds down."""

import math
from collections.abc import Sequence

from PIL import Image, ImageFont
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.report.sheet import (
    LIMIT,
    MARGIN,
    PAPER,
    Font,
    band_height,
    cell_size,
    enlargement,
    fitted,
    framed,
    picture,
    shortened,
    write,
)

EMPTY = (205, 205, 205)
Cells = Sequence[Sequence[Tensor | None]]
Notes = Sequence[Sequence[str | None]]


def collage(
    cells: Cells,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    scale: int | None = None,
    corner_notes: Notes | None = None,
    limit: int = LIMIT,
) -> Image.Image:
    """A grid of pictures with a heading over each column and a name before each row.

    A cell is as large as the largest picture; smaller ones stand in its middle. Enlargement and reduction
    are those of ``contact_sheet``. The more columns, the larger the letters, so that they can be read when
    a wide collage is shown reduced.

    Args:
        cells: Rows of pictures, 3×H×W in [0, 1] (what lies outside is clamped); None: an empty, gray cell.
        row_labels: One per row; empty texts take no room.
        column_labels: One per column.
        scale: Enlargement; None: the smallest at which both sides of a cell have 192 pixels.
        corner_notes: A short text per cell in its lower left corner, such as a figure; None: none there.
        limit: Longest side of the collage in pixels.

    Raises:
        InputError: No picture, a wrong shape, rows of several lengths, labels or notes that do not match the
            cells, or no room.
    """
    _check(cells, row_labels, column_labels, scale, corner_notes)
    layout = _Layout(cells, row_labels, scale, limit)
    sheet = Image.new("RGB", layout.size, PAPER)
    for j, label in enumerate(column_labels):
        write(sheet, label, (*layout.corner(0, j, heading=True), layout.cell[0], layout.header), layout.font)
    for i, row in enumerate(cells):
        if layout.names:
            box = 4, layout.corner(i, 0)[1], layout.names - 4, layout.cell[1]
            write(sheet, row_labels[i], box, layout.font, "lm")
        for j, image in enumerate(row):
            _cell(sheet, image, layout.corner(i, j), layout)
            if corner_notes is not None and (note := corner_notes[i][j]):
                _note(sheet, note, layout.corner(i, j), layout)
    return sheet


class _Layout:
    """Sizes of the table in pixels."""

    def __init__(self, cells: Cells, row_labels: Sequence[str], scale: int | None, limit: int) -> None:
        images = [image for row in cells for image in row if image is not None]
        size = max(image.shape[2] for image in images), max(image.shape[1] for image in images)
        down, across = len(cells), len(cells[0])
        wanted = scale or enlargement(size)
        self.cell = size[0] * wanted, size[1] * wanted
        # The headings take room from the cells, and their letters follow the cells: the second pass is right for both.
        for _ in range(2):
            self.font = _font(min(self.cell[0], limit // across), across)
            self.header = band_height(self.font) + 6
            longest = max(math.ceil(self.font.getlength(shortened(label, self.font, 320))) for label in row_labels)
            self.names = longest + 16 if longest else 0
            width = (limit - self.names - MARGIN) // across - MARGIN
            height = (limit - self.header - MARGIN) // down - MARGIN
            self.cell = cell_size(size, (width, height), wanted)
        self.size = (
            self.names + across * (self.cell[0] + MARGIN) + MARGIN,
            self.header + down * (self.cell[1] + MARGIN) + MARGIN,
        )

    def corner(self, row: int, column: int, heading: bool = False) -> tuple[int, int]:
        """Left and top of a cell, or of the heading over it."""
        left = self.names + MARGIN + column * (self.cell[0] + MARGIN)
        return left, 0 if heading else self.header + MARGIN + row * (self.cell[1] + MARGIN)


def _font(width: int, columns: int) -> Font:
    """An eleventh of a cell, or a ninetieth of all columns if that is more, as a wide collage is shown reduced."""
    return ImageFont.load_default(size=min(28, max(9, width // 11, columns * width // 90)))


def _cell(sheet: Image.Image, image: Tensor | None, corner: tuple[int, int], layout: _Layout) -> None:
    if image is None:
        framed(sheet, Image.new("RGB", layout.cell, EMPTY), corner)
        write(sheet, "-", (*corner, *layout.cell), layout.font)
        return
    shown = fitted(picture(image), layout.cell)
    framed(
        sheet,
        shown,
        (corner[0] + (layout.cell[0] - shown.width) // 2, corner[1] + (layout.cell[1] - shown.height) // 2),
    )


def _note(sheet: Image.Image, text: str, corner: tuple[int, int], layout: _Layout) -> None:
    """Dark letters on paper, so that they can be read on any picture."""
    width, height = layout.cell
    line = shortened(text, layout.font, width - 7)
    box_width, box_height = math.ceil(layout.font.getlength(line)) + 6, min(height, band_height(layout.font))
    left, top = corner[0], corner[1] + height - box_height
    sheet.paste(PAPER, (left, top, left + box_width, top + box_height))
    write(sheet, line, (left + 1, top, box_width, box_height), layout.font, "lm")


def _check(
    cells: Cells,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    scale: int | None,
    notes: Notes | None,
) -> None:
    lengths = [len(row) for row in cells]
    if len(row_labels) != len(cells) or set(lengths) != {len(column_labels)}:
        raise InputError(
            f"collage: {len(row_labels)} row and {len(column_labels)} column labels for rows of {lengths} cells; "
            "give one label per row and per column"
        )
    if notes is not None and [len(line) for line in notes] != lengths:
        raise InputError("collage: corner_notes are not a table like the cells; give a text or None per cell")
    if scale is not None and scale < 1:
        raise InputError(f"collage: scale={scale}; give a whole number from 1 up")
    images = [image for row in cells for image in row if image is not None]
    if not images:
        raise InputError("collage: no picture; give at least one")
    for image in images:
        if image.dim() != 3 or image.shape[0] != 3 or 0 in image.shape:
            raise InputError(f"collage: a picture has shape {tuple(image.shape)}; give 3×H×W")
