"""``python cli.py align photo.jpg --out faces``."""

import argparse
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from lit_nst.commands.parser import CommandParser
from lit_nst.data import list_images, read_image, write_png, write_sheet
from lit_nst.data.alignment import Aligned, Quad, align
from lit_nst.data.detect import Which, choose, detect
from lit_nst.data.landmarks import Landmarks, read_landmarks
from lit_nst.errors import InputError
from lit_nst.files import write_atomically
from lit_nst.report.sheet import PAPER, RULE, band_height, fitted, font_for, framed, picture, write

TEXT = """Turns and cuts faces out of photographs, as the pictures of FFHQ were, for generators of such faces.

  python cli.py align photo.jpg --out faces                       with a detector: pip install "lit_nst[align]"
  python cli.py align photos --out faces --face largest           a folder; of several faces the largest
  python cli.py align photo.jpg --out faces --landmarks eyes.json     [[x, y], ...]: two eyes, two mouth corners

For each photo: NAME.png, NAME.json (what `paste` needs to put it back) and NAME_alignment.png (photo and face)."""

# Of the record's format.
VERSION = 1
# Bytes, of most file systems.
LONGEST_NAME = 255
TALL, WIDE, GAP = 512, 1024, 16
LINE, EYES, MOUTH, HALO = (255, 140, 0), (0, 160, 255), (255, 60, 120), (255, 255, 255)
_FINE = 3


def main(args: list[str]) -> None:
    """Aligns photographs; one that fails does not stop the others.

    Args:
        args: The arguments after ``align``.

    Raises:
        InputError: Bad arguments, or at the end, photographs that failed, each with its reason.
    """
    options = _parser().parse_args(args)
    photos = list_images(options.photos)
    _check(photos, options)
    failed = {}
    for photo in photos:
        try:
            print(_align(photo, options))
        except InputError as error:
            failed[photo.name] = str(error)
            if len(photos) > 1:
                print(f"{photo.name}: failed: {error}")
    if failed and len(photos) == 1:
        raise InputError(": ".join(*failed.items()))
    if failed:
        names = ", ".join(failed)
        raise InputError(f"{len(failed)} of {len(photos)} photos failed, for the reasons above: {names}")


def figure(photo: Tensor, aligned: Aligned, landmarks: Landmarks) -> Image.Image:
    """The photograph with the quad (its upper side thicker) and the points, beside the aligned face.

    Args:
        photo: 3×H×W in [0, 1].
        aligned: Its face.
        landmarks: Of the face, in the photograph's pixels.
    """
    before, face = _before(photo, aligned.quad, landmarks), fitted(picture(aligned.image), (TALL, TALL))
    edges = np.stack([aligned.quad[3] - aligned.quad[0], aligned.quad[1] - aligned.quad[0]], 1)
    points = np.linalg.solve(edges, (landmarks.points - aligned.quad[0]).T).T
    face = _marked(face, points * face.width, None)
    font = font_for(TALL)
    band = band_height(font) + 4
    tall = max(before.height, face.height)
    sheet = Image.new("RGB", (before.width + face.width + 3 * GAP, tall + 2 * GAP + band), PAPER)
    size = f"{aligned.image.shape[2]}×{aligned.image.shape[1]}"
    captions = f"photo, {photo.shape[2]}×{photo.shape[1]}", f"{_quad_text(aligned.quad)}, as {size}"
    left = GAP
    for image, caption in zip((before, face), captions, strict=True):
        framed(sheet, image, (left, GAP + (tall - image.height) // 2))
        write(sheet, caption, (left, GAP + tall + 4, image.width, band), font)
        left += image.width + GAP
    return sheet


def _parser() -> CommandParser:
    parser = CommandParser("align", TEXT)
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="files, folders or patterns")
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="where the faces go")
    parser.add_argument("--landmarks", metavar="FILE", help=".json, .npy, .csv, .txt or .pts, or a folder of them")
    parser.add_argument("--detector", default="centerface", metavar="NAME", help="centerface, or a YuNet's .onnx file")
    parser.add_argument("--face", type=_which, metavar="N", help="of several faces: 1 for the largest; or: largest")
    parser.add_argument("--size", type=int, default=1024, metavar="N", help="side of the result (default 1024)")
    parser.add_argument("--transform_size", type=int, metavar="N", help="side of sampling (default 4 × size)")
    parser.add_argument("--smallest", type=float, metavar="N", help="least side of a face's square (default size / 4)")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="where the figure of a single photo goes")
    return parser


def _which(text: str) -> Which:
    if text == "largest":
        return "largest"
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number; give 1, 2, … or largest") from None


def _check(photos: Sequence[Path], options: argparse.Namespace) -> None:
    if options.out.exists() and not options.out.is_dir():
        raise InputError(f"--out: {options.out} is a file; give a folder")
    if options.figure is not None and (len(photos) > 1 or options.figure.suffix.lower() != ".png"):
        raise InputError(f"--figure is {options.figure}; give a .png file, and a single photo")
    taken: dict[str, Path] = {}
    for photo in photos:
        other = taken.setdefault(photo.stem.casefold(), photo)
        if other is not photo:
            raise InputError(f"{other} and {photo} would both be written as {photo.stem}.png; use two --out folders")
    _check_outputs(photos, options)


def _check_outputs(photos: Sequence[Path], options: argparse.Namespace) -> None:
    """Nothing is written twice, or over what is read."""
    inputs = {photo.resolve(): "the photo itself" for photo in photos}
    points = Path(options.landmarks) if options.landmarks else None
    if points is not None:
        files = list(points.iterdir()) if points.is_dir() else [points]
        inputs |= {file.resolve(): "a file of landmarks" for file in files}
    written = set[Path]()
    for path in (path for photo in photos for path in _outputs(photo, options)):
        if len(os.fsencode(path.name)) > LONGEST_NAME:
            raise InputError(f"--out: the name {path.name[:40]}… is too long for a file; give the photo a shorter one")
        if path.resolve() in inputs:
            raise InputError(f"--out: {path} is {inputs[path.resolve()]}; give another folder")
        if path.resolve() in written:
            raise InputError(f"{path} would be written twice; give another --figure, or two --out folders")
        written.add(path.resolve())


def _outputs(photo: Path, options: argparse.Namespace) -> tuple[Path, Path, Path]:
    """Face, figure, record."""
    out: Path = options.out
    drawn = options.figure or out / f"{photo.stem}_alignment.png"
    return out / f"{photo.stem}.png", drawn, out / f"{photo.stem}.json"


def _align(photo: Path, options: argparse.Namespace) -> str:
    """Writes the files of one photo; the record last, so that it stands for all three."""
    image, _ = read_image(photo)
    landmarks, origin = _landmarks(photo, image, options)
    aligned = align(image, landmarks, options.size, options.transform_size, options.smallest)
    face, drawn, record = _outputs(photo, options)
    write_png(aligned.image, face)
    write_sheet(figure(image, aligned, landmarks), drawn)
    content = {
        "source": photo.name,
        "source_width": image.shape[2],
        "source_height": image.shape[1],
        "size": options.size,
        "quad": aligned.quad.tolist(),
        "landmarks": landmarks.points.tolist(),
        **origin,
        "version": VERSION,
    }
    lines = [f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in content.items()]
    write_atomically(record, ("{\n" + ",\n".join(lines) + "\n}\n").encode())
    return f"{photo.name}: {_quad_text(aligned.quad)}; look at {face} and {drawn}"


def _landmarks(photo: Path, image: Tensor, options: argparse.Namespace) -> tuple[Landmarks, dict[str, Any]]:
    """The points, and where they come from."""
    if options.landmarks is not None:
        return read_landmarks(options.landmarks, photo.name), {"detector": None}
    face = choose(detect(image, options.detector), options.face)
    origin = {"detector": Path(options.detector).name, "box": face.box, "score": face.score}
    return Landmarks(face.points), origin


def _quad_text(quad: Quad) -> str:
    x, y = quad[3] - quad[0]
    return f"square of {math.hypot(x, y):.0f} pixels, turned by {math.degrees(math.atan2(y, x)):.1f}°"


def _before(photo: Tensor, quad: Quad, landmarks: Landmarks) -> Image.Image:
    """The photograph, with grey where the quad leaves it."""
    height, width = photo.shape[1:]
    first = np.minimum(np.floor(quad.min(0)), 0).astype(int)
    last = np.maximum(np.ceil(quad.max(0)) + 1, [width, height]).astype(int)
    scale = min(TALL / (last - first)[1], WIDE / (last - first)[0])
    canvas = Image.new("RGB", tuple(((last - first) * scale).round().astype(int).clip(1).tolist()), RULE)
    shown = picture(photo).resize(
        (max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.LANCZOS
    )
    canvas.paste(shown, tuple((-first * scale).round().astype(int).tolist()))
    # Pixels are drawn from their corners, and counted from their centres.
    return _marked(canvas, (landmarks.points + 0.5 - first) * scale, (quad + 0.5 - first) * scale)


def _marked(image: Image.Image, points: NDArray[np.float64], quad: Quad | None) -> Image.Image:
    """Points and quad over a picture, drawn larger and shrunk for smooth edges."""
    layer = Image.new("RGBA", (image.width * _FINE, image.height * _FINE), (*LINE, 0))
    draw = ImageDraw.Draw(layer)
    if quad is not None:
        corners = [tuple(corner) for corner in (quad * _FINE).tolist()]
        for color, extra in ((HALO, 2), (LINE, 0)):
            draw.line([*corners, corners[0]], (*color, 255), (2 + extra) * _FINE, "curve")
            draw.line([corners[0], corners[3]], (*color, 255), (5 + extra) * _FINE)
    for point, color in zip((points * _FINE).tolist(), (EYES, EYES, MOUTH, MOUTH), strict=True):
        draw.circle(point, 4.5 * _FINE, (*HALO, 255))
        draw.circle(point, 3 * _FINE, (*color, 255))
    return Image.alpha_composite(image.convert("RGBA"), layer.resize(image.size, Image.Resampling.BOX)).convert("RGB")
