"""Checkpoint formats of StyleGAN2; foreign files are read without running anything that is in them."""
