"""Small guided samplings for tests.

``python -m tests.tasks.sampling ARGUMENTS-AS-JSON`` runs one afresh, over two processes.
"""

import functools
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning.pytorch import Callback

from lit_nst.data import Images
from lit_nst.features import VGG19
from lit_nst.generators import LatentDiffusion
from lit_nst.losses import GramLoss, Loss
from lit_nst.samplers import Sampler, Travel
from lit_nst.tasks import GuidedDiffusion
from lit_nst.tasks.guidance import Cfg, Guidance
from tests.fitting import fit
from tests.generators.latent_diffusion.pipelines import unet, vae, write_pipeline

SIDE, LATENT = 16, (4, 8, 8)


def write_model(folder: Path, prediction: str = "epsilon") -> Path:
    """A pipeline of random weights whose pictures have 16×16 pixels and whose latents 4×8×8 numbers."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return write_pipeline(folder, prediction, unet=unet(widths=(8, 16)), vae=vae(widths=(8, 8)))


@functools.cache
def model(prediction: str = "epsilon", **settings: Any) -> LatentDiffusion:
    """It as a generator, one for all tests; a model so small has no need to compute anything twice."""
    settings = {"checkpointing": False, **settings}
    with TemporaryDirectory() as folder:
        return LatentDiffusion(str(write_model(Path(folder) / "model", prediction)), **settings)


def gram(weight: float | list[float] = 0.3) -> GramLoss:
    """A style loss of one layer."""
    return GramLoss(["relu1_1"], weight=weight)


def guided(style: Loss | None = None, guidance: Guidance | None = None, **settings: Any) -> GuidedDiffusion:
    """A sampling by the tiny model; a layer's loss needs a narrow network."""
    return GuidedDiffusion(
        settings.pop("generator", None) or model(),
        style,
        features=VGG19("random", width=0.0625),
        prompt=settings.pop("prompt", "red circle"),
        seed=settings.pop("seed", 3),
        cfg=settings.pop("cfg", Cfg(3.0)),
        guidance=guidance,
        **settings,
    )


class Way(Callback):
    """The latents and the predictions after every pass."""

    def __init__(self) -> None:
        self.w, self.clean = [], []

    def on_train_batch_end(self, trainer, task, *_):
        self.w.append(task.w.detach().clone())
        self.clean.append(task.best.clone())


class Save(Callback):
    """A checkpoint after every step, or after some."""

    def __init__(self, folder: Path, steps: tuple[int, ...] | None = None) -> None:
        self.folder, self.steps = folder, steps

    def on_train_batch_end(self, trainer, task, *_):
        if self.steps is None or trainer.global_step in self.steps:
            trainer.save_checkpoint(self.folder / f"{trainer.global_step}.ckpt")


def run(style: list[str], out: str, devices: int, strategy: str, ckpt_path: str | None = None) -> None:
    """Eight passes of three rows, with time travel and a sampler that keeps a history; checkpoints after 4 and 8."""
    task = guided(gram(), Guidance(travel=Travel(2)), samples=3, sampler=Sampler("dpm++_sde"))
    images = Images(style=style)
    fit(task, images, Path(out), 8, ckpt_path, strategy=strategy, devices=devices, callbacks=[Save(Path(out), (4, 8))])


if __name__ == "__main__":
    run(**json.loads(sys.argv[1]))
