"""Stable Diffusion as a generator: latents, prompts, and the network that predicts."""

from lit_nst.generators.latent_diffusion.generator import LatentDiffusion

__all__ = ["LatentDiffusion"]
