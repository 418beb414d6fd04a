"""From noise to latents: samplers of diffusion models, with their levels, weights and repeats as data."""

from lit_nst.samplers.denoising import Denoising, noises
from lit_nst.samplers.level import Level, Prediction
from lit_nst.samplers.process import Process
from lit_nst.samplers.sampler import Sampler
from lit_nst.samplers.schedule import Schedule
from lit_nst.samplers.travel import Pass, Travel

__all__ = ["Denoising", "Level", "Pass", "Prediction", "Process", "Sampler", "Schedule", "Travel", "noises"]
