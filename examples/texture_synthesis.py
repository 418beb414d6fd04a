"""Makes more of a texture, from noise: python examples/texture_synthesis.py [SIZE STEPS]."""

import sys

from lit_nst.data import Images, write_png
from lit_nst.features import VGG19
from lit_nst.generators import Pixels
from lit_nst.losses import TotalVariation, WassersteinLoss
from lit_nst.minimise import minimise
from lit_nst.optimizers import RowLBFGS
from lit_nst.tasks import Search, TextureSynthesis

SIZE, STEPS = map(int, sys.argv[1:] or (128, 200))

images = Images(style="embedded:styles/pebbles.png", size=SIZE)
task = TextureSynthesis(
    Pixels(),
    style=WassersteinLoss(["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"], weight=3.0),
    regulariser=TotalVariation(0.2),
    features=VGG19("embedded"),
    search=Search(start="style"),
    optimizer=RowLBFGS,
)
found = minimise(task, images, STEPS)  # 1×3×H×W in [0, 1]
write_png(found[0], "texture_synthesis.png")
