"""Draws prompts in the style of a picture: python examples/guided_diffusion.py [STEPS]."""

import sys

import torch

from lit_nst.data import Images, write_png
from lit_nst.features import VGG19
from lit_nst.generators import LatentDiffusion
from lit_nst.losses import WassersteinLoss
from lit_nst.minimise import minimise
from lit_nst.samplers import Schedule
from lit_nst.tasks import Cfg, Guidance, GuidedDiffusion

STEPS = int(sys.argv[1]) if sys.argv[1:] else 50

task = GuidedDiffusion(
    LatentDiffusion("embedded"),
    style=WassersteinLoss(["relu1_1", "relu2_1", "relu3_1", "relu4_1"], weight=[0.0, 2.0]),
    features=VGG19("embedded"),
    prompt=["a big red circle on a blue background", "a big green star on a white background"],
    cfg=Cfg(scale=3.0),
    guidance=Guidance(schedule=Schedule(start=0.2, stop=0.8)),
    floor=64,
)
found = minimise(task, Images(style="embedded:surfaces/dunes.png"), STEPS)  # 4×3×32×32: each prompt without, with
write_png(torch.cat(list(found), 2), "guided_diffusion.png")
