"""Pictures by their frequencies."""

import torch
from torch import Tensor


def scale_frequencies(x: Tensor, power: float) -> Tensor:
    """Scales every frequency f of a picture by s = c/f^power, F⁻¹(s·F(x)).

    f is the radius in cycles per pixel, at least one cycle per longer side, so that the mean is scaled as the lowest
    frequency; c makes the mean of s² over all frequencies 1 for power > 0: white noise keeps its variance. ``-power``
    undoes ``power``: then 1/s is taken, with the same c. Always in float32 or better, since half precisions
    have no transforms.

    Args:
        x: B×C×H×W, real.
        power: Of the fall, 0 is the identity.

    >>> x = torch.rand(1, 3, 6, 9)
    >>> torch.allclose(scale_frequencies(scale_frequencies(x, 0.5), -0.5), x, atol=1e-6)
    True
    """
    height, width = x.shape[-2:]
    with torch.autocast(x.device.type, enabled=False):
        full = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        scale = _scale(height, width, abs(power)).to(full)
        spectrum = torch.fft.rfft2(full) * (scale if power >= 0 else 1 / scale)
        image: Tensor = torch.fft.irfft2(spectrum, s=(height, width))
    return image


def _scale(height: int, width: int, power: float) -> Tensor:
    down = torch.fft.fftfreq(height, dtype=torch.float64)[:, None]
    whole = torch.hypot(down, torch.fft.fftfreq(width, dtype=torch.float64)).clamp_min(1 / max(height, width))
    half = torch.hypot(down, torch.fft.rfftfreq(width, dtype=torch.float64)).clamp_min(1 / max(height, width))
    scale: Tensor = half**-power / (whole**-power).square().mean().sqrt()
    return scale
