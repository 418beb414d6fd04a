"""StyleGAN2 as a generator of the project."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.files import sha256
from lit_nst.generators.base import Generator
from lit_nst.generators.stylegan2.checkpoint import read, resolve, write
from lit_nst.generators.stylegan2.layers import linear
from lit_nst.generators.stylegan2.network import Architecture, Mapping, Synthesis

FLOOR = 1e-3


class StyleGAN2(Generator):
    """StyleGAN2 (Karras et al. 2020): ``w`` is a latent of W or W+.

    The frozen networks have NVlabs' parameter names and arithmetic (skip architecture), without
    compiled operations. w̄ and σ, the centre and the unit of a search, are the mean and the standard
    deviation of one coordinate over seeded samples of the mapping network, as in NVlabs' projector,
    which takes the norm of the whole deviation instead: √w_dim times larger.

    Args:
        weights: ``"embedded"`` (the shipped portraits, 64×64) or a ``.safetensors`` file.
        space: ``"w"``: one latent for all layers; ``"w+"``: one per layer.
        noise: ``"const"``: the stored noise maps; ``"none"``: no noise.
        prior: What the latent distance measures: ``"isotropic"``, |w − w̄|²/σ², or ``"whitened"``,
            (w − w̄)ᵀ·Σ⁻¹·(w − w̄), which also knows in which directions the samples spread. Either is
            divided by the number of coordinates, so that a sample is at distance 1.
        samples: Number of samples behind w̄, σ and Σ.
        seed: Seed of these samples.

    Raises:
        InputError: The file is missing, damaged or of another kind.
    """

    whitening: Tensor

    def __init__(
        self,
        weights: str = "embedded",
        space: Literal["w", "w+"] = "w+",
        noise: Literal["const", "none"] = "const",
        prior: Literal["isotropic", "whitened"] = "isotropic",
        samples: int = 10_000,
        seed: int = 123,
    ) -> None:
        super().__init__()
        path = resolve(weights)
        self.architecture, state = read(path)
        self.digest = sha256(path)
        self.space, self.noise, self.prior = space, noise, prior
        self.mapping, self.synthesis = Mapping(self.architecture), Synthesis(self.architecture)
        try:
            self.load_state_dict(state)
        except RuntimeError as error:
            raise InputError(f"{path}: {' '.join(str(error).split())}") from None
        self.eval().requires_grad_(False)
        self.synthesis.precompute()
        center, scale, whitening = self._statistics(samples, seed)
        self.register_buffer("center", center, persistent=False)
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("whitening", whitening, persistent=False)

    @classmethod
    def load(cls, weights: str | Path) -> "StyleGAN2":
        """The generator of a file or of a name, in W+."""
        return cls(str(weights))

    def save(self, path: str | Path, half: bool = False) -> None:
        """Writes the networks as safetensors; ``half`` stores float16."""
        write(Path(path), self.architecture, dict(self.state_dict()), half)

    @property
    def resolution(self) -> int:  # type: ignore[override]
        """Side of the image."""
        return self.architecture.resolution

    @property
    def num_ws(self) -> int:
        """Rows of a W+ latent."""
        return self.architecture.num_ws

    @property
    def w_avg(self) -> Tensor:
        """The mean latent that the file stores, for truncation; w_dim."""
        return self.mapping.w_avg

    def shape(self, image: Sequence[int]) -> torch.Size:
        """(w_dim,) in W, (num_ws, w_dim) in W+."""
        w_dim = self.architecture.w_dim
        return torch.Size((w_dim,) if self.space == "w" else (self.num_ws, w_dim))

    def standardize(self, w: Tensor) -> Tensor:
        """(w − w̄)/σ, or Σ^(-1/2)·(w − w̄) where the prior is whitened."""
        if self.prior == "isotropic":
            return super().standardize(w)
        return linear(w - self.center, self.whitening)

    def latent(self, w: Tensor) -> Tensor:
        """A batch of W or W+ → B×num_ws×w_dim."""
        return w.unsqueeze(1).expand(-1, self.num_ws, -1) if w.dim() == 2 else w

    def forward(self, w: Tensor) -> Tensor:
        """B×w_dim or B×num_ws×w_dim → B×3×resolution×resolution, about [0, 1]."""
        image: Tensor = self.synthesis(self.latent(w), self.noise == "const")
        return image * 0.5 + 0.5

    @torch.no_grad()
    def _statistics(self, samples: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        # NumPy's legacy stream is promised to stay the same, torch's is not.
        z = np.random.RandomState(seed).randn(samples, self.architecture.z_dim).astype(np.float32)
        w = self.mapping(torch.from_numpy(z))[:, 0].double()
        center = w.mean(0)
        scale = (w - center).square().mean().sqrt()
        variance, axes = torch.linalg.eigh((w - center).T @ (w - center) / samples)
        # Directions in which the samples hardly spread would otherwise outweigh all others.
        whitening = axes.T / (variance + FLOOR * scale.square()).sqrt()[:, None]
        return center.float(), scale.float(), whitening.float()


__all__ = ["Architecture", "StyleGAN2"]
