"""What each stage of ``train_text_to_image.py`` minimises: a callable that takes the number of the step."""

import numpy as np
import torch
import torch.nn.functional as F
from captioned_shapes import SIZE
from captions import LENGTH, NAMED, SURFACES, WORDLESS, caption
from diffusers import AutoencoderKL
from diffusers.models.attention_processor import AttnProcessor
from latent_networks import schedule, tokenizer
from scene_pools import Pool, encode, textures
from torch import Tensor, nn

from lit_nst.features.attributes import AttributeClassifier


class VaeLoss:
    """L1 of pixels and of their differences, and a light pull of the latents to a normal distribution."""

    def __init__(self, model: AutoencoderKL, batch: int) -> None:
        self.model, self.batch = model, batch
        self.pool, self.textures = Pool(12_000, 1000, SURFACES, 1), textures(2000, 1)

    def __call__(self, step: int) -> Tensor:
        """The loss of one step: three quarters scenes, one quarter patterns."""
        self.pool.update(step)
        scene = torch.randint(len(self.pool.pictures), (self.batch * 3 // 4,))
        texture = torch.randint(len(self.textures), (self.batch // 4,))
        image = 2 * torch.cat([self.pool.pictures[scene], self.textures[texture]]) - 1
        with torch.autocast("cpu", torch.bfloat16):
            code = self.model.encode(image).latent_dist
            again = self.model.decode(code.sample()).sample
        error = again.float() - image
        edges = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
        divergence = 0.5 * (code.mean.float() ** 2 + code.var.float() - 1 - code.logvar.float()).mean()
        return error.abs().mean() + 0.3 * edges + 5e-4 * divergence


class JudgeLoss:
    """Cross-entropy of all questions on pictures with some blur, noise and a shift of colour.

    The judge sees every pair of a colour and a shape: else it could not tell whether the model can draw those that
    were held out from the model.
    """

    def __init__(self, model: AttributeClassifier, batch: int) -> None:
        self.model, self.batch, self.pool = model, batch, Pool(12_000, 1000, SURFACES, 2, pairs=True)

    def __call__(self, step: int) -> Tensor:
        """The loss of one step."""
        self.pool.update(step)
        pick = torch.randint(len(self.pool.pictures), (self.batch,))
        image = self.pool.pictures[pick]
        soft = F.interpolate(F.interpolate(image, scale_factor=0.6, mode="area"), SIZE, mode="bilinear")
        image = torch.lerp(image, soft, torch.rand(self.batch, 1, 1, 1))
        image = image + 0.03 * torch.randn(self.batch, 3, 1, 1) + 0.06 * torch.rand(()) * torch.randn(image.shape)
        right = self.pool.answers(pick)
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.model(image)
        losses = [F.cross_entropy(logits[name].float(), answer) for name, answer in right.items()]
        return sum(losses, torch.zeros(()))


class DiffusionLoss:
    """Mean squared error of v (Salimans & Ho, 2022) over all noise levels.

    Some captions are empty, for classifier-free guidance (Ho & Salimans, 2021).
    """

    def __init__(self, model: nn.ModuleDict, vae: AutoencoderKL, batch: int) -> None:
        self.model, self.vae, self.batch = model, vae, batch
        self.pool, self.tokenizer = Pool(16_384, 2000, (*NAMED, *WORDLESS), 3), tokenizer()
        self.alphas = schedule().alphas_cumprod
        # The fused attention of PyTorch takes 40 % of a step in bfloat16 on a CPU; the plain one, 5 %.
        model["unet"].set_attn_processor(AttnProcessor())
        model["text_encoder"].set_attn_implementation("eager")

    def __call__(self, step: int) -> Tensor:
        """The loss of one step."""
        if self.pool.update(step):
            self.mean, self.std = encode(self.vae, self.pool.pictures)
        pick = torch.randint(len(self.mean), (self.batch,))
        random = np.random.default_rng((3, step))
        texts = [caption(self.pool.scenes[index], random) for index in pick.tolist()]
        ids = self.tokenizer(texts, padding="max_length", max_length=LENGTH, return_tensors="pt").input_ids
        latent = self.mean[pick] + self.std[pick] * torch.randn(self.mean[pick].shape)
        noise, level = torch.randn(latent.shape), torch.randint(1000, (self.batch,))
        alpha = self.alphas[level].view(-1, 1, 1, 1)
        noisy = alpha.sqrt() * latent + (1 - alpha).sqrt() * noise
        target = alpha.sqrt() * noise - (1 - alpha).sqrt() * latent
        with torch.autocast("cpu", torch.bfloat16):
            state = self.model["text_encoder"](ids).last_hidden_state
            found = self.model["unet"](noisy, level, state).sample
        return F.mse_loss(found.float(), target)
