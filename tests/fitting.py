"""Small runs for tests."""

import warnings
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer

from lit_nst.data import Images, write_png
from lit_nst.generators import Generator, StyleGAN2
from lit_nst.losses import LatentDistance, PixelLoss
from lit_nst.parallel import AtomicCheckpointIO
from lit_nst.tasks import Inversion, Search


def save_images(images: torch.Tensor, folder: Path) -> str:
    """Writes pictures 00.png, 01.png, … and returns the folder."""
    for i, image in enumerate(images):
        write_png(image, folder / f"{i:02d}.png")
    return str(folder)


def inversion(path: Path, generator: Generator | None = None, **settings: Any) -> Inversion:
    """An inversion by pixels and latent distance."""
    return Inversion(
        generator or StyleGAN2(str(path), samples=200),
        PixelLoss(weight=1.0),
        regulariser=LatentDistance(0.01),
        search=settings.pop("search", Search(jitter=0.1)),
        optimizer=settings.pop("optimizer", lambda parameters: torch.optim.Adam(parameters, lr=0.1)),
        **settings,
    )


def fit(
    task: Inversion, images: Images, folder: Path, steps: int = 12, ckpt_path: Any = None, **options: Any
) -> Trainer:
    """Runs a task without logger and bar."""
    settings = {
        "accelerator": "cpu", "devices": 1, "logger": False, "enable_progress_bar": False,
        "enable_model_summary": False, "enable_checkpointing": False, "log_every_n_steps": 4,
        "plugins": [AtomicCheckpointIO()],
    }  # fmt: skip
    trainer = Trainer(max_steps=steps, default_root_dir=folder, **{**settings, **options})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", "row ")
        trainer.fit(task, datamodule=images, ckpt_path=ckpt_path)
    return trainer
