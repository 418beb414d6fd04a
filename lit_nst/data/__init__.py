"""Images from files and to files."""

from typing import TYPE_CHECKING, Any

from lit_nst.data.alignment import Aligned, align, face_quad, paste
from lit_nst.data.detect import Face, choose, detect
from lit_nst.data.landmarks import Landmarks, read_landmarks
from lit_nst.data.read import IMAGE_SUFFIXES, MAX_PIXELS, Alpha, image_size, list_images, read_image, read_mask
from lit_nst.data.resize import Fit, fit_image, fit_inside, fit_mask
from lit_nst.data.write import write_png, write_sheet

if TYPE_CHECKING:
    from lit_nst.data.images import Images, Iterations

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "Aligned",
    "Alpha",
    "Face",
    "Fit",
    "Images",
    "Iterations",
    "Landmarks",
    "align",
    "choose",
    "detect",
    "face_quad",
    "fit_image",
    "fit_inside",
    "fit_mask",
    "image_size",
    "list_images",
    "paste",
    "read_image",
    "read_landmarks",
    "read_mask",
    "write_png",
    "write_sheet",
]


def __getattr__(name: str) -> Any:
    # Lightning takes seconds to import, and only these two classes need it.
    if name in ("Images", "Iterations"):
        from lit_nst.data import images

        return getattr(images, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
