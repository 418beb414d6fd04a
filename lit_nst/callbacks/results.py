"""The results folder."""

import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from lit_nst.callbacks.figures import Pictures, row_figures
from lit_nst.callbacks.judge import FEWEST, Judge
from lit_nst.callbacks.latents import write_latents
from lit_nst.callbacks.sheets import compared, styled
from lit_nst.callbacks.truth import load_content, load_truth, styles_of
from lit_nst.data import write_png, write_sheet
from lit_nst.degradations import Mask
from lit_nst.errors import InputError
from lit_nst.features import VGG16, Features
from lit_nst.files import write_atomically
from lit_nst.losses import ContentLoss, Loss
from lit_nst.report import human_time, paste_back, summary_table

RESERVED = ("comparison", "trajectory")


class Results(Callback):
    """Writes what a run found: the best ``w`` of each row, its picture, its figures.

    ``results/NAME.png`` per row, ``results/comparison.png``, ``results/latent.npz`` and
    ``latent.safetensors`` where ``w`` is a latent, ``metrics.json``, and a summary in the terminal. Where the
    only degradation is a mask, ``results/composite/NAME.png`` has the known pixels as they were and the result in
    the hole. A row named as one of the report's own pictures gets ``_`` after its name; pixels that are not
    finite are black. With ``search.keep best`` there is one row for each problem, the best of its restarts.

    Args:
        judge: Network of the LPIPS-type distance ``perceptual`` (unit-normalised features, squared
            difference, no learnt channel weights); None: a half-width random VGG16 that guides no task.
        distance: Another distance of the judge's maps, such as ``LPIPSLoss`` with the trained network that belongs to
            it; the figure is then called ``lpips``, or as the class in small letters.
        samples: Random samples of the generator that ``generator_distance`` is judged by, ``feature_realism`` of
            pictures of at most 64×64; 0: no such figure.
        feather: Width of the seam of a composite, in shares of the shorter side.
        summary: Shows the figures in the terminal.

    Raises:
        InputError: A negative number, or samples of a generator that has none.
    """

    def __init__(
        self,
        judge: Features | None = None,
        distance: Loss | None = None,
        samples: int = 0,
        feather: float = 0.05,
        summary: bool = True,
    ) -> None:
        if samples < 0 or feather < 0 or 0 < samples < FEWEST:
            raise InputError(
                f"results: samples is {samples}, feather {feather}; give 0 or at least {FEWEST}, and 0 or more"
            )
        self.samples, self.feather, self.summary = samples, feather, summary
        network = judge or VGG16("random", ["relu1_2", "relu2_2", "relu3_3"], width=0.5, seed=2_001)
        self.judge = Judge(network, distance)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        task: Any = pl_module
        rows = range(task.shard.total)
        # Now, since a file that cannot be read must not end a run after its last step.
        self._pictures = Pictures(
            load_truth(trainer, task, rows), load_content(trainer, task, rows), styles_of(task, rows)
        )
        self.judge.check(task.size)
        if self.samples and trainer.is_global_zero:
            self.judge.know(task.generator, self.samples)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._begin, self._first = time.perf_counter(), trainer.global_step

    @torch.no_grad()
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        task: Any = pl_module
        seconds = time.perf_counter() - self._begin
        folder = Path(trainer.log_dir or trainer.default_root_dir)
        found = {name: task.gather(value).detach().cpu() for name, value in _own(task).items()}
        if not trainer.is_global_zero:
            return
        rows = task.grid.best(found["loss"].tolist()) if task.search.keep == "best" else list(range(len(task.grid)))
        tried = found["loss"].view(-1, task.search.restarts)
        found, pictures = {name: value[rows] for name, value in found.items()}, self._pictures.chosen(rows)
        names = _free(task.grid.names(task.role_names, None if task.search.keep == "all" else rows))
        if "hole" in found:
            found["composite"] = self._composite(found)
        figures = row_figures(names, found, pictures, self.judge)
        figures = [
            {"name": row["name"], **own, **row} for own, row in zip(map(task.problem, rows), figures, strict=True)
        ]
        if task.search.keep == "best" and task.search.restarts > 1:
            for row, losses in zip(figures, tried.tolist(), strict=True):
                row["restart_losses"] = losses
        self._write_images(folder / "results", names, found, figures, pictures)
        write_latents(folder / "results", task.generator, names, found["w"])
        record = {
            "task": type(task).__name__,
            "steps": trainer.global_step,
            "seconds": round(seconds, 3),
            "steps_per_second": round((trainer.global_step - self._first) / max(seconds, 1e-9), 3),
            "generator_sha256": task.generator.digest,
            "rows": figures,
            "mean": {
                k: float(np.mean([row[k] for row in figures])) for k, v in figures[0].items() if isinstance(v, float)
            },
        }
        write_atomically(folder / "metrics.json", json.dumps(_plain(record), indent=2, allow_nan=False).encode())
        if self.summary:
            trainer.print(self._summary(figures, folder, seconds, trainer.global_step - self._first))

    def _composite(self, found: dict[str, Tensor]) -> Tensor:
        measurement, hole = found["measurement"], found["hole"]
        return paste_back(found["result"], measurement, hole, round(self.feather * min(measurement.shape[-2:])))

    def _write_images(
        self,
        folder: Path,
        names: list[str],
        found: dict[str, Tensor],
        figures: list[dict[str, Any]],
        pictures: Pictures,
    ) -> None:
        for i, name in enumerate(names):
            write_png(found["result"][i], folder / f"{name}.png")
            if "composite" in found:
                write_png(found["composite"][i], folder / "composite" / f"{name}.png")
        sheet = (
            styled(names, found, figures, pictures) if pictures.styles else compared(names, found, figures, pictures)
        )
        write_sheet(sheet, folder / "comparison.png")

    def _summary(self, figures: list[dict[str, Any]], folder: Path, seconds: float, steps: int) -> str:
        keys = ["name", "loss", "measurement_psnr", "psnr", "composite_psnr", "ssim", self.judge.name,
                "content_distance", "style_distance", "latent_distance", "generator_distance"]  # fmt: skip
        rows = [{key: row[key] for key in keys if key in row} for row in figures]
        if "style_distance" in rows[0]:
            # Pixels have no latent to speak of.
            rows = [{key: value for key, value in row.items() if key != "latent_distance"} for row in rows]
        paths = [f"  {folder / name}" for name in ("results", "results/comparison.png", "metrics.json", "metrics.csv")]
        return "\n".join([
            "", summary_table(rows), "", f"{steps} steps in {human_time(seconds)}. Look at:", *paths,
            f"  tensorboard --logdir {folder.parent}",
        ])  # fmt: skip


def _own(task: Any) -> dict[str, Tensor]:
    """What this process found, a row each."""
    local = task(task.best).float().nan_to_num(0)
    own: dict[str, Tensor] = {
        "result": local,
        "w": task.best,
        "loss": task.best_loss,
        "stopped": task.stopped,
        "distance": task.generator.standardize(task.best).square().flatten(1).mean(1),
        **{f"term_{name}": value for name, value in task.terms(task.best).items()},
    }
    own |= task.counts
    for name, loss in task.compared.items():
        if isinstance(loss, ContentLoss):
            own[f"energy_{name}"] = loss.energy(task.references[name])[: len(local)]
    if len(task.degradation):
        own["measurement"] = task.target[: len(local)].float()
        own["predicted"] = task.degradation(task.shard.pad(local))[: len(local)].float()
        if len(task.degradation) == 1 and isinstance(mask := task.degradation[0], Mask):
            known = mask.known(task.shard.pad(local))
            own["hole"] = (known.expand(len(task.shard.padded), -1, -1, -1)[: len(local)] == 0).to(local.dtype)
    return own


def _free(names: list[str]) -> list[str]:
    """Names of rows that leave the report's own files alone."""
    taken = {*RESERVED, *(name.casefold() for name in names)}
    free = []
    for name in names:
        if name.casefold() in RESERVED:
            while name.casefold() in taken:
                name += "_"
        free.append(name)
    return free


def _plain(value: Any) -> Any:
    """Non-finite numbers have no JSON: None."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
