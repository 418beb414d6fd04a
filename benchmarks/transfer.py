"""What the benchmarks of style transfer share: an objective without Lightning, and plain loops on it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lit_nst.data import fit_image, read_image
from lit_nst.embedded import locate
from lit_nst.features import VGG19, Features, SqueezeNet
from lit_nst.functional.color import match_colors
from lit_nst.functional.random import normal
from lit_nst.generators import Pixels
from lit_nst.losses import ContentLoss, Loss, Regulariser, TotalVariation, WassersteinLoss
from lit_nst.optimizers import RowLBFGS

LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
PLAIN, DEFAULT = Pixels(), Pixels(spectrum=0.5)
JUDGED = ["relu1", "fire2", "fire4", "fire6"]


def picture(name: str, size: int) -> Tensor:
    """A shipped picture, such as ``scenes/harbour``, or a file."""
    path = Path(name) if Path(name).is_file() else locate(f"embedded:{name}.png")
    return fit_image(read_image(path)[0], (size, size))


def judge(weights: str | None) -> Features:
    """The network that judges: trained SqueezeNet features where a file is given, else a random VGG-19."""
    return SqueezeNet(weights, JUDGED) if weights else VGG19("random", LAYERS[:4], width=0.5, seed=2_001)


@dataclass
class Job:
    """Content, style and the losses of one style transfer, as configs/style_transfer.yaml has them."""

    network: Features
    content: Tensor
    style: Tensor
    content_loss: Loss
    style_loss: Loss
    regulariser: Regulariser | None

    def __post_init__(self) -> None:
        self.network.select(list(dict.fromkeys([*self.content_loss.layers, *self.style_loss.layers])))
        with torch.no_grad():
            self.content_target = self.content_loss.measure(self.network(self.content[None]))
            self.style_target = self.style_loss.measure(self.network(self.style[None]))

    def loss(self, w: Tensor) -> Tensor:
        """One value per row."""
        maps = self.network(w)
        total: Tensor = self.content_loss(maps, self.content_target) + self.style_loss(maps, self.style_target)
        return total if self.regulariser is None else total + self.regulariser(w, w)

    def start(self, kind: str, seed: int = 0) -> Tensor:
        """``noise``, ``grey`` (a trace of noise, as neural-style), ``content`` or ``recolored``; 1×3×H×W."""
        if kind in ("noise", "grey"):
            return 0.5 + (0.1 if kind == "noise" else 4e-6) * normal(self.content.shape, seed, "start")[None]
        image = self.content if kind == "content" else match_colors(self.content, self.style).clamp(0, 1)
        return image[None].clone()


def default_job(network: Features, content: Tensor, style: Tensor) -> Job:
    """The objective of configs/style_transfer.yaml."""
    losses = ContentLoss(["relu4_2"], 1.0, normalization="energy"), WassersteinLoss(LAYERS, 3.0)
    return Job(network, content, style, *losses, TotalVariation(0.2))


@dataclass
class Trace:
    """Losses and seconds of every evaluation, and the picture of the lowest loss."""

    losses: list[float]
    seconds: list[float]
    best: Tensor

    def reach(self, loss: float) -> float | None:
        """Seconds until a loss is reached; None: never."""
        return next((s for value, s in zip(self.losses, self.seconds, strict=True) if value <= loss), None)


def descend(
    job: Job,
    start: Tensor,
    make: Callable[[Sequence[Tensor]], torch.optim.Optimizer],
    evaluations: int,
    goal: float = -1.0,
    generator: Pixels = PLAIN,
) -> Trace:
    """A plain loop in the generator's ``w`` until the evaluations are used up or the loss is at the goal."""
    w = generator.encode(start.clone()).requires_grad_()
    optimizer, losses, seconds = make([w]), list[float](), list[float]()
    best, begin = start, time.perf_counter()

    def closure() -> Tensor:
        nonlocal best
        optimizer.zero_grad()
        image = generator(w)
        loss = job.loss(image).sum()
        loss.backward()
        losses.append(float(loss.detach()))
        seconds.append(time.perf_counter() - begin)
        if losses[-1] <= min(losses):
            best = image.detach().clone()
        return loss

    while len(losses) < evaluations:
        before = len(losses)
        optimizer.step(closure)
        if len(losses) == before or min(losses) <= goal or not torch.isfinite(w).all():
            break
    return Trace(losses, seconds, best.clamp(0, 1)[0])


def safe(parameters: Sequence[Tensor]) -> torch.optim.Optimizer:
    """The project's default."""
    return RowLBFGS(parameters)


def unguarded(evaluations: int) -> Callable[[Sequence[Tensor]], torch.optim.Optimizer]:
    """L-BFGS as the well-known scripts use it: history 100, no line search, tolerances off."""

    def make(parameters: Sequence[Tensor]) -> torch.optim.Optimizer:
        return torch.optim.LBFGS(
            parameters, lr=1, max_iter=evaluations, max_eval=evaluations, history_size=100,
            tolerance_grad=-1, tolerance_change=-1,
        )  # fmt: skip

    return make
