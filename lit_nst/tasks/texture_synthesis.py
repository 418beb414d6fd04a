"""Texture synthesis."""

from typing import final

import torch
from lightning.pytorch.cli import OptimizerCallable

from lit_nst.features import Features
from lit_nst.generators import Generator
from lit_nst.losses import Loss, Regulariser
from lit_nst.tasks.base import Task
from lit_nst.tasks.search import Search


@final
class TextureSynthesis(Task):
    """Finds an image with the statistics of a picture: λ·L(Φ(x), Φ(style)) + R(x).

    Gatys, Ecker & Bethge, "Texture Synthesis Using Convolutional Neural Networks", 2015. The size is that of
    the style, or ``--data.size``. With ``--model.features.padding circular`` the texture tiles.

    Args:
        generator: What makes the image, usually ``Pixels``.
        style: Loss against the style; several weights are a row each.
        palette: Second loss against the style, such as ``HistogramLoss`` on ``image``.
        regulariser: Term on the image and ``w``.
        features: Network whose layers the losses name.
        search: Start, restarts, ramps and jitter.
        optimizer: Optimiser of ``w``; its step size is in units of the generator's scale.
        blend: Weights of the styles, one each, whose statistics are then blended into one target; None:
            each style is a row of its own.
    """

    roles: tuple[str, ...] = ("style",)

    def __init__(
        self,
        generator: Generator,
        style: Loss,
        palette: Loss | None = None,
        regulariser: Regulariser | None = None,
        features: Features | None = None,
        search: Search | None = None,
        optimizer: OptimizerCallable = torch.optim.Adam,
        blend: list[float] | None = None,
    ) -> None:
        compared = {"style": ("style", style), "palette": ("style", palette)}
        super().__init__(generator, features, compared, regulariser, search, optimizer, blend)
