"""G: what makes an image of ``w``."""

from lit_nst.generators.base import Generator
from lit_nst.generators.latent_diffusion import LatentDiffusion
from lit_nst.generators.pixels import Pixels
from lit_nst.generators.stylegan2 import StyleGAN2

__all__ = ["Generator", "LatentDiffusion", "Pixels", "StyleGAN2"]
