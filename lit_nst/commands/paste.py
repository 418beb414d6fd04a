"""``python cli.py paste photo.jpg restored.png --alignment faces/photo.json --out result.png``."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from lit_nst.commands.align import VERSION
from lit_nst.commands.parser import CommandParser
from lit_nst.data import read_image, write_png
from lit_nst.data.alignment import Quad, paste
from lit_nst.errors import InputError

TEXT = """Puts an aligned face, edited or restored, back into its photograph, with a soft seam.

  python cli.py align photo.jpg --out faces
  python cli.py paste photo.jpg restored.png --alignment faces/photo.json --out result.png

The face may have any resolution. Nothing outside its square changes."""


def main(args: list[str]) -> None:
    """Pastes a face back and writes the photograph as a PNG.

    Args:
        args: The arguments after ``paste``.

    Raises:
        InputError: Bad arguments, a broken record, a photograph of another size than the record's, or what
            ``lit_nst.data.alignment.paste`` refuses.
    """
    options = _parser().parse_args(args)
    if options.out.suffix.lower() != ".png" or options.out.is_dir():
        raise InputError(f"--out: {options.out} is not a .png file; give a name that ends in .png")
    if options.out.resolve() in (options.photo.resolve(), options.face.resolve()):
        raise InputError(f"--out: {options.out} is one of the pictures given; give another name")
    photo, _ = read_image(options.photo)
    quad = _quad(options.alignment, photo, options.photo)
    face, _ = read_image(options.face)
    write_png(paste(photo, face, quad, options.feather), options.out)
    print(f"Look at {options.out}")


def _parser() -> CommandParser:
    parser = CommandParser("paste", TEXT)
    parser.add_argument("photo", type=Path, metavar="PHOTO", help="the photograph that was aligned")
    parser.add_argument("face", type=Path, metavar="FACE", help="the face that goes into it, square")
    parser.add_argument("--alignment", required=True, type=Path, metavar="FILE", help="the .json that align wrote")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the .png to be written")
    parser.add_argument("--feather", type=float, default=0.1, metavar="SHARE", help="width of the seam (default 0.1)")
    return parser


def _quad(path: Path, photo: Tensor, name: Path) -> Quad:
    """The quad of a record that belongs to a photograph."""
    record = _record(path)
    try:
        size = int(record["source_width"]), int(record["source_height"])
        quad = np.asarray(record["quad"], np.float64)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())[:200]
        raise InputError(f"--alignment: {path} is not a record of align ({reason}); align the photo again") from None
    if size != (photo.shape[2], photo.shape[1]):
        raise InputError(
            f"{name} is {photo.shape[2]}×{photo.shape[1]}, and {path} was made from {_shown(record.get('source'))} of "
            f"{_shown(size[0])}×{_shown(size[1])}; give that photo"
        )
    if quad.shape != (4, 2) or not np.isfinite(quad).all():
        raise InputError(f"--alignment: the quad in {path} is not four points; align the photo again")
    return quad


def _record(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"--alignment: {path} does not exist; give the .json that align wrote")
    try:
        record = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"--alignment: {path} is not JSON ({error}); align the photo again") from None
    if not isinstance(record, dict):
        raise InputError(f"--alignment: {path} is not a record of align; align the photo again")
    if record.get("version", VERSION) != VERSION:
        found = _shown(record["version"])
        raise InputError(f"--alignment: {path} has version {found}, not {VERSION}; align the photo again")
    return record


def _shown(value: object) -> str:
    """What a file says, made fit for one line."""
    return repr(str(value)[:80])[1:-1]
