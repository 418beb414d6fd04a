"""StyleGAN2 as a generator of the project."""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.files import sha256
from lit_nst.functional.random import generator as keyed
from lit_nst.generators.base import Generator
from lit_nst.generators.stylegan2.checkpoint import read, resolve, write
from lit_nst.generators.stylegan2.layers import SynthesisLayer
from lit_nst.generators.stylegan2.network import Architecture, Mapping, Synthesis
from lit_nst.generators.stylegan2.noise_maps import autocorrelation, normalized
from lit_nst.generators.stylegan2.prior import Kind, Prior
from lit_nst.generators.stylegan2.spaces import Spaces

SMALL = 256
# Samples: more make w̄ no better.
MOST = 1_000_000


class StyleGAN2(Generator):
    """StyleGAN2 (Karras et al. 2020): ``w`` is a latent.

    The frozen networks have NVlabs' parameter names and arithmetic (skip architecture), without
    compiled operations. w̄ and σ, the centre and the unit of a search, are the mean and the standard
    deviation of one coordinate over seeded samples of the mapping network, as in NVlabs' projector,
    which takes the norm of the whole deviation instead: √w_dim times larger.

    Args:
        weights: ``"embedded"`` (the shipped portraits, 64×64), or a file: NVlabs' ``.pkl``, rosinality's ``.pt``, or
            the project's own ``.safetensors``. Nothing in it is executed.
        space: ``"z"``; ``"w"``: one latent for all layers; ``"w+"``: one per layer; ``"w++"``: one per input channel
            of each convolution; or several of the last three, which a search passes through in that order.
        noise: ``"const"``: the stored noise maps; ``"none"``: no noise; ``"optimized"``: noise maps are part of
            ``w``, of mean 0 and variance 1 each, from the stored ones on. NVlabs' projector does so; it hides in
            them what the latent does not explain.
        prior: What the latent distance measures: ``"isotropic"``, |w − w̄|²/σ², ``"standardized"``, with
            the σ of each coordinate, or ``"whitened"``, with their covariance, or ``"pn"``, the same after undoing the
            last leaky ReLU. Each is divided by the number of coordinates, so that a sample is at distance 1, or below
            where it is whitened, see ``Prior``. In Z it is |z|².
        noise_weight: Factor of the noise maps' autocorrelation, where they are optimised.
        samples: Number of samples behind w̄, σ and the prior.
        seed: Seed of these samples.

    Raises:
        InputError: The file is missing, damaged or of another kind; an unknown space, noise or prior; noise that is
            optimised in a space other than ``w`` and ``w+``; fewer than two samples, or more than ``MOST``.
    """

    def __init__(
        self,
        weights: str = "embedded",
        space: str | list[str] = "w+",
        noise: Literal["const", "none", "optimized"] = "const",
        prior: Kind = "isotropic",
        noise_weight: float = 1e5,
        samples: int = 10_000,
        seed: int = 123,
    ) -> None:
        super().__init__()
        _check(noise, noise_weight, samples, seed)
        path = resolve(weights)
        self.architecture, state = read(path)
        self.digest = sha256(path)
        self.spaces, self.noise, self.noise_weight = Spaces(space, self.architecture), noise, noise_weight
        if noise == "optimized" and self.spaces.names not in (["w"], ["w+"]):
            raise InputError(f"generator.noise is optimized, but generator.space is {space}; give w or w+")
        self.mapping, self.synthesis = Mapping(self.architecture), Synthesis(self.architecture)
        try:
            self.load_state_dict(state)
        except RuntimeError as error:
            raise InputError(f"{path}: {' '.join(str(error).split())}") from None
        self.eval().requires_grad_(False)
        self.synthesis.precompute()
        self.prior = Prior(self._samples(samples, seed), prior)
        in_z = self.spaces.last == "z"
        center = torch.zeros(self.architecture.z_dim) if in_z else self.prior.center
        scale = torch.ones([]) if in_z else self.prior.scale
        if noise == "optimized":
            maps = normalized([layer.noise_const[None, None] for layer in self._noisy()])
            center = self._joined(center.expand(1, *self.spaces.shape), maps, scale)[0]
        self.register_buffer("center", center.clone(), persistent=False)
        self.register_buffer("scale", scale.clone(), persistent=False)

    @classmethod
    def load(cls, weights: str | Path) -> "StyleGAN2":
        """The generator of a file or of a name, in W+."""
        return cls(str(weights))

    def save(self, path: str | Path, half: bool = False) -> None:
        """Writes the networks, by the suffix: ``.safetensors`` (in float16 by ``half``), or rosinality's ``.pt``."""
        write(Path(path), self.architecture, self._state(), half)

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

    @property
    def phases(self) -> int:  # type: ignore[override]
        """Number of the spaces that a search passes through."""
        return len(self.spaces.names)

    @property
    def small(self) -> bool:  # type: ignore[override]
        """Up to 256×256."""
        return self.resolution <= SMALL

    @property
    def clamps(self) -> bool:  # type: ignore[override]
        """Whether ``project`` normalises noise maps."""
        return self.noise == "optimized"

    def shape(self, image: Sequence[int]) -> torch.Size:
        """That of the last space; one vector, latent and noise maps, where the noise is optimised."""
        return torch.Size(self.center.shape if self.noise == "optimized" else self.spaces.shape)

    def tie(self, x: Tensor, phase: int) -> Tensor:
        """The mean over what is one coordinate in the space of a phase."""
        return self.spaces.tie(x, phase)

    def share(self, noise: Tensor, phase: int) -> Tensor:
        """The same noise where the space of a phase has one coordinate; none in the noise maps."""
        if self.noise != "optimized":
            return self.spaces.share(noise, phase)
        size = math.prod(self.spaces.shape)
        return torch.cat([noise[:, :size], torch.zeros_like(noise[:, size:])], 1)

    def sample(self, count: int, seed: int) -> Tensor:
        """Random rows of ``w``, as the mapping network makes them; with the stored noise."""
        z = torch.stack([torch.randn(self.architecture.z_dim, generator=keyed(seed, "z", i)) for i in range(count)])
        z = z.to(self.center.device)
        if self.spaces.last == "z":
            return z
        w: Tensor = self.mapping(z)[:, 0]
        w = w if self.spaces.last == "w" else w.unsqueeze(1).expand(-1, *self.spaces.shape)
        if self.noise == "optimized":
            _, maps = self._split(self.center[None])
            return self._joined(w, [x.expand(count, -1, -1, -1) for x in maps], self.scale)
        return w

    def standardize(self, w: Tensor) -> Tensor:
        """The prior's coordinates, whose mean square is 1 or less over the samples; noise maps are left out."""
        w, _ = self._split(w)
        return w if self.spaces.last == "z" else self.prior(w)

    def project(self, w: Tensor) -> Tensor:
        """Normalises the noise maps, where they are optimised."""
        if self.noise != "optimized":
            return w
        latent, maps = self._split(w)
        return self._joined(latent, normalized(maps), self.scale)

    def penalty(self, w: Tensor) -> Tensor | None:
        """The weighted autocorrelation of the noise maps, where they are optimised."""
        return self.noise_weight * autocorrelation(self._split(w)[1]) if self.noise == "optimized" else None

    def latent(self, w: Tensor) -> Tensor:
        """Rows of ``w`` → B×num_ws×w_dim, in W++ B×Σfans×w_dim."""
        latent, _ = self._split(w)
        return self.mapping(latent) if self.spaces.last == "z" else self.spaces.latent(latent)

    def maps(self, w: Tensor) -> list[Tensor]:
        """The optimised noise maps, B×1×h×h each; none where they are not."""
        return self._split(w)[1]

    def weights_digest(self) -> str:
        """SHA-256 of names and float32 values, the same in every file format."""
        digest = hashlib.sha256()
        for name, value in sorted(self._state().items()):
            digest.update(f"{name}{tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().float().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def forward(self, w: Tensor) -> Tensor:
        """Rows of ``w`` → B×3×resolution×resolution, about [0, 1]."""
        noise = self.maps(w) if self.noise == "optimized" else self.noise == "const"
        image: Tensor = self.synthesis(self.latent(w), noise)
        return image * 0.5 + 0.5

    def _state(self) -> dict[str, Tensor]:
        """All that a file holds, also of a network that a task has frozen, whose ``state_dict`` is empty."""
        found: dict[str, Tensor] = {}
        for path, module in self.named_modules():
            prefix, passing = f"{path}." if path else "", module._non_persistent_buffers_set
            for name, value in (*module._parameters.items(), *module._buffers.items()):
                if value is not None and name not in passing:
                    found[prefix + name] = value.detach()
        return found

    def _noisy(self) -> list[SynthesisLayer]:
        return [layer for layer in self.synthesis.modules() if isinstance(layer, SynthesisLayer)]

    def _split(self, w: Tensor) -> tuple[Tensor, list[Tensor]]:
        """A row of ``w`` → its latent and its noise maps."""
        if self.noise != "optimized":
            return w, []
        sides = [len(layer.noise_const) for layer in self._noisy()]
        latent, *maps = torch.split(w, [math.prod(self.spaces.shape), *(side * side for side in sides)], 1)
        # Noise has the standard deviation 1, stored in units of the scale as all steps are.
        shaped = [x.reshape(-1, 1, side, side) / self.scale for x, side in zip(maps, sides, strict=True)]
        return latent.reshape(-1, *self.spaces.shape), shaped

    @staticmethod
    def _joined(latent: Tensor, maps: Sequence[Tensor], scale: Tensor) -> Tensor:
        return torch.cat([latent.flatten(1), *(x.flatten(1) * scale for x in maps)], 1)

    @torch.no_grad()
    def _samples(self, count: int, seed: int) -> Tensor:
        # NumPy's legacy stream is promised to stay the same, torch's is not.
        z = np.random.RandomState(seed).randn(count, self.architecture.z_dim).astype(np.float32)
        w: Tensor = self.mapping(torch.from_numpy(z))
        return w[:, 0]


def _check(noise: str, noise_weight: float, samples: int, seed: int) -> None:
    if noise not in ("const", "none", "optimized"):
        raise InputError(f'generator.noise is "{noise}"; give const, none or optimized')
    if not 0 <= noise_weight < math.inf:
        raise InputError(f"generator.noise_weight is {noise_weight:g}; give 0 or more")
    if samples < 2:
        raise InputError(f"generator.samples is {samples}; give at least 2, better thousands")
    if samples > MOST:
        raise InputError(f"generator.samples is {samples}; give at most {MOST}")
    if not 0 <= seed < 2**32:
        raise InputError(f"generator.seed is {seed}; give a number from 0 to {2**32 - 1}")


__all__ = ["Architecture", "StyleGAN2"]
