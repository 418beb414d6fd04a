"""Degradations D: clean image → measurement."""

from lit_nst.degradations.base import Degradation
from lit_nst.degradations.blur import GaussianBlur
from lit_nst.degradations.downsample import Downsample
from lit_nst.degradations.grayscale import Grayscale
from lit_nst.degradations.jpeg import JPEG
from lit_nst.degradations.mask import Mask
from lit_nst.degradations.motion import MotionBlur
from lit_nst.degradations.noise import Noise
from lit_nst.degradations.quantize import Quantize

__all__ = [
    "JPEG",
    "Degradation",
    "Downsample",
    "GaussianBlur",
    "Grayscale",
    "Mask",
    "MotionBlur",
    "Noise",
    "Quantize",
]
