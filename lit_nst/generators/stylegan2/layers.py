"""Layers of StyleGAN2 (Karras et al. 2020), with the parameter names of NVlabs' ``G_ema``.

Nothing here is compiled and no weight is made per sample: a modulated convolution

    y = Σᵢₖ (W·s)·x · rsqrt(Σᵢₖ (W·s)² + ε)

scales its input by the style ``s``, convolves with the shared ``W`` and scales its output, which is
the same number. Σₖ W² does not depend on the sample and is computed once for a frozen network.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FIR = (1.0, 3.0, 3.0, 1.0)
GAIN = math.sqrt(2)


def fir_kernel() -> Tensor:
    """The 4×4 low-pass filter of StyleGAN2, sum 1."""
    taps = torch.tensor(FIR)
    kernel = taps[:, None] * taps
    return kernel / kernel.sum()


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x·Wᵀ + b``, computed in double precision outside autocast, returned in the precision of ``x``.

    These products are tiny, yet a matrix library rounds them differently for one row and for several;
    in double precision the single-precision result no longer shows it, so a row's image does not
    depend on the batch that it is in.
    """
    with torch.autocast(x.device.type, enabled=False):
        y = F.linear(x.double(), weight.double(), None if bias is None else bias.double())
    return y.to(x.dtype)


class FullyConnected(nn.Module):
    """Equalised linear layer: ``x·Wᵀ·(m/√in) + m·b``, then leaky ReLU 0.2 times √2 if ``activate``.

    Args:
        fan_in: Input features.
        fan_out: Output features.
        activate: Apply the leaky ReLU.
        bias_init: Initial value of the bias.
        lr_multiplier: ``m``; the stored weights are drawn with standard deviation 1/m.
    """

    scaled_weight: Tensor | None
    scaled_bias: Tensor | None

    def __init__(
        self, fan_in: int, fan_out: int, activate: bool = False, bias_init: float = 0.0, lr_multiplier: float = 1.0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(fan_out, fan_in) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((fan_out,), bias_init / lr_multiplier))
        self.activate, self.lr_multiplier = activate, lr_multiplier
        self.register_buffer("scaled_weight", None, persistent=False)
        self.register_buffer("scaled_bias", None, persistent=False)

    def scaled(self) -> tuple[Tensor, Tensor]:
        """The weights that multiply, ``W·m/√in`` and ``m·b``, in double precision."""
        m = self.lr_multiplier
        return self.weight.double() * (m / math.sqrt(self.weight.shape[1])), self.bias.double() * m

    def precompute(self) -> None:
        """Scales the weights once; call it after they are final."""
        self.scaled_weight, self.scaled_bias = (value.detach() for value in self.scaled())

    def forward(self, x: Tensor) -> Tensor:
        """B×in → B×out; or B×out×in, an input for each output → B×out."""
        known = self.scaled_weight is not None and self.scaled_bias is not None
        weight, bias = (self.scaled_weight, self.scaled_bias) if known else self.scaled()
        assert weight is not None
        assert bias is not None
        x = linear(x, weight, bias) if x.dim() == 2 else ((x * weight).sum(-1) + bias).to(x.dtype)
        return F.leaky_relu(x, 0.2) * GAIN if self.activate else x


class SynthesisLayer(nn.Module):
    """Modulated 3×3 convolution (optionally ×2 up), noise, bias, leaky ReLU, clamp.

    Args:
        fan_in: Input channels.
        fan_out: Output channels.
        w_dim: Size of the latent.
        resolution: Side of the output.
        up: 1 or 2.
        conv_clamp: Limit of the absolute output, None for none.
    """

    weight_energy: Tensor | None
    noise_const: Tensor
    resample_filter: Tensor

    def __init__(
        self, fan_in: int, fan_out: int, w_dim: int, resolution: int, up: int = 1, conv_clamp: float | None = None
    ) -> None:
        super().__init__()
        self.up, self.conv_clamp, self.noisy = up, conv_clamp, True
        self.affine = FullyConnected(w_dim, fan_in, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(fan_out, fan_in, 3, 3).contiguous(memory_format=torch.channels_last))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.bias = nn.Parameter(torch.zeros(fan_out))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.register_buffer("resample_filter", fir_kernel())
        self.register_buffer("weight_energy", None, persistent=False)

    def precompute(self) -> None:
        """Computes what depends on the weights alone, such as Σₖ W²; call it after they are final."""
        self.weight_energy = self.weight.detach().double().square().sum((2, 3))
        self.noisy = bool(self.noise_strength != 0)
        self.affine.precompute()

    def forward(self, x: Tensor, w: Tensor, noise: bool | Tensor = True) -> Tensor:
        """Features, latents, noise → features.

        Args:
            x: B×in×h×h.
            w: B×w_dim, or B×in×w_dim: a latent for each input channel.
            noise: The stored map, none, or maps of B×1×(h·up)×(h·up).

        Returns:
            B×out×(h·up)×(h·up).
        """
        style = self.affine(w)
        energy = self.weight.double().square().sum((2, 3)) if self.weight_energy is None else self.weight_energy
        demodulation = (linear(style.square(), energy) + 1e-8).rsqrt() * GAIN
        x = x * style[:, :, None, None].to(x.dtype)
        if self.up == 2:
            x = F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2)
            x = F.conv2d(
                x, (4 * self.resample_filter).to(x.dtype).expand(x.shape[1], 1, 4, 4), padding=1, groups=x.shape[1]
            )
        else:
            x = F.conv2d(x, self.weight, padding=1)
        # The leaky ReLU is positively homogeneous: its gain √2 is folded into what comes before it.
        shift = (GAIN * self.bias)[:, None, None]
        if noise is not False and self.noisy:
            shift = shift + GAIN * self.noise_strength * (self.noise_const if noise is True else noise)
        x = x * demodulation[:, :, None, None].to(x.dtype)
        x += shift.to(x.dtype)
        x = F.leaky_relu_(x, 0.2)
        return x if self.conv_clamp is None else x.clamp(-self.conv_clamp, self.conv_clamp)


class ToRGB(nn.Module):
    """Modulated 1×1 convolution to three channels, without demodulation.

    Args:
        fan_in: Input channels.
        w_dim: Size of the latent.
        conv_clamp: Limit of the absolute output, None for none.
    """

    def __init__(self, fan_in: int, w_dim: int, conv_clamp: float | None = None) -> None:
        super().__init__()
        self.conv_clamp = conv_clamp
        self.affine = FullyConnected(w_dim, fan_in, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(3, fan_in, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """B×in×h×h and B×w_dim (or B×in×w_dim) → B×3×h×h."""
        style = self.affine(w) / math.sqrt(self.weight.shape[1])
        x = (x * style[:, :, None, None].to(x.dtype)).permute(0, 2, 3, 1)
        x = F.linear(x, self.weight.flatten(1).to(x.dtype), self.bias.to(x.dtype)).permute(0, 3, 1, 2)
        return x if self.conv_clamp is None else x.clamp(-self.conv_clamp, self.conv_clamp)
