"""A grid of pictures, and the drawing that the other figures share."""

import bisect
import math
import unicodedata
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from lit_nst.errors import InputError

MARGIN = 2
LIMIT = 4096
PAPER, RULE, INK = (255, 255, 255), (228, 228, 228), (40, 40, 40)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def contact_sheet(
    images: Tensor,
    columns: int | None = None,
    captions: Sequence[str] | None = None,
    scale: int | None = None,
    limit: int = LIMIT,
) -> Image.Image:
    """A grid of pictures, row by row, with light lines of 2 pixels around each.

    Small pictures are enlarged by nearest neighbour, a whole number of times, so that every pixel stays
    a sharp square. A sheet that would be larger than ``limit`` gets smaller cells, at worst reduced ones.

    Args:
        images: N×3×H×W in [0, 1]; what lies outside is clamped.
        columns: Pictures per line; None: a nearly square grid with few empty cells.
        captions: A text under each picture, on a white band; what does not fit ends in an ellipsis.
        scale: Enlargement; None: the smallest at which both sides have 192 pixels.
        limit: Longest side of the sheet in pixels.

    Raises:
        InputError: Wrong shape, no image, another number of captions than of images, or no room.
    """
    check_batch("contact_sheet: images", images)
    count, _, height, width = images.shape
    if captions is not None and len(captions) != count:
        raise InputError(f"contact_sheet: {len(captions)} captions for {count} images; give one each")
    if any(number is not None and number < 1 for number in (columns, scale)):
        raise InputError(f"contact_sheet: columns={columns}, scale={scale}; give whole numbers from 1 up")
    across = min(columns or _columns(count), count)
    down = math.ceil(count / across)
    wanted = scale or enlargement((width, height))
    band = 0 if captions is None else caption_height(font_for(width * wanted))
    pitch = (limit - MARGIN) // across - MARGIN, (limit - MARGIN) // down - MARGIN
    cell = cell_size((width, height), (pitch[0], pitch[1] - band), wanted)
    font = font_for(cell[0])
    band = 0 if captions is None else caption_height(font)
    sheet = Image.new("RGB", (across * (cell[0] + MARGIN) + MARGIN, down * (cell[1] + band + MARGIN) + MARGIN), PAPER)
    for i in range(count):
        left = MARGIN + i % across * (cell[0] + MARGIN)
        top = MARGIN + i // across * (cell[1] + band + MARGIN)
        framed(sheet, fitted(picture(images[i]), cell), (left, top))
        if captions is not None:
            write(sheet, captions[i], (left, top + cell[1], cell[0], band_height(font)), font)
    return sheet


def check_batch(name: str, images: Tensor) -> None:
    """Refuses what is not N×3×H×W with N, H, W ≥ 1, under the given name."""
    if images.dim() != 4 or images.shape[1] != 3 or 0 in images.shape:
        raise InputError(f"{name}: shape {tuple(images.shape)}; give N×3×H×W with at least one image")


def picture(image: Tensor) -> Image.Image:
    """3×H×W in [0, 1] → 8-bit RGB; values outside are clamped, NaN is black.

    >>> import torch
    >>> picture(torch.tensor([0.0, 0.5, 2.0]).view(3, 1, 1)).getpixel((0, 0))
    (0, 128, 255)
    """
    levels = image.detach().cpu().float().nan_to_num(nan=0.0).clamp(0, 1).mul(255).round().byte()
    return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())


def enlargement(size: tuple[int, int]) -> int:
    """The smallest whole factor at which both sides have 192 pixels.

    >>> [enlargement((side, side)) for side in (16, 64, 100, 256)]
    [12, 3, 2, 1]
    """
    return max(1, math.ceil(192 / min(size)))


def cell_size(size: tuple[int, int], room: tuple[int, int], scale: int) -> tuple[int, int]:
    """Size in which a picture is shown: ``scale`` times its own, or the largest that fits the room.

    Whole multiples of the picture's size as long as there is room for one, else a reduced size.

    Raises:
        InputError: No room for a single pixel.
    """
    if min(room) < 1:
        raise InputError("report: too many pictures for one sheet; give fewer, or other columns")
    ratio = min(scale, room[0] / size[0], room[1] / size[1])
    if ratio >= 1:
        ratio = math.floor(ratio)
    return max(1, int(size[0] * ratio)), max(1, int(size[1] * ratio))


def fitted(image: Image.Image, cell: tuple[int, int]) -> Image.Image:
    """The picture as large as the cell allows, in its own proportions: sharp squares, or averaged ones."""
    ratio = min(cell[0] / image.width, cell[1] / image.height)
    size = max(1, round(image.width * ratio)), max(1, round(image.height * ratio))
    return image.resize(size, Image.Resampling.NEAREST if ratio >= 1 else Image.Resampling.BOX)


def framed(sheet: Image.Image, image: Image.Image, corner: tuple[int, int]) -> None:
    """Pastes the picture with a light line of ``MARGIN`` pixels around it."""
    left, top = corner
    edge = left - MARGIN, top - MARGIN, left + image.width + MARGIN, top + image.height + MARGIN
    sheet.paste(RULE, edge)
    sheet.paste(image, corner)


def font_for(width: int) -> Font:
    """A font whose size suits cells of this width, in pixels."""
    return ImageFont.load_default(size=min(28, 9 + width // 48))


def band_height(font: Font) -> int:
    """Height of a line of text with its white space."""
    return round(font.getbbox("Äg|")[3] + 0.4 * font.getbbox("x")[3])


def caption_height(font: Font) -> int:
    """Height under a picture: a line of text, and space that keeps it off the next picture."""
    return band_height(font) + 4


def shortened(text: str, font: Font, width: float) -> str:
    """The text on one line and in letters of the font, cut with an ellipsis to the width in pixels."""
    line = "".join(_letters(c, font) for c in " ".join(text.split()))
    if font.getlength(line) <= width:
        return line
    # More letters are never narrower; a text may have thousands.
    fitting = bisect.bisect(range(len(line)), width, key=lambda count: font.getlength(line[:count].rstrip() + "…"))
    return line[: max(0, fitting - 1)].rstrip() + "…"


def write(sheet: Image.Image, text: str, box: tuple[int, int, int, int], font: Font, anchor: str = "mm") -> None:
    """Writes one shortened line into a box (left, top, width, height), in its middle or (``"lm"``) at its left."""
    left, top, width, height = box
    line = shortened(text, font, width - 4)
    x = left + (width / 2 if anchor == "mm" else 2)
    ImageDraw.Draw(sheet).text((x, top + height / 2), line, fill=INK, font=font, anchor=anchor)


def _columns(count: int) -> int:
    """Columns between 1 and 1.5 times the side of a square grid, with the fewest empty cells."""
    least = math.ceil(math.sqrt(count))
    return min(range(least, max(least, math.ceil(1.5 * math.sqrt(count))) + 1), key=lambda c: -count % c)


def _letters(character: str, font: Font) -> str:
    """The character, or its plain letters where the font has no sign for it, or a question mark."""
    missing = bytes(font.getmask("\ufffe"))
    if bytes(font.getmask(character)) != missing:
        return character
    if character in "×–—":
        return "x" if character == "×" else "-"
    plain = "".join(c for c in unicodedata.normalize("NFKD", character) if c.isascii())
    return plain or "?"
