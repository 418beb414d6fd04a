"""Style transfer."""

from typing import final

import torch
from lightning.pytorch.cli import OptimizerCallable

from lit_nst.features import Features
from lit_nst.generators import Generator
from lit_nst.losses import Loss, Regulariser
from lit_nst.tasks.base import Task
from lit_nst.tasks.search import Search


@final
class StyleTransfer(Task):
    """Finds the image with the content of one picture and the style of another.

    λ₁·L₁(Φ(x), Φ(content)) + λ₂·L₂(Φ(x), Φ(style)) + R(x): Gatys, Ecker & Bethge, "Image Style Transfer Using
    Convolutional Neural Networks", 2016. Every content is paired with every style, a row of ``w`` each.

    Args:
        generator: What makes the image, usually ``Pixels``.
        content: Loss against the content.
        style: Loss against the style; several weights are a row each.
        palette: Second loss against the style, such as ``HistogramLoss`` on ``image``.
        regulariser: Term on the image and ``w``.
        features: Network whose layers the losses name.
        search: Start, restarts, ramps and jitter.
        optimizer: Optimiser of ``w``; its step size is in units of the generator's scale.
        blend: Weights of the styles, one each, whose statistics are then blended into one target; None:
            each style is a row of its own.
    """

    roles: tuple[str, ...] = ("content", "style")

    def __init__(
        self,
        generator: Generator,
        content: Loss,
        style: Loss,
        palette: Loss | None = None,
        regulariser: Regulariser | None = None,
        features: Features | None = None,
        search: Search | None = None,
        optimizer: OptimizerCallable = torch.optim.Adam,
        blend: list[float] | None = None,
    ) -> None:
        compared = {"content": ("content", content), "style": ("style", style), "palette": ("style", palette)}
        super().__init__(generator, features, compared, regulariser, search, optimizer, blend)
