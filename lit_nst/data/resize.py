"""Fitting of images to a size."""

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from lit_nst.errors import InputError

Fit = Literal["crop", "pad", "stretch"]


def fit_image(image: Tensor, size: tuple[int, int], how: Fit = "crop") -> Tensor:
    """Fits a C×H×W image in [0, 1] to C×h×w with a Lanczos filter, antialiased.

    The arithmetic is in float32, in sRGB as usual, not in linear light. An image that already has the
    size is returned as it is, bit for bit.

    Args:
        image: C×H×W in [0, 1].
        size: Height h and width w.
        how: ``"crop"`` keeps the aspect and cuts the rest off, equally at both sides (to a whole pixel of
            the original); ``"pad"`` keeps the aspect and repeats the edge pixels, equally at both sides;
            ``"stretch"`` changes the aspect.

    Returns:
        C×h×w, clamped to [0, 1], as the ringing of the filter may leave the range.

    Raises:
        InputError: A side below 1, or another ``how``.

    >>> fit_image(torch.rand(3, 40, 60), (16, 16)).shape
    torch.Size([3, 16, 16])
    """
    return _fit(image, size, how, Image.Resampling.LANCZOS).clamp(0, 1)


def fit_mask(mask: Tensor, size: tuple[int, int], how: Fit = "crop") -> Tensor:
    """Fits a C×H×W mask of 0 and 1 in the geometry of ``fit_image``; each pixel is its nearest original.

    The result holds 0 and 1 only. A line thinner than the scale loses pixels when the mask shrinks.

    Raises:
        InputError: As ``fit_image``.

    >>> fit_mask(torch.eye(2)[None], (4, 4))[0, 0]
    tensor([1., 1., 0., 0.])
    """
    return _fit(mask, size, how, Image.Resampling.NEAREST)


def fit_inside(image: Tensor, longest: int) -> Tensor:
    """Shrinks a C×H×W image in [0, 1] until its longer side is ``longest``; a smaller one stays as it is.

    The same filter as ``fit_image``; the aspect is kept, to a pixel, and no side is less than one.

    >>> fit_inside(torch.rand(3, 40, 60), 30).shape
    torch.Size([3, 20, 30])
    """
    height, width = image.shape[-2:]
    inside = size_inside((height, width), longest)
    return image if inside == (height, width) else fit_image(image, inside, "stretch")


def size_inside(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Height and width of ``fit_inside``'s result for a picture of a size."""
    height, width = size
    scale = longest / max(height, width)
    return size if scale >= 1 else (max(1, round(height * scale)), max(1, round(width * scale)))


def _fit(image: Tensor, size: tuple[int, int], how: Fit, filter_: Image.Resampling) -> Tensor:
    height, width = size
    if min(size) < 1:
        raise InputError(f"size is {height}×{width}; give sides of at least 1 pixel")
    old_height, old_width = image.shape[-2:]
    if (old_height, old_width) == (height, width):
        return image
    if how == "stretch":
        return _resample(image, size, (0, 0, old_width, old_height), filter_)
    if how == "crop":
        scale = min(old_height / height, old_width / width)
        # A whole-pixel corner, so that a crop without a change of scale stays exact.
        box_width, box_height = min(width * scale, old_width), min(height * scale, old_height)
        left, top = int(old_width - box_width) // 2, int(old_height - box_height) // 2
        return _resample(image, size, (left, top, left + box_width, top + box_height), filter_)
    if how == "pad":
        scale = min(height / old_height, width / old_width)
        inner = min(height, max(1, round(old_height * scale))), min(width, max(1, round(old_width * scale)))
        small = _resample(image, inner, (0, 0, old_width, old_height), filter_)
        top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
        border = (left, width - inner[1] - left, top, height - inner[0] - top)
        return F.pad(small, border, mode="replicate")
    raise InputError(f"fit is {how!r}; give 'crop', 'pad' or 'stretch'")


def _resample(
    image: Tensor, size: tuple[int, int], box: tuple[float, float, float, float], filter_: Image.Resampling
) -> Tensor:
    """One picture of Pillow's mode F per channel, since its 8-bit modes round."""
    channels = image.detach().cpu().float().numpy()
    resized = [Image.fromarray(channel).resize(size[::-1], filter_, box) for channel in channels]
    return torch.from_numpy(np.stack([np.asarray(channel) for channel in resized])).to(image)
