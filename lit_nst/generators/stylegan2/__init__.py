"""StyleGAN2 in plain PyTorch."""

from lit_nst.generators.stylegan2.generator import Architecture, StyleGAN2

__all__ = ["Architecture", "StyleGAN2"]
