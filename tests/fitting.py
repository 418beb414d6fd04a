"""Small runs for tests."""

import warnings
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer

from lit_nst.data import Images, write_png
from lit_nst.features import VGG19
from lit_nst.functional.random import generator as keyed
from lit_nst.generators import Generator, Pixels, StyleGAN2
from lit_nst.losses import ContentLoss, GramLoss, LatentDistance, Loss, PixelLoss
from lit_nst.parallel import AtomicCheckpointIO
from lit_nst.tasks import Inversion, Search, StyleTransfer, Task, TextureSynthesis


def save_images(images: torch.Tensor, folder: Path) -> str:
    """Writes pictures 00.png, 01.png, … and returns the folder."""
    for i, image in enumerate(images):
        write_png(image, folder / f"{i:02d}.png")
    return str(folder)


def smooth(height: int, width: int, *key: int | str) -> torch.Tensor:
    """A smooth picture, 3×H×W in [0, 1], drawn by its key."""
    coarse = torch.rand(1, 3, 5, 5, generator=keyed("smooth", *key))
    return torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")[0]


def save_pictures(folder: Path, name: str, *sizes: tuple[int, int]) -> list[str]:
    """Writes smooth pictures NAME0.png, NAME1.png, … of some sizes; each depends on name, number and size alone."""
    paths = [folder / f"{name}{i}.png" for i in range(len(sizes))]
    for i, (path, (height, width)) in enumerate(zip(paths, sizes, strict=True)):
        write_png(smooth(height, width, name, i), path)
    return [str(path) for path in paths]


def adam(parameters: Any) -> torch.optim.Optimizer:
    """Adam with the step size of most tests."""
    return torch.optim.Adam(parameters, lr=0.05)


def style_transfer(style: Loss | None = None, **settings: Any) -> StyleTransfer:
    """A style transfer by a narrow network; relu2_1 sees 16 pixels as 8."""
    return StyleTransfer(
        settings.pop("generator", None) or Pixels(),
        settings.pop("content", None) or ContentLoss(["relu2_1"]),
        style or GramLoss(["relu1_1", "relu2_1"], weight=10.0),
        features=VGG19("random", width=0.0625),
        optimizer=settings.pop("optimizer", adam),
        **settings,
    )


def texture_synthesis(style: Loss | None = None, **settings: Any) -> TextureSynthesis:
    """A texture synthesis by the same network, from noise."""
    return TextureSynthesis(
        Pixels(),
        style or GramLoss(["relu1_1", "relu2_1"], weight=10.0),
        search=settings.pop("search", Search(spread=0.2)),
        features=VGG19("random", width=0.0625),
        optimizer=settings.pop("optimizer", adam),
        **settings,
    )


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


def fit(task: Task, images: Images, folder: Path, steps: int = 12, ckpt_path: Any = None, **options: Any) -> Trainer:
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
