"""Inversion and restoration."""

from typing import final

import torch
from lightning.pytorch.cli import OptimizerCallable

from lit_nst.features import Features
from lit_nst.generators import Generator
from lit_nst.losses import Loss, Regulariser
from lit_nst.tasks.base import Task
from lit_nst.tasks.search import Search


@final
class Inversion(Task):
    """Finds the ``w`` whose image, degraded as the target was, looks like the target.

    With ``StyleGAN2`` this is GAN inversion, with a degradation restoration by a GAN prior, with
    ``Pixels`` and one layer feature inversion (Mahendran & Vedaldi 2015).

    Args:
        generator: What makes the image.
        target: Main loss between the measurement of the prediction and that of the target.
        pixel: Second loss, usually on the image itself.
        regulariser: Term on the clean image and ``w``.
        features: Network whose layers the losses name.
        search: Start, ramps and jitter.
        optimizer: Optimiser of ``w``; its step size is in units of the generator's scale, w_std.
        cap: Longest side that is compared; a larger measurement and prediction are shrunk by a whole factor before
            the network and the losses. None: no limit.
        floor: Shortest side that the network sees; smaller pictures are enlarged for it. None: no limit.
    """

    roles: tuple[str, ...] = ("target",)

    def __init__(
        self,
        generator: Generator,
        target: Loss,
        pixel: Loss | None = None,
        regulariser: Regulariser | None = None,
        features: Features | None = None,
        search: Search | None = None,
        optimizer: OptimizerCallable = torch.optim.Adam,
        cap: int | None = None,
        floor: int | None = None,
    ) -> None:
        compared = {"target": ("target", target), "pixel": ("target", pixel)}
        super().__init__(generator, features, compared, regulariser, search, optimizer, cap=cap, floor=floor)
