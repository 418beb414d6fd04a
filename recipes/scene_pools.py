"""What the stages of ``train_text_to_image.py`` learn from: scenes with pictures, patterns, latents."""

import numpy as np
import torch
import torch.nn.functional as F
from captioned_shapes import SIZE, render
from captions import sample
from diffusers import AutoencoderKL
from latent_networks import QUESTIONS
from patterns import draw
from torch import Tensor


class Pool:
    """Some thousand scenes and their pictures, drawn anew every ``refresh`` steps.

    Args:
        count: Number of scenes.
        refresh: Number of steps for which they stay.
        surfaces: Those that they may have.
        seed: Another one for every pool.
        pairs: Whether the held-out pairs of colour and shape are among them.
    """

    def __init__(self, count: int, refresh: int, surfaces: tuple[str, ...], seed: int, pairs: bool = False) -> None:
        self.count, self.refresh, self.surfaces, self.seed, self.pairs = count, refresh, surfaces, seed, pairs
        self.age = -1

    def update(self, step: int) -> bool:
        """Draws the pictures that belong to this step; whether they are other ones than before."""
        age = step // self.refresh
        if age == self.age:
            return False
        self.age, key = age, self.seed * 1000 + age
        self.scenes = sample(self.count, np.random.default_rng(key), self.surfaces, self.pairs)
        self.pictures = render(self.scenes, key)
        return True

    def answers(self, pick: Tensor) -> dict[str, Tensor]:
        """The right answers about some scenes, by question."""
        found = [self.scenes[index] for index in pick.tolist()]
        return {
            name: torch.tensor([known.index(getattr(scene, name)) for scene in found])
            for name, known in QUESTIONS.items()
        }


def textures(count: int, seed: int) -> Tensor:
    """Patterns at 32×32, drawn at this or twice this size; N×3×32×32 in [0, 1]."""
    found = torch.empty(count, 3, SIZE, SIZE)
    for index in range(count):
        picture, _ = draw(seed * 1_000_003 + index, SIZE * (1 + index % 2))
        found[index] = F.interpolate(torch.from_numpy(picture).float()[None], (SIZE, SIZE), mode="area")[0]
    return found


@torch.no_grad()
def encode(vae: AutoencoderKL, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the latents, times the factor of the autoencoder."""
    means, stds = [], []
    for part in pictures.split(256):
        with torch.autocast("cpu", torch.bfloat16):
            code = vae.encode(2 * part - 1).latent_dist
        means.append(code.mean.float() * vae.config.scaling_factor)
        stds.append(code.std.float() * vae.config.scaling_factor)
    return torch.cat(means), torch.cat(stds)
