"""What a working folder holds before a hostile file comes into it."""

import contextlib
import io
import os
import shutil
import warnings
from pathlib import Path

import torch
from PIL import Image

from lit_nst.cli import main
from lit_nst.generators.stylegan2.checkpoint import write
from tests.conftest import TINY, tiny_state
from tests.fitting import save_pictures
from tests.generators.latent_diffusion.pipelines import write_pipeline

CONFIG = """
model:
  class_path: Inversion
  init_args:
    generator: {{class_path: {generator}}}
    target: {{class_path: PixelLoss}}
    optimizer: {{class_path: torch.optim.Adam, init_args: {{lr: 0.1}}}}
data: {{target: photo.png}}
trainer: {{accelerator: cpu, max_steps: 2, enable_progress_bar: false}}
"""
STYLEGAN = "StyleGAN2, init_args: {weights: tiny.safetensors, samples: 20}"
GUIDED = """
model:
  class_path: GuidedDiffusion
  init_args:
    generator: {class_path: LatentDiffusion, init_args: {weights: model}}
    prompt: circle
data: {size: 32}
trainer: {accelerator: cpu, max_steps: 2, enable_progress_bar: false}
"""


def furnish(folder: Path) -> Path:
    """Configs, pictures, a generator, a diffusion model, and the results of a run of either kind."""
    folder.mkdir(parents=True, exist_ok=True)
    save_pictures(folder, "picture", (16, 16), (16, 16))
    (folder / "picture0.png").rename(folder / "photo.png")
    (folder / "picture1.png").rename(folder / "other.png")
    mask = Image.new("L", (16, 16))
    mask.paste(255, (4, 4, 12, 12))
    mask.save(folder / "mask.png")
    write(folder / "tiny.safetensors", TINY, tiny_state())
    (folder / "tiny.yaml").write_text(CONFIG.format(generator="Pixels"))
    (folder / "stylegan.yaml").write_text(CONFIG.format(generator=STYLEGAN))
    (folder / "guided.yaml").write_text(GUIDED)
    quiet = io.StringIO()
    with contextlib.redirect_stderr(quiet):
        write_pipeline(folder / "model")
    with contextlib.chdir(folder), contextlib.redirect_stdout(quiet), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main(["fit", "--config", "tiny.yaml"])
        main(["fit", "--config", "stylegan.yaml"])
        main(
            ["align", "photo.png", "--landmarks", _points(folder), "--out", "faces", "--size", "16", "--smallest", "0"]
        )
    shutil.move(folder / "logs/tiny/version_0/checkpoints/last.ckpt", folder / "last.ckpt")
    for name in ("latent.npz", "latent.safetensors"):
        shutil.move(folder / "logs/stylegan/version_0/results" / name, folder / name)
    shutil.rmtree(folder / "logs")
    return folder


def lend(kit: Path, folder: Path) -> Path:
    """A fresh folder with all that the kit has; large or many files are linked, those of a checkpoint copied."""
    shutil.copytree(kit, folder, dirs_exist_ok=True)
    return folder


def checkpoint(folder: Path) -> dict:
    """That of the run of ``tiny.yaml``."""
    return torch.load(folder / "last.ckpt", weights_only=True)


def _points(folder: Path) -> str:
    (folder / "points.json").write_text("[[5, 6], [11, 6], [6, 11], [10, 11]]")
    return "points.json"


def clear() -> None:
    """Takes away what a run leaves in the environment."""
    os.environ.pop("PL_GLOBAL_SEED", None)
