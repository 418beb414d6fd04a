"""The way of the pictures over the steps, as an animated GIF."""

import io
import itertools
from collections.abc import Sequence

import torch
from PIL import Image, ImageChops, ImageStat
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.report.sheet import INK, PAPER, RULE, band_height, check_batch, contact_sheet, font_for, write

ROWS = 8
LIMIT = 1024
SAMPLED = 32

# Bayer's matrix. The same in every frame, so that its grain does not move.
_THRESHOLDS = ((0, 8, 2, 10), (12, 4, 14, 6), (3, 11, 1, 9), (15, 7, 13, 5))


def animation(frames: Sequence[Tensor], steps: Sequence[int], duration: float = 0.15, hold: float = 2.0) -> bytes:
    """An endless GIF with the number of the step under each frame.

    All frames share one palette of 256 colors, and the pattern of the dithering is fixed: a still part
    of the picture stays still. At most 8 rows are shown, in a sheet of at most 1024 pixels a side.

    Args:
        frames: The pictures at each step, N×3×H×W in [0, 1], all of one shape.
        steps: The number of each frame's step, rising.
        duration: Seconds per frame; the format counts in hundredths.
        hold: Seconds for which the last frame stays.

    Returns:
        The bytes of the file.

    Raises:
        InputError: No frame, frames of several shapes, or steps that do not rise with the frames.
    """
    _check(frames, steps)
    sheets = [_sheet(frame, step) for frame, step in zip(frames, steps, strict=True)]
    palette, spread = _palette(sheets)
    first, *rest = [_indexed(sheet, palette, spread) for sheet in sheets]
    times = [round(1000 * duration)] * len(rest) + [round(1000 * hold)]
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=rest, duration=times, loop=0, optimize=False)
    return file.getvalue()


def _check(frames: Sequence[Tensor], steps: Sequence[int]) -> None:
    if not frames:
        raise InputError("animation: no frame; give at least one")
    check_batch("animation: frame 0", frames[0])
    for i, frame in enumerate(frames):
        if frame.shape != frames[0].shape:
            shapes = f"{tuple(frame.shape)}, frame 0 {tuple(frames[0].shape)}"
            raise InputError(f"animation: frame {i} has shape {shapes}; give one shape")
    if len(steps) != len(frames):
        raise InputError(f"animation: {len(steps)} steps for {len(frames)} frames; give one each")
    if any(a >= b for a, b in itertools.pairwise(steps)):
        raise InputError(f"animation: the steps {list(steps)} do not rise; give the frames in their order")


def _sheet(frame: Tensor, step: int) -> Image.Image:
    grid = contact_sheet(frame[:ROWS], limit=LIMIT)
    font = font_for(192)
    band = band_height(font)
    sheet = Image.new("RGB", (grid.width, grid.height + band), PAPER)
    sheet.paste(grid)
    more = f" · {ROWS} of {len(frame)} rows" if len(frame) > ROWS else ""
    write(sheet, f"step {step}{more}", (0, grid.height, grid.width, band), font)
    return sheet


def _palette(sheets: Sequence[Image.Image]) -> tuple[Image.Image, float]:
    """One palette for all frames, from evenly spread pixels of them, and how far it lets them be dithered."""
    chosen = (
        [sheets[i * (len(sheets) - 1) // (SAMPLED - 1)] for i in range(SAMPLED)] if len(sheets) > SAMPLED else sheets
    )
    width, height = chosen[0].size
    reduction = max(1.0, (width * height * len(chosen) / 30000) ** 0.5)
    small = max(1, round(width / reduction)), max(1, round(height / reduction))
    strip = Image.new("RGB", (small[0], small[1] * len(chosen)))
    for i, sheet in enumerate(chosen):
        strip.paste(sheet.resize(small, Image.Resampling.NEAREST), (0, i * small[1]))
    reduced = strip.quantize(253, method=Image.Quantize.MEDIANCUT, kmeans=1)
    palette = Image.new("P", (1, 1))
    palette.putpalette([*PAPER, *RULE, *INK, *(reduced.getpalette() or [])[: 3 * 253]])
    error = ImageStat.Stat(ImageChops.difference(strip, reduced.convert("RGB"))).mean
    return palette, min(24.0, 5 * sum(error) / 3)


def _indexed(sheet: Image.Image, palette: Image.Image, spread: float) -> Image.Image:
    """The sheet in the palette's colors, dithered by a fixed pattern over ``spread`` of the 256 levels."""
    width, height = sheet.size
    levels = torch.frombuffer(bytearray(sheet.tobytes()), dtype=torch.uint8).view(height, width, 3)
    pattern = (torch.tensor(_THRESHOLDS) - 7.5) * spread / 16
    offset = pattern.repeat(height // 4 + 1, width // 4 + 1)[:height, :width].unsqueeze(-1)
    paper = torch.stack([(levels == levels.new_tensor(color)).all(-1) for color in (PAPER, RULE)]).any(0)
    dithered = (levels + offset).round().clamp(0, 255).byte().where(~paper.unsqueeze(-1), levels)
    return Image.fromarray(dithered.numpy()).quantize(palette=palette, dither=Image.Dither.NONE)
