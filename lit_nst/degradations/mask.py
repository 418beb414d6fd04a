"""Missing regions."""

import math

import torch
from torch import Tensor

from lit_nst.degradations.base import Degradation
from lit_nst.errors import InputError
from lit_nst.functional.random import generator, normal

# Strokes: many fewer leave nothing.
_SEGMENTS, _STEP, _TURN = 8, 0.1, 0.6  # of a stroke; its step in shares of the sides, its turn in radians


class Mask(Degradation):
    """y = (1 − h)·x, h = 1 in the hole.

    Known pixels pass bit for bit and the hole is black in ``forward`` as in ``observe``; what is a hole
    is said by the mask alone, so black pixels of the image stay data. Linear.

    The hole comes from the images of ``--data.mask``, which win over the rest, or else from the union of
    the box, the strokes and the single pixels. A stroke is a smooth random walk of 8 steps of a tenth of
    the sides, folded back at the borders; it looks the same at any resolution, and more strokes keep the
    first ones. In a chain the mask acts at the size that the operators before it leave.

    Usual tasks: ``box=[0.25, 0.25, 0.75, 0.75]`` (128 of 256 pixels) and ``drop=0.7`` in the benchmarks of
    diffusion models; 1, 5, 9, 13 or 17 strokes of width 0.08 in Poirier-Ginter & Lalonde, "Robust Unsupervised
    StyleGAN Image Restoration", 2023.

    Args:
        box: [left, top, right, bottom], in shares of the width and the height.
        strokes: Number of random brush strokes, at most 1000.
        width: Width of a stroke in shares of the shorter side.
        seed: Key of the strokes and pixels.
        drop: Share of single pixels that are missing too, each by itself. ``Noise`` has pixels that are
            missing in places that nobody knows.

    Attributes:
        hole: True in the hole, N×1×H×W, N = 1 for what is drawn here; redrawn only for an image of
            another size than the last.

    Raises:
        InputError: A box, stroke or share that makes no sense; a hole of no pixel; masks of another
            size or number than the images; nothing that gives a hole.

    >>> Mask(box=[0, 0, 0.5, 1])(torch.ones(1, 3, 2, 4))[0, 0]
    tensor([[0., 0., 1., 1.],
            [0., 0., 1., 1.]])
    """

    role = "mask"
    hole: Tensor

    def __init__(
        self,
        box: list[float] | None = None,
        strokes: int = 0,
        width: float = 0.08,
        seed: int = 0,
        drop: float = 0.0,
    ) -> None:
        super().__init__()
        if box is not None and not (len(box) == 4 and 0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1):
            raise InputError(
                f"Mask: box is {box}; give [left, top, right, bottom] with 0 <= left < right <= 1 and so on"
            )
        if not 0 <= strokes <= 1000 or not 0 < width <= 1:
            raise InputError(f"Mask: strokes is {strokes} and width {width}; give 0 to 1000 strokes, a width in (0, 1]")
        if not 0 <= drop < 1:
            raise InputError(f"Mask: drop is {drop}; give a share from 0 to below 1")
        self.box, self.strokes, self.width, self.seed, self.drop = box, strokes, width, seed, drop
        self.attached = False
        self.register_buffer("hole", torch.zeros(1, 1, 0, 0, dtype=torch.bool), persistent=False)

    def attach(self, images: Tensor) -> None:
        """Takes explicit masks, which win over box and strokes.

        Args:
            images: N×1×H×W (or more channels: their mean) in [0, 1], one for all targets or one each;
                a hole where above 0.5.

        Raises:
            InputError: A mask that is all hole.
        """
        hole = (images.mean(1, keepdim=True) > 0.5).to(self.hole.device)
        if hole.flatten(1).all(1).any():
            raise InputError("Mask: a mask is white everywhere, so nothing is known; white is the hole")
        self.hole = hole
        self.attached = True

    def forward(self, image: Tensor) -> Tensor:
        """B×3×H×W in [0, 1] → the same shape and range."""
        return image.masked_fill(self._fit(image), 0)

    def known(self, image: Tensor) -> Tensor:
        """1 − h for these images, N×1×H×W in their precision, N = 1 or B."""
        return (~self._fit(image)).to(image.dtype)

    def _fit(self, image: Tensor) -> Tensor:
        """The hole for images of this size and number."""
        (height, width), (own_height, own_width) = image.shape[-2:], self.hole.shape[-2:]
        if not self.attached and (height, width) != (own_height, own_width):
            # Not an inference tensor even in a validation, or a later backward pass could not use it.
            with torch.inference_mode(False):
                self.hole = self._draw(height, width).to(image.device)
        elif (height, width) != (own_height, own_width):
            raise InputError(
                f"Mask: the mask is {own_height}x{own_width}, the image {height}x{width}; give a mask of that size"
            )
        if len(self.hole) not in (1, len(image)):
            raise InputError(f"Mask: {len(self.hole)} masks for {len(image)} images; give one for all, or one each")
        return self.hole

    def _draw(self, height: int, width: int) -> Tensor:
        """Box, strokes and pixels at one size, 1×1×H×W."""
        if self.box is None and not self.strokes and not self.drop:
            raise InputError("Mask: no hole is given; give --data.mask FILE, box, strokes or drop")
        hole = torch.zeros(height, width, dtype=torch.bool)
        if self.box is not None:
            left, top, right, bottom = self.box
            hole[_pixel(top, height) : _pixel(bottom, height), _pixel(left, width) : _pixel(right, width)] = True
        for number in range(self.strokes):
            points = _walk(self.seed, number) * torch.tensor([width, height])
            hole |= _near(points, height, width, self.width * min(height, width) / 2)
        if self.drop:
            hole |= torch.rand(height, width, generator=generator(self.seed, "mask-drop")) < self.drop
        if not hole.any():
            raise InputError(f"Mask: the hole has no pixel at {height}x{width}; give a larger box or width")
        return hole[None, None]


def _pixel(share: float, side: int) -> int:
    """The pixel edge nearest to a share of a side."""
    return math.floor(share * side + 0.5)


def _walk(seed: int, number: int) -> Tensor:
    """Corners (x, y) of one stroke in the unit square, 9×2."""
    start = torch.rand(3, generator=generator(seed, "stroke-start", number)).double()
    angles = 2 * math.pi * start[2] + _TURN * normal([_SEGMENTS], seed, "stroke-turn", number).double().cumsum(0)
    steps = _STEP * torch.stack((angles.cos(), angles.sin()), 1)
    path = start[:2] + torch.cat((torch.zeros(1, 2, dtype=steps.dtype), steps.cumsum(0)))
    # Folding at the borders: the distance to the nearest even number.
    folded: Tensor = path - 2 * (path / 2).round()
    return folded.abs()


def _near(points: Tensor, height: int, width: int, radius: float) -> Tensor:
    """Pixels whose centre lies within a radius of a polyline, H×W."""
    x = torch.arange(width, dtype=points.dtype) + 0.5
    y = torch.arange(height, dtype=points.dtype)[:, None] + 0.5
    near = torch.zeros(height, width, dtype=torch.bool)
    for (ax, ay), (bx, by) in zip(points[:-1].tolist(), points[1:].tolist(), strict=True):
        dx, dy = bx - ax, by - ay
        along = (((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)).clamp(0, 1)
        near |= (x - ax - along * dx) ** 2 + (y - ay - along * dy) ** 2 <= radius * radius
    return near
