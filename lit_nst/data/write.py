"""Writing of pictures."""

import io
from pathlib import Path

import torch
from PIL import Image, PngImagePlugin
from torch import Tensor

from lit_nst.files import write_atomically


def write_png(image: Tensor, path: str | Path, text: dict[str, str] | None = None) -> None:
    """Writes a 3×H×W picture as an 8-bit PNG, ⌊255x + ½⌋ of the clamped values.

    Args:
        image: 3×H×W, sRGB; values outside [0, 1] are clamped.
        path: Where it goes; an older file is replaced in one step, a missing folder is made.
        text: Metadata of the file, keyword → text.

    Raises:
        ValueError: Values that are not finite, or another shape; nothing is written.
    """
    if image.dim() != 3 or image.shape[0] != 3:
        raise ValueError(f"{path} is not written: its image is {tuple(image.shape)}, not 3×H×W")
    if not torch.isfinite(image).all():
        raise ValueError(f"{path} is not written: its image has values that are not finite")
    # In double, so that the rounding is that of the values given, in half precision too.
    levels = (image.detach().cpu().double().clamp(0, 1) * 255 + 0.5).floor().to(torch.uint8)
    info = PngImagePlugin.PngInfo()
    for keyword, value in (text or {}).items():
        info.add_text(keyword, value)
    write_sheet(Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy()), Path(path), info)


def write_sheet(sheet: Image.Image, path: Path, info: PngImagePlugin.PngInfo | None = None) -> None:
    """Writes a drawn picture, such as a contact sheet, as a PNG; an older file is replaced in one step.

    Args:
        sheet: The picture.
        path: Where it goes; a missing folder is made.
        info: Metadata of the file.
    """
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", pnginfo=info)
    write_atomically(path, buffer.getvalue())
