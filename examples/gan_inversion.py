"""Finds the StyleGAN2 latents of four portraits: python examples/gan_inversion.py [STEPS]."""

import sys
from functools import partial

import torch

from lit_nst.data import Images, write_png
from lit_nst.features import VGG16
from lit_nst.generators import StyleGAN2
from lit_nst.losses import LatentDistance, PerceptualLoss, PixelLoss
from lit_nst.minimise import minimise
from lit_nst.tasks import Inversion

(STEPS,) = map(int, sys.argv[1:] or (200,))
LAYERS = ("relu1_2", "relu2_2", "relu3_3")

images = Images(target="embedded:portraits/0[0-3].png")
task = Inversion(
    StyleGAN2("embedded", space=["w", "w+"], prior="whitened"),
    target=PerceptualLoss([f"{layer}{size}" for size in ("", "/2", "/4", "/8") for layer in LAYERS]),
    pixel=PixelLoss(40.0),
    regulariser=LatentDistance(0.03),
    features=VGG16("random", width=0.25),
    optimizer=partial(torch.optim.Adam, lr=0.1),
    floor=16,
)
found = minimise(task, images, STEPS)  # 4×3×64×64 in [0, 1]; the latents are task.best
write_png(torch.cat(list(found), 2), "gan_inversion.png")
