"""Writing of files that are whole at any moment."""

import contextlib
import io
import os
import secrets
from pathlib import Path

import torch
from PIL import Image, PngImagePlugin
from torch import Tensor


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
    buffer = io.BytesIO()
    Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy()).save(buffer, "PNG", pnginfo=info)
    write_atomically(Path(path), buffer.getvalue())


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file so that a reader, or a crash, finds the old one or the new one, never a part.

    The bytes go to a temporary ``.part`` file in the same folder, to the disk, and then to their name in
    one step. A missing folder is made. After a failure the old file is as it was and no ``.part`` is left.

    Args:
        path: The file's final name.
        data: All of its bytes.

    Raises:
        OSError: As the system says: a full disk, a folder that cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.parent / f".{secrets.token_hex(8)}.part"
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """The new name survives a power cut too, on the systems that can do so; the file is whole either way."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
