"""Reading of images: any common file → float32 sRGB in [0, 1]."""

import glob
import io
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError
from torch import Tensor

from lit_nst.embedded import PREFIX, inside
from lit_nst.errors import InputError

Alpha = Literal["composite", "mask"]
IMAGE_SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pbm", ".pgm"),
    *(".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"),
)
MAX_PIXELS = 100_000_000

# Named, because some of Pillow's other readers start external programs.
_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_Floats = NDArray[np.float32]
_SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}


def read_image(path: str | Path, alpha: Alpha = "composite", background: float = 1.0) -> tuple[Tensor, Tensor | None]:
    """Reads a picture as 3×H×W float32, sRGB in [0, 1].

    The EXIF orientation is applied. An embedded colour profile is converted to sRGB; one that is broken,
    or made for another kind of picture, is ignored with a warning. Of an animation the first frame is
    read. Sixteen-bit grey keeps its precision, sixteen-bit colour is read as 8 bits (Pillow has no more).
    Integer grey is divided by 65535; float grey has to lie in [0, 1].

    Args:
        path: An AVIF, BMP, GIF, JPEG, PNG, PPM, TIFF or WebP file.
        alpha: ``"composite"`` puts a transparent picture over the background, αx + (1 − α)b on the sRGB
            values; ``"mask"`` leaves its colours as they are and hands back where it is transparent.
        background: The grey level b in [0, 1]; 1 is white.

    Returns:
        The picture, and with ``alpha="mask"`` its 1×H×W hole: 1 where α < 0.5, otherwise 0. The hole is
        None for ``"composite"`` and for a picture without transparency.

    Raises:
        InputError: No such file, a folder, an empty, broken or unknown file, a side below 2 pixels, more
            than ``MAX_PIXELS`` pixels, grey levels out of range, or an option that is not one of those above.
    """
    path = Path(path)
    if not 0 <= background <= 1:
        raise InputError(f"background is {background}; give a grey level from 0 to 1")
    if alpha not in ("composite", "mask"):
        raise InputError(f"alpha is {alpha!r}; give 'composite' or 'mask'")
    with _opened(path) as picture:
        picture.load()
        turn = _TURNS.get(_orientation(picture))
        turned = picture if turn is None else picture.transpose(turn)
        deep = turned.mode[0] in "IF"
        colours, opacity = _deep(turned, path) if deep else _shallow(turned, path)
    if opacity is None:
        return _tensor(colours), None
    if alpha == "mask":
        return _tensor(colours), _tensor((opacity < 0.5).astype(np.float32))
    return _tensor(colours * opacity + np.float32(background) * (1 - opacity)), None


def read_mask(path: str | Path) -> Tensor:
    """Reads a mask as 1×H×W of 0 and 1: white (mean of the channels above 0.5) is the hole to be filled.

    Transparent parts count as black.

    Raises:
        InputError: As ``read_image``.
    """
    image, _ = read_image(path, background=0.0)
    return (image.mean(0, keepdim=True) > 0.5).float()


def image_size(path: str | Path) -> tuple[int, int]:
    """Height and width of ``read_image``'s result, from the file's header.

    Raises:
        InputError: As ``read_image``, as far as the header tells.
    """
    with _opened(Path(path)) as picture:
        width, height = picture.size
        lying = _orientation(picture) in (5, 6, 7, 8)
    return (width, height) if lying else (height, width)


def list_images(source: str | list[str]) -> list[Path]:
    """The image files that a source stands for.

    Args:
        source: A file, a folder (its images by suffix, in natural order, not those of its subfolders), a
            pattern such as ``photos/*.png``, one of these below the package's own images as
            ``embedded:portraits``, or a list of them.

    Raises:
        InputError: A path that does not exist, a folder or a pattern without images, an empty list, or
            an ``embedded:`` name that leaves its folder.
    """
    if isinstance(source, str):
        return _expand(source)
    if not source:
        raise InputError("the list of images is empty; give a file, a folder or a pattern")
    return [path for item in source for path in _expand(item)]


def _expand(source: str) -> list[Path]:
    if not source or "\0" in source:
        raise InputError("an empty path was given, or one with a zero; give a file, a folder or a pattern")
    path = inside(source) if source.startswith(PREFIX) else Path(os.path.expanduser(source))
    if os.path.isdir(path):
        found = list(path.iterdir())
    elif os.path.exists(path):
        return [path]
    elif any(sign in source for sign in "*?["):
        found = [Path(name) for name in glob.glob(str(path), recursive=True)]
    else:
        raise InputError(f"{source} does not exist; give a file, a folder or a pattern")
    images = [p for p in found if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file() and p.name[0] != "."]
    if not images:
        what = "holds no image" if os.path.isdir(path) else "matches no image"
        raise InputError(f"{source} {what}; looked for {' '.join(IMAGE_SUFFIXES)}")
    return sorted(images, key=_natural)


def _natural(path: Path) -> tuple[list[str | int], str]:
    """Digits compare as numbers; the split alternates text and digits, so equal places have equal types."""
    pieces = re.split(r"(\d+)", str(path).lower())
    return [int(piece) if place % 2 else piece for place, piece in enumerate(pieces)], str(path)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The picture with its header read and checked; every failure until it is closed is an InputError."""
    # os.path answers False where Path would raise, such as for a name that is too long.
    if not os.path.exists(path):
        raise InputError(f"{path} does not exist; give an image file")
    if not path.is_file():
        raise InputError(f"{path} is {'a folder' if path.is_dir() else 'not a regular file'}; give an image file")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); give an image file")
    try:
        # An open file, not its name: by name Pillow maps a grey TIFF into memory, and garbles a turned one.
        with warnings.catch_warnings(), path.open("rb") as file:
            # MAX_PIXELS takes the place of Pillow's own limit.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            # What it tells of broken parts is not for the terminal; what cannot be read is an error.
            warnings.filterwarnings("ignore", module="PIL")
            picture = Image.open(file, formats=_FORMATS)
            _check_size(path, *picture.size)
            yield picture
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(f"{path} is not an image; give a file of {', '.join(_FORMATS)}") from None
    except Image.DecompressionBombError:
        raise InputError(f"{path} has far more than {MAX_PIXELS:,} pixels; make it smaller first") from None
    except Exception as error:
        # Pillow's decoders raise almost any type on broken data.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path} cannot be read ({reason}); save the image again") from error


def _orientation(picture: Image.Image) -> Any:
    """The EXIF tag, 1 to 8; 1 for a TIFF, which Pillow turns by itself."""
    try:
        return 1 if picture.format == "TIFF" else picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:
        # The block is broken; the picture itself may be sound.
        return 1


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise InputError(f"{path} is {height}×{width}, more than {MAX_PIXELS:,} pixels; make it smaller first")
    if min(width, height) < 2:
        raise InputError(f"{path} is {height}×{width}; give an image of at least 2×2 pixels")


def _deep(picture: Image.Image, path: Path) -> tuple[_Floats, _Floats | None]:
    """Grey of more than 8 bits → H×W×3 colours, H×W×1 opacity."""
    stored = np.asarray(picture)
    top = 1 if picture.mode == "F" else 65535
    values = (stored / np.float64(top)).astype(np.float32)
    if not (values.min() >= 0 and values.max() <= 1):
        raise InputError(
            f"{path}: its grey levels reach from {stored.min()} to {stored.max()}; scale them to 0 to {top}"
        )
    if "icc_profile" in picture.info:
        # ImageCms has 8 bits only. It gives the tone curve in steps; lines from the middle of one step to
        # the middle of the next keep the levels between.
        ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
        curve = np.asarray(_to_srgb(ramp, picture.info["icc_profile"], path))[0, :, 0]
        steps, step, lengths = np.unique(curve, return_inverse=True, return_counts=True)
        middles = np.bincount(step, np.arange(256) / 255) / lengths
        values = np.interp(values, middles, steps / 255).astype(np.float32)
    transparent = picture.info.get("transparency")
    opacity = None if transparent is None else (stored != transparent).astype(np.float32)[..., None]
    return values[..., None].repeat(3, -1), opacity


def _shallow(picture: Image.Image, path: Path) -> tuple[_Floats, _Floats | None]:
    """8 bits or fewer → H×W×3 colours, H×W×1 opacity."""
    opacity, icc = None, picture.info.get("icc_profile")
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        opacity = (np.asarray(rgba.getchannel("A"), np.float32) / np.float32(255))[..., None]
        picture = rgba.getchannel("R") if picture.mode in ("1", "L", "LA") else rgba.convert("RGB")
    elif picture.mode == "1":
        picture = picture.convert("L")
    elif picture.mode not in _SPACES.values():
        picture = picture.convert("RGB")
    return np.asarray(_to_srgb(picture, icc, path), np.float32) / np.float32(255), opacity


def _to_srgb(picture: Image.Image, icc: bytes | None, path: Path) -> Image.Image:
    """Mode L, RGB, CMYK or LAB → RGB."""
    if icc:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            space = _SPACES.get(profile.profile.xcolor_space.strip())
            source = picture.convert("RGB") if picture.mode == "L" and space == "RGB" else picture
            if source.mode != space:
                raise ValueError(f"it is not for {source.mode} pictures")
            srgb = ImageCms.createProfile("sRGB")
            # The short cut for grey is wrong by up to 10 levels in the shadows.
            flags = ImageCms.Flags.NOOPTIMIZE if source.mode == "L" else ImageCms.Flags.NONE
            return ImageCms.buildTransform(profile, srgb, source.mode, "RGB", flags=flags).apply(source)
        except (ImageCms.PyCMSError, OSError, ValueError) as error:
            warnings.warn(f"{path}: its colour profile is ignored ({error})", stacklevel=2)
    return picture.convert("RGB")


def _tensor(values: _Floats) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1), np.float32))
