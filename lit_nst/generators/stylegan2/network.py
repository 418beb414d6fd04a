"""StyleGAN2's two networks: ``mapping`` z → w and ``synthesis`` w → image (skip architecture)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_nst.generators.stylegan2.layers import FullyConnected, SynthesisLayer, ToRGB, fir_kernel


@dataclass(frozen=True)
class Architecture:
    """All that is needed to build the networks.

    Args:
        z_dim: Size of the input noise.
        w_dim: Size of the latent.
        channels: Channels of the blocks 4, 8, 16, … up to the resolution.
        mapping_layers: Depth of the mapping network.
        lr_multiplier: Learning-rate multiplier of the mapping network; it scales the stored weights.
        conv_clamp: Limit of the absolute value of each layer's output, None for none.
    """

    z_dim: int
    w_dim: int
    channels: tuple[int, ...]
    mapping_layers: int = 8
    lr_multiplier: float = 0.01
    conv_clamp: float | None = None

    @property
    def resolution(self) -> int:
        """Side of the image."""
        return int(4 * 2 ** (len(self.channels) - 1))

    @property
    def num_ws(self) -> int:
        """Rows of W+: one per convolution and one for the last ToRGB."""
        return 2 * len(self.channels)

    @property
    def fans(self) -> tuple[int, ...]:
        """Input channels of each modulated convolution: conv1 and ToRGB of b4, conv0, conv1 and ToRGB of the others."""
        blocks = zip(self.channels[:-1], self.channels[1:], strict=True)
        first = self.channels[0]
        return (first, first, *(fan for before, own in blocks for fan in (before, own, own)))

    @property
    def rows(self) -> tuple[int, ...]:
        """Row of W+ that each of these takes; a ToRGB shares its row with the next conv0."""
        return (0, 1, *(2 * block + i for block in range(1, len(self.channels)) for i in (-1, 0, 1)))


class Mapping(nn.Module):
    """z, normalised, through a few equalised layers, to w.

    Args:
        architecture: Sizes.
    """

    w_avg: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = architecture
        self.num_ws, self.depth = a.num_ws, a.mapping_layers
        for i in range(a.mapping_layers):
            fan_in = a.z_dim if i == 0 else a.w_dim
            self.add_module(f"fc{i}", FullyConnected(fan_in, a.w_dim, activate=True, lr_multiplier=a.lr_multiplier))
        self.register_buffer("w_avg", torch.zeros(a.w_dim))

    def forward(self, z: Tensor, truncation_psi: float = 1.0, truncation_cutoff: int | None = None) -> Tensor:
        """Maps noise to latents.

        Args:
            z: Noise, B×z_dim, N(0, 1).
            truncation_psi: ψ of w̄ + ψ·(w − w̄); 1 leaves w as it is.
            truncation_cutoff: Truncate only the first so many rows; None: all.

        Returns:
            Latents, B×num_ws×w_dim, all rows of a sample equal but for the cutoff.
        """
        x = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        for i in range(self.depth):
            x = self.get_submodule(f"fc{i}")(x)
        w = x.unsqueeze(1).repeat(1, self.num_ws, 1)
        if truncation_psi == 1:
            return w
        rows = self.num_ws if truncation_cutoff is None else truncation_cutoff
        return torch.cat([torch.lerp(self.w_avg, w[:, :rows], truncation_psi), w[:, rows:]], 1)


class Block(nn.Module):
    """One resolution: two convolutions (one at 4×4) and a ToRGB that adds to the enlarged image.

    Args:
        fan_in: Input channels; 0 for the first block, which starts from a learnt constant.
        fan_out: Output channels.
        w_dim: Size of the latent.
        resolution: Side of the output.
        conv_clamp: Limit of each layer's output.
    """

    resample_filter: Tensor

    def __init__(self, fan_in: int, fan_out: int, w_dim: int, resolution: int, conv_clamp: float | None) -> None:
        super().__init__()
        self.first = fan_in == 0
        if self.first:
            self.const = nn.Parameter(torch.randn(fan_out, resolution, resolution))
        else:
            self.conv0 = SynthesisLayer(fan_in, fan_out, w_dim, resolution, up=2, conv_clamp=conv_clamp)
        self.conv1 = SynthesisLayer(fan_out, fan_out, w_dim, resolution, conv_clamp=conv_clamp)
        self.torgb = ToRGB(fan_out, w_dim, conv_clamp)
        self.register_buffer("resample_filter", fir_kernel())

    def forward(
        self, x: Tensor | None, image: Tensor | None, ws: Iterator[Tensor], noises: Iterator[bool | Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Features and image of the block before, latents and noise of the layers to come → features and image."""
        if x is None:
            w = next(ws)
            x = self.const.expand(len(w), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        else:
            x, w = self.conv0(x, next(ws), next(noises)), next(ws)
        x = self.conv1(x, w, next(noises))
        rgb: Tensor = self.torgb(x, next(ws))
        if image is not None:
            kernel = (4 * self.resample_filter).to(image.dtype).expand(3, 1, 4, 4)
            rgb = rgb + F.conv_transpose2d(image, kernel, stride=2, padding=1, groups=3)
        return x, rgb


class Synthesis(nn.Module):
    """Blocks b4, b8, … of StyleGAN2.

    Args:
        architecture: Sizes.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = architecture
        self.resolutions = [4 * 2**i for i in range(len(a.channels))]
        self.fans, self.rows = a.fans, a.rows
        fans = (0, *a.channels[:-1])
        for resolution, fan_in, fan_out in zip(self.resolutions, fans, a.channels, strict=True):
            self.add_module(f"b{resolution}", Block(fan_in, fan_out, a.w_dim, resolution, a.conv_clamp))

    def forward(self, w: Tensor, noise: bool | Sequence[Tensor] = True, resolution: int | None = None) -> Tensor:
        """Draws images.

        Args:
            w: Latents, B×num_ws×w_dim; or B×Σfans×w_dim, one for each input channel of each convolution.
            noise: Add the stored noise maps (NVlabs' ``noise_mode='const'``), none, or these, B×1×h×h for each 3×3
                convolution.
            resolution: Stop after this block; None: the last one.

        Returns:
            Images, B×3×resolution×resolution, about [-1, 1], not clamped.
        """
        x: Tensor | None = None
        image: Tensor | None = None
        per_channel = w.shape[1] == sum(self.fans)
        rows = iter(torch.split(w, list(self.fans), 1) if per_channel else [w[:, row] for row in self.rows])
        noises = repeat(noise) if isinstance(noise, bool) else iter(noise)
        for side in self.resolutions:
            x, image = self.get_submodule(f"b{side}")(x, image, rows, noises)
            if side == resolution:
                break
        assert image is not None
        return image

    def precompute(self) -> None:
        """Computes what depends on the weights alone; call it after they are final."""
        for module in self.modules():
            if isinstance(module, (SynthesisLayer, FullyConnected)):
                module.precompute()
