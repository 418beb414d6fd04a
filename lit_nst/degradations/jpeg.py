"""JPEG compression."""

import io
import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from lit_nst.degradations.base import Degradation
from lit_nst.errors import InputError

_PASS = 8 * math.sqrt(2)  # between its two passes, the library rounds the transform to steps of 1/(8√2)


class JPEG(Degradation):
    """Baseline JPEG of a given quality.

    ``observe`` is a true file: 8 bits, written and read by Pillow in memory. ``forward`` has that file's
    values, computed on tensors (YCbCr, 8×8 cosine transform c, q·round(c/q) with the file's own tables
    q, and back; JFIF and ITU-T T.81), and the gradient of the same steps without rounding or clamping.
    In that gradient the transforms cancel: it is the identity, and with subsampling a low-pass of the
    chroma. A smooth rounding, round(c) + (c − round(c))³, was not taken: its values are not the file's,
    and its gradient is 0 at the many coefficients near 0, where a descent stalls.

    Any size: the last row and column are repeated up to whole blocks, as in a file. Values outside
    [0, 1] are clamped, as 8 bits must. ``forward`` and ``observe`` differ by a level of 8 bits here and
    there, and seldom by a step of one coefficient, since the library calculates in integers; by more
    with subsampling at widths below 5, where it doubles the chroma by repetition.

    Args:
        quality: 1 to 100, on the scale of libjpeg and Pillow.
        subsampling: True halves the sides of both chroma planes (4:2:0); False keeps them (4:4:4).

    Raises:
        InputError: A quality outside 1 to 100.

    >>> JPEG(quality=50)(torch.rand(2, 3, 20, 12)).shape
    torch.Size([2, 3, 20, 12])
    """

    tables: Tensor
    cosines: Tensor

    def __init__(self, quality: int = 10, subsampling: bool = True) -> None:
        super().__init__()
        if not 1 <= quality <= 100:
            raise InputError(f"JPEG: quality is {quality}; give 1 to 100")
        self.quality, self.subsampling = quality, subsampling
        self.register_buffer("tables", self._tables(), persistent=False)
        self.register_buffer("cosines", _cosines(), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """B×3×H×W in [0, 1] → the same shape and range, with a straight-through gradient."""
        smooth = _low_chroma(image) if self.subsampling else image
        with torch.no_grad(), torch.autocast(image.device.type, enabled=False):
            exact = self._cycle(image.to(torch.promote_types(image.dtype, torch.float32))).to(image.dtype)
        return exact + (smooth - smooth.detach())

    def observe(self, image: Tensor, rows: Sequence[int]) -> Tensor:
        """B×3×H×W in [0, 1] → the same shape and range, from a true file; ``rows`` play no part."""
        files = [self._write(row) for row in _levels(image).to("cpu", torch.uint8)]
        read = [torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1) for file in files]
        return torch.stack(read).to(image) / 255

    def _write(self, levels: Tensor) -> io.BytesIO:
        """The file of one image, 3×H×W bytes."""
        file = io.BytesIO()
        picture = Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())
        picture.save(file, "JPEG", quality=self.quality, subsampling=2 if self.subsampling else 0)
        return file

    def _tables(self) -> Tensor:
        """Steps of the coefficients of luma and chroma, 2×8×8, vertical frequency first."""
        tables = Image.open(self._write(torch.zeros(3, 8, 8, dtype=torch.uint8))).quantization  # type: ignore[attr-defined]
        return torch.tensor([tables[0], tables[1]], dtype=torch.float32).view(2, 8, 8)

    def _cycle(self, image: Tensor) -> Tensor:
        """What ``observe`` does, on tensors: every rounding where the library has one."""
        height, width = image.shape[-2:]
        luma, chroma = _split(_levels(image))
        luma = self._coded(luma, 0)
        if not self.subsampling:
            return _join(luma, self._coded(chroma, 1)) / 255
        half = self._coded(_halve(chroma), 1)[..., : (height + 1) // 2, : (width + 1) // 2]
        full = _double(half)[..., :height, :width]
        # Sixteenths: exactly a half goes up in even columns, down in odd ones.
        odd = torch.arange(width, device=image.device) % 2
        return _join(luma, ((16 * full + 8 - odd) / 16).floor()) / 255

    def _coded(self, plane: Tensor, table: int) -> Tensor:
        """Planes of levels after the quantisation of their coefficients."""
        height, width = plane.shape[-2:]
        step, basis = self.tables[table].to(plane.dtype), self.cosines.to(plane.dtype)
        blocks = _pad(plane - 128, 8, 8)
        rows, columns = blocks.shape[-2] // 8, blocks.shape[-1] // 8
        blocks = blocks.reshape(len(plane), -1, rows, 8, columns, 8).transpose(3, 4)
        eighths = _round(8 * (basis @ (_round(_PASS * (blocks @ basis.mT)) / _PASS)))
        # Halves go away from zero, after the coefficient itself was rounded to eighths.
        coefficients = eighths.sign() * ((eighths.abs() + 4 * step) / (8 * step)).floor() * step
        blocks = (_round(_PASS * (basis.mT @ coefficients)) / _PASS @ basis).transpose(3, 4)
        levels = blocks.reshape(len(plane), -1, 8 * rows, 8 * columns)[..., :height, :width]
        return (_round(levels) + 128).clamp(0, 255)


def _round(x: Tensor) -> Tensor:
    """Halves go up; the small number outweighs the errors of floating point before it."""
    return (x + 0.5 + 2e-4).floor()


def _levels(image: Tensor) -> Tensor:
    """[0, 1] → whole numbers of 0 to 255."""
    return (image.detach().clamp(0, 1) * 255).round()


def _cosines() -> Tensor:
    """The orthonormal cosine transform of 8 samples, a row per frequency."""
    k = torch.arange(8, dtype=torch.float64)
    basis = torch.cos(math.pi * (2 * k + 1) * k[:, None] / 16) / 2
    basis[0] /= math.sqrt(2)
    return basis.float()


def _split(levels: Tensor) -> tuple[Tensor, Tensor]:
    """R, G, B → Y (B×1×H×W) and Cb, Cr (B×2×H×W), whole numbers of 0 to 255."""
    red, green, blue = levels.unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = torch.stack(((blue - luma) / 1.772, (red - luma) / 1.402), 1) + 128
    # The library rounds halves of chroma down.
    return _round(luma)[:, None], -_round(-chroma)


def _join(luma: Tensor, chroma: Tensor) -> Tensor:
    """Y and Cb, Cr → R, G, B, whole numbers of 0 to 255."""
    y, (cb, cr) = luma[:, 0], (chroma - 128).unbind(1)
    green = y - (0.114 * 1.772 * cb + 0.299 * 1.402 * cr) / 0.587
    return _round(torch.stack((y + 1.402 * cr, green, y + 1.772 * cb), 1)).clamp(0, 255)


def _halve(chroma: Tensor) -> Tensor:
    """Means of 2×2 levels as whole numbers, padded as the library pads: columns before, rows after."""
    sums = 4 * F.avg_pool2d(_pad(chroma, 2, 16), 2)
    odd = torch.arange(sums.shape[-1], device=sums.device) % 2
    return ((sums + 1 + odd) / 4).floor()


def _double(x: Tensor) -> Tensor:
    """Twice the sides, linear between the centres of the pixels."""
    for _ in range(2):
        before, after = torch.cat((x[..., :1], x[..., :-1]), -1), torch.cat((x[..., 1:], x[..., -1:]), -1)
        x = torch.stack((0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after), -1).flatten(-2).mT
    return x


def _low_chroma(image: Tensor) -> Tensor:
    """Halved and doubled chroma with the image's own luma: 4:2:0 without any rounding."""
    height, width = image.shape[-2:]
    low = _double(F.avg_pool2d(_pad(image, 2, 2), 2))[..., :height, :width]
    luma = torch.tensor([0.299, 0.587, 0.114], dtype=image.dtype, device=image.device).view(1, 3, 1, 1)
    return low + ((image - low) * luma).sum(1, keepdim=True)


def _pad(x: Tensor, rows: int, columns: int) -> Tensor:
    """Repeats the last row and column up to a multiple of each."""
    x = torch.cat((x, x[..., -1:, :].repeat_interleave(-x.shape[-2] % rows, -2)), -2)
    return torch.cat((x, x[..., -1:].repeat_interleave(-x.shape[-1] % columns, -1)), -1)
