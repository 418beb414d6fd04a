"""Trains the shipped text-to-image model: an autoencoder, a judge of its pictures, and a latent diffusion model.

    python recipes/train_text_to_image.py --folder text-to-image
    python recipes/train_text_to_image.py --folder text-to-image --resume
    python recipes/export_judge.py text-to-image --command "…"
    python recipes/export_text_to_image.py text-to-image --command "…"

All data are drawn on the fly (``captioned_shapes.py``, ``patterns.py``). The stages run in order; each keeps
one file in the folder, written atomically, and goes on from it with ``--resume``. Step sizes follow the
count of steps, never the clock, and a step's random numbers follow from its number, so that an interrupted
training equals an uninterrupted one. Later ``--steps`` may shorten or lengthen what is left: the step size
stays constant for the first part and falls linearly to zero in the last 40 %.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from captioned_shapes import render
from captions import sample
from diffusers import AutoencoderKL
from latent_networks import autoencoder, denoiser, judge, text_encoder
from scene_pools import encode
from text_to_image_losses import DiffusionLoss, JudgeLoss, VaeLoss
from torch import Tensor, nn

Loss = Callable[[int], Tensor]


@dataclass(frozen=True)
class Stage:
    """How one network is trained.

    Attributes:
        steps: Number of steps.
        rate: Largest step size.
        batch: Pictures per step.
        decay: Of the averaged weights, which are those that are shipped.
    """

    steps: int
    rate: float
    batch: int
    decay: float


STAGES = {
    "vae": Stage(3_000, 2e-3, 32, 0.99),
    "classifier": Stage(1_500, 2e-3, 64, 0.99),
    "diffusion": Stage(10_000, 1.2e-3, 64, 0.999),
}


def prepare(name: str, folder: Path) -> tuple[nn.Module, Loss]:
    """The untrained network of a stage, and its loss."""
    order, batch = list(STAGES).index(name), STAGES[name].batch
    torch.manual_seed(order)
    if name == "vae":
        vae = autoencoder()
        return vae, VaeLoss(vae, batch)
    if name == "classifier":
        model = judge()
        return model, JudgeLoss(model, batch)
    both = nn.ModuleDict({"unet": denoiser(), "text_encoder": text_encoder()})
    return both, DiffusionLoss(both, load_vae(folder), batch)


def load_vae(folder: Path) -> AutoencoderKL:
    """The trained autoencoder, with the factor that brings its latents to deviation 1."""
    vae = autoencoder()
    vae.load_state_dict(torch.load(folder / "vae.pt", weights_only=True)["average"])
    vae.requires_grad_(False).eval()
    mean, _ = encode(vae, render(sample(2048, np.random.default_rng(4)), 4))
    vae.register_to_config(scaling_factor=round(1 / mean.std().item(), 4))
    return vae


class Training:
    """One stage under way: weights, their average, the optimiser, and the count of steps and seconds.

    Args:
        name: Of the stage.
        folder: Where its file is kept.
        steps: Number of steps in all.
    """

    def __init__(self, name: str, folder: Path, steps: int) -> None:
        self.name, self.path, self.steps, self.stage = name, folder / f"{name}.pt", steps, STAGES[name]
        self.model, self.loss = prepare(name, folder)
        self.average = {key: value.clone() for key, value in self.model.state_dict().items()}
        rate = self.stage.rate
        self.optimizer = torch.optim.AdamW(self.model.parameters(), rate, (0.9, 0.99), weight_decay=1e-2)
        self.step, self.spent, self.begin = 0, 0.0, time.process_time()
        if self.path.exists():
            state = torch.load(self.path, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.average, self.step, self.spent = state["average"], state["step"], state["spent"]

    @property
    def seconds(self) -> float:
        """Processor time, that of earlier parts included."""
        return self.spent + time.process_time() - self.begin

    def run(self, end: float) -> bool:
        """Trains; whether all steps were made before the clock came to ``end``."""
        recent: list[float] = []
        while self.step < self.steps:
            recent.append(self._advance())
            over = time.monotonic() > end
            if self.step % 25 == 0:
                mean = np.mean(recent[-25:])
                line = f"{self.name}: step {self.step}, {self.seconds:.0f} s of processor, loss {mean:.4f}"
                print(line, flush=True)
            if self.step % 200 == 0 or self.step == self.steps or over:
                self._save()
            if over:
                break
        return self.step >= self.steps

    def _advance(self) -> float:
        """One step; its loss."""
        torch.manual_seed(1000 * list(STAGES).index(self.name) + 7919 * self.step)
        share = min(1.0, (self.step + 1) / 200, (self.steps - self.step) / (0.4 * self.steps))
        for group in self.optimizer.param_groups:
            group["lr"] = self.stage.rate * share
        value = self.loss(self.step)
        self.optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        decay = min(self.stage.decay, self.step / (self.step + 20))
        for key, tensor in self.model.state_dict().items():
            self.average[key].lerp_(tensor, 1 - decay)
        return value.item()

    def _save(self) -> None:
        """Writes beside, then renames."""
        state: dict[str, Any] = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        state |= {"average": self.average, "step": self.step, "spent": self.seconds}
        torch.save(state, self.path.with_suffix(".tmp"))
        self.path.with_suffix(".tmp").replace(self.path)


def main() -> None:
    """Runs the stages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("text-to-image"))
    parser.add_argument("--resume", action="store_true", help="go on from the files of the folder")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after this time; --resume goes on")
    parser.add_argument("--steps", nargs="*", default=[], metavar="STAGE=COUNT", help="instead of those of STAGES")
    parser.add_argument("--stages", nargs="*", choices=list(STAGES), default=list(STAGES))
    options = parser.parse_args()
    if not options.resume and any((options.folder / f"{name}.pt").exists() for name in options.stages):
        parser.error(f"{options.folder} holds a training: pass --resume to go on, or name another folder")
    options.folder.mkdir(parents=True, exist_ok=True)
    steps = {name: int(count) for name, _, count in (item.partition("=") for item in options.steps)}
    end = time.monotonic() + 60 * options.minutes
    for name in options.stages:
        if not Training(name, options.folder, steps.get(name, STAGES[name].steps)).run(end):
            return


if __name__ == "__main__":
    main()
