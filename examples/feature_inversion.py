"""Shows what two layers of a network know of a picture: python examples/feature_inversion.py [SIZE STEPS]."""

import sys

import torch

from lit_nst.data import Images, write_png
from lit_nst.features import VGG19
from lit_nst.generators import Pixels
from lit_nst.losses import ContentLoss, TotalVariation
from lit_nst.minimise import minimise
from lit_nst.optimizers import RowLBFGS
from lit_nst.tasks import Inversion, Search

SIZE, STEPS = map(int, sys.argv[1:] or (128, 150))

images = Images(target="embedded:scenes/still_life.png", size=SIZE)
found = []
for layer in ("relu2_1", "relu3_1"):
    task = Inversion(
        Pixels(),
        target=ContentLoss([layer], normalization="energy"),
        regulariser=TotalVariation(1.0, power=2),
        features=VGG19("embedded"),
        search=Search(spread=0.1),
        optimizer=RowLBFGS,
    )
    found += minimise(task, images, STEPS)  # 3×H×W in [0, 1]
write_png(torch.cat(found, 2), "feature_inversion.png")
