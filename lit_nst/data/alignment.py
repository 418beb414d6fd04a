"""Faces as FFHQ crops them, and back into the photograph."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from lit_nst.data.landmarks import FARTHEST, Landmarks
from lit_nst.data.resize import fit_image
from lit_nst.data.surroundings import surroundings
from lit_nst.errors import InputError

Quad = NDArray[np.float64]
LARGEST = 16384
_TURN = np.array([[0.0, -1.0], [1.0, 0.0]])


@dataclass(frozen=True, eq=False)
class Aligned:
    """An aligned face.

    Args:
        image: 3×size×size in [0, 1].
        quad: 4×2, the corners of ``image`` in the photograph: top left, bottom left, bottom right, top right
            of the upright face, as x and y in pixels; whole numbers are the centres of pixels.
    """

    image: Tensor
    quad: Quad


def face_quad(landmarks: Landmarks) -> Quad:
    """The square that FFHQ crops, c − x − y, c − x + y, c + x + y, c + x − y, as 4×2 of x and y.

    With e from eye to eye, E their middle and m from there to the mouth's middle: x is e − rot(m) made
    max(2|e|, 1.8|m|) long, rot(a, b) = (−b, a), y = rot(x), c = E + 0.1 m.

    Karras, Laine and Aila, A Style-Based Generator Architecture for Generative Adversarial Networks, CVPR
    2019, appendix A, in the numbers of the data set's script.

    >>> face_quad(Landmarks([[40, 40], [60, 40], [45, 60], [55, 60]])).tolist()
    [[10.0, 2.0], [10.0, 82.0], [90.0, 82.0], [90.0, 2.0]]
    """
    e, m = landmarks.between_eyes, landmarks.eyes_to_mouth
    x = e - _TURN @ m
    x *= max(2.0 * math.hypot(*e), 1.8 * math.hypot(*m)) / math.hypot(*x)
    y = _TURN @ x
    c = landmarks.middle_of_eyes + 0.1 * m
    return np.stack([c - x - y, c - x + y, c + x + y, c + x - y])


def align(
    image: Tensor,
    landmarks: Landmarks,
    size: int = 1024,
    transform_size: int | None = None,
    smallest: float | None = None,
) -> Aligned:
    """Turns and cuts a face out of a photograph, as the pictures of FFHQ were.

    A photograph with a quad of side q > 4·size is first shrunk by ⌊q / 2 size⌋. Where the quad, and 0.1 q
    around it, leaves the photograph, that is continued by reflection, blurred (σ = 0.02 q) and faded to the
    median colour. The quad is sampled bilinearly at ``transform_size``, then shrunk to ``size`` by Lanczos.

    The recipe is that of ``face_quad``. Departures: the values stay floating-point numbers from step to
    step, where the script rounds to 8 bits; and ``Aligned.quad`` is where the pixels really come from,
    which for a shrunk photograph is up to half of its larger pixels off ``face_quad``.

    Args:
        image: The photograph, 3×H×W in [0, 1].
        landmarks: Of the face.
        size: Side of the result in pixels.
        transform_size: Side at which the quad is sampled; None: 4·size, which for 1024 is FFHQ's 4096.
        smallest: Least side of the quad in pixels; None: a quarter of ``size``, at least 32; 0 takes any.

    Raises:
        InputError: Another shape, a size below 8, a ``transform_size`` below ``size`` or above 16384,
            landmarks that all are outside the photograph or far from it, or a face below ``smallest``.

    >>> face = Landmarks([[25, 25], [35, 25], [28, 35], [32, 35]])
    >>> align(torch.rand(3, 64, 64), face, size=16).image.shape
    torch.Size([3, 16, 16])
    """
    transform_size = 4 * size if transform_size is None else transform_size
    _check_options(image, size, transform_size)
    _check_place(landmarks, image)
    quad = face_quad(landmarks)
    _check_side(_side(quad), max(size / 4, 32) if smallest is None else smallest, size)
    shrunk, corners, origin = _shrink(image.detach().cpu().float(), quad, size)
    region, inner = surroundings(shrunk, corners)
    face = _sample(region, inner, transform_size, size)
    return Aligned(face.clamp(0, 1).to(image), origin)


def paste(photo: Tensor, face: Tensor, quad: Quad, feather: float = 0.1) -> Tensor:
    """Puts an aligned face, edited or not, back into its photograph: p + k(f − p).

    f is the face, shrunk to 1.25 times the quad's side where it is larger, enlarged (both by Lanczos) and
    sampled bilinearly at the photograph's pixels. k rises from 0 at the quad's edge as 3t² − 2t³ to 1 at
    ``feather`` of its side inside. Pixels outside the quad come back bit for bit. A crop that reached over
    the photograph's edge is blurred along that edge, and so is the photograph where it is put back.

    Args:
        photo: 3×H×W in [0, 1].
        face: 3×n×n in [0, 1], of any n.
        quad: ``Aligned.quad``.
        feather: Width of the seam as a share of the quad's side, from 0 (a hard edge) to 0.5.

    Returns:
        The photograph with the face, 3×H×W.

    Raises:
        InputError: Another shape, a feather outside [0, 0.5], or a quad that is no parallelogram or is
            outside the photograph.
    """
    quad = np.asarray(quad, np.float64)
    _check_paste(photo, face, quad, feather)
    limits = [photo.shape[2], photo.shape[1]]
    left, top = np.floor(quad.min(0)).clip(0, limits).astype(int)
    right, bottom = (np.ceil(quad.max(0)) + 1).clip(0, limits).astype(int)
    if left >= right or top >= bottom:
        raise InputError("paste: the quad is outside the photograph; give the photograph that the face came from")
    # From the photograph's pixels to [0, 1]² in the face.
    inverse = np.linalg.inv(np.stack([quad[3] - quad[0], quad[1] - quad[0]], 1))
    x, y = np.meshgrid(np.arange(left, right), np.arange(top, bottom))
    u, v = np.einsum("ij,jhw->ihw", inverse, np.stack([x, y]) - quad[0][:, None, None])
    weight = torch.from_numpy(_ramp(np.minimum(np.minimum(u, 1 - u), np.minimum(v, 1 - v)), feather)).float()
    patch = _unalign(face.detach().cpu().float(), inverse, np.array([left, top]) - quad[0], weight.shape, _side(quad))
    result = photo.clone()
    inside = result[:, top:bottom, left:right]
    blended = torch.lerp(inside.cpu().float(), patch, weight).to(result)
    inside.copy_(torch.where(weight.to(result.device) > 0, blended, inside))
    return result


def _side(quad: Quad) -> float:
    return math.dist(quad[0], quad[3])


def _ramp(depth: NDArray[np.float64], feather: float) -> NDArray[np.float64]:
    """0 outside, 1 from ``feather`` inwards, smooth at both ends."""
    if feather == 0:
        return (depth > 0).astype(np.float64)
    t = np.clip(depth / feather, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _shrink(image: Tensor, quad: Quad, size: int) -> tuple[Tensor, Quad, Quad]:
    """The photograph and the quad at the scale of sampling, and the quad in the photograph's own pixels."""
    factor = math.floor(0.5 * _side(quad) / size)
    if factor <= 1:
        return image, quad, quad
    height, width = image.shape[-2:]
    small = max(1, round(height / factor)), max(1, round(width / factor))
    true = np.array([width / small[1], height / small[0]])
    return fit_image(image, small, "stretch"), quad / factor, (quad / factor + 0.5) * true - 0.5


def _sample(image: Tensor, quad: Quad, transform_size: int, size: int) -> Tensor:
    """Bilinear over the quad, Lanczos to the size; a channel at a time, as FFHQ's 4096² pixels are many."""
    corners = tuple((quad + 0.5).flatten().tolist())
    faces = []
    for channel in image.numpy():
        large = Image.fromarray(channel).transform(
            (transform_size, transform_size), Image.Transform.QUAD, corners, Image.Resampling.BILINEAR
        )
        faces.append(np.asarray(large.resize((size, size), Image.Resampling.LANCZOS)))
    return torch.from_numpy(np.stack(faces))


def _unalign(
    face: Tensor, inverse: NDArray[np.float64], offset: NDArray[np.float64], shape: torch.Size, side: float
) -> Tensor:
    """The face at the pixels of the photograph's part."""
    # Shrunk to the quad's own side, a face would come back blurred; much finer detail would alias.
    finest = max(1, math.ceil(1.25 * side))
    if face.shape[-1] > finest:
        face = fit_image(face, (finest, finest), "stretch")
    # Between pixels this fine, straight lines are good enough: the cubics of Pillow are not exact on ramps.
    scale = min(4 * face.shape[-1], math.ceil(2.5 * side), max(face.shape[-1], LARGEST // 2))
    # Pillow counts from the corner of the first pixel, the offset from its centre.
    shift = inverse @ (offset - 0.5)
    data = tuple(float(scale * value) for row, s in zip(inverse, shift, strict=True) for value in (*row, s))
    size, parts = (shape[1], shape[0]), []
    for channel in face:
        large = Image.fromarray(fit_image(channel[None], (scale, scale), "stretch")[0].numpy())
        parts.append(np.asarray(large.transform(size, Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)))
    return torch.from_numpy(np.stack(parts))


def _check_options(image: Tensor, size: int, transform_size: int) -> None:
    _check_shape("align: the photograph", image)
    if size < 8:
        raise InputError(f"align: size is {size}; give at least 8 pixels")
    if not size <= transform_size <= LARGEST:
        raise InputError(f"align: transform_size is {transform_size}; give a number from size {size} to {LARGEST}")


def _check_shape(what: str, image: Tensor) -> None:
    if image.dim() != 3 or image.shape[0] != 3 or 0 in image.shape:
        raise InputError(f"{what} has shape {tuple(image.shape)}; give 3×H×W")


def _check_place(landmarks: Landmarks, image: Tensor) -> None:
    """At least one point in the photograph, none further from it than its longer side."""
    height, width = image.shape[-2:]
    beyond = np.maximum(-landmarks.points, landmarks.points - [width - 1, height - 1]).max(1)
    if beyond.min() > 0.5:
        raise InputError(f"all landmarks are outside the photograph of {width}×{height}; give pixels of this picture")
    if beyond.max() > max(height, width):
        raise InputError(
            f"a landmark is {beyond.max():.0f} pixels outside the photograph of {width}×{height}; correct it"
        )


def _check_side(side: float, smallest: float, size: int) -> None:
    # Neither is a number that is none.
    if not side >= smallest:
        raise InputError(
            f"the face's square is {side:.0f} pixels wide, less than {smallest:g} for a result of {size}; "
            "give a larger photo, a smaller --size, or --smallest 0"
        )


def _check_paste(photo: Tensor, face: Tensor, quad: Quad, feather: float) -> None:
    _check_shape("paste: the photograph", photo)
    _check_shape("paste: the face", face)
    if face.shape[1] != face.shape[2]:
        raise InputError(f"paste: the face is {face.shape[2]}×{face.shape[1]}; give a square one")
    if not 0 <= feather <= 0.5:
        raise InputError(f"paste: feather is {feather:g}; give a share of the quad's side from 0 to 0.5")
    if quad.shape != (4, 2) or not (np.abs(quad) <= FARTHEST).all():
        raise InputError("paste: the quad is not four points of x and y; give that of the alignment")
    across, down = quad[3] - quad[0], quad[1] - quad[0]
    area, longest = abs(across[0] * down[1] - across[1] * down[0]), max(across @ across, down @ down)
    skew = np.abs(quad[0] + quad[2] - quad[1] - quad[3]).max()
    if area < 1 or area < 0.1 * longest or skew > 1e-3 * math.sqrt(longest):
        raise InputError("paste: the quad is not a square; give that of the alignment")
