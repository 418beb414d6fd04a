"""The results folder."""

import io
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from PIL import Image
from safetensors.torch import save
from torch import Tensor

from lit_nst.callbacks.figures import Pictures, row_figures
from lit_nst.callbacks.truth import load_content, load_truth, styles_of
from lit_nst.data import write_png, write_sheet
from lit_nst.features import VGG16, Features
from lit_nst.files import write_atomically
from lit_nst.losses import ContentLoss
from lit_nst.report import Row, collage, comparison, human_time, summary_table

RESERVED = ("comparison", "trajectory")
SHOWN = 16


class Results(Callback):
    """Writes what a run found: the best ``w`` of each row, its picture, its figures.

    ``results/NAME.png`` per row, ``results/comparison.png``, ``results/latent.npz`` and
    ``latent.safetensors`` where ``w`` is a latent, ``metrics.json``, and a summary in the terminal. A row
    named as one of the report's own pictures gets ``_`` after its name; pixels that are not finite are black.

    Args:
        judge: Network of the LPIPS-type distance ``perceptual`` (unit-normalised features, squared
            difference, no learnt channel weights); None: a half-width random VGG16 that guides no task.
        summary: Shows the figures in the terminal.
    """

    def __init__(self, judge: Features | None = None, summary: bool = True) -> None:
        self.summary = summary
        self.judge = judge or VGG16("random", ["relu1_2", "relu2_2", "relu3_3"], width=0.5, seed=2_001)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        task: Any = pl_module
        rows = range(task.shard.total)
        # Now, since a file that cannot be read must not end a run after its last step.
        self._pictures = Pictures(
            load_truth(trainer, task, rows), load_content(trainer, task, rows), styles_of(task, rows)
        )

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
        names = _free(task.names)
        figures = row_figures(names, found, self._pictures, self.judge)
        figures = [{"name": row["name"], **own, **row} for own, row in zip(_problems(task), figures, strict=True)]
        self._write_images(folder / "results", names, found, figures)
        self._write_latents(folder / "results", task, names, found["w"])
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

    def _write_images(
        self, folder: Path, names: list[str], found: dict[str, Tensor], figures: list[dict[str, Any]]
    ) -> None:
        for i, name in enumerate(names):
            write_png(found["result"][i], folder / f"{name}.png")
        sheet = self._compared(names, found, figures) if not self._pictures.styles else self._styled(names, found)
        write_sheet(sheet, folder / "comparison.png")

    def _compared(self, names: list[str], found: dict[str, Tensor], figures: list[dict[str, Any]]) -> Image.Image:
        lines, truth = [], self._pictures.truth
        for i, name in enumerate(names):
            text = {"measurement": "measurement_psnr", "result": "psnr"}
            notes = {column: f"{figures[i][key]:.1f} dB" for column, key in text.items() if key in figures[i]}
            target = None if truth is None else truth[i]
            measurement = found["measurement"][i].clamp(0, 1) if "measurement" in found else None
            lines.append(Row(name, target, measurement, found["result"][i], notes))
        return comparison(lines)

    def _styled(self, names: list[str], found: dict[str, Tensor]) -> Image.Image:
        lines: list[list[Tensor | None]] = []
        for i in range(min(len(names), SHOWN)):
            styles: list[Tensor | None] = [picture for _, picture in self._pictures.styles[i]]
            before = [] if self._pictures.content is None else [self._pictures.content[i]]
            lines.append([*before, *styles, found["result"][i]])
        heads = [*(["content"] if self._pictures.content is not None else []), *["style"] * len(styles), "result"]
        return collage(lines, names[: len(lines)], heads, scale=None if found["result"].shape[-1] < 192 else 1)

    def _write_latents(self, folder: Path, task: Any, names: list[str], w: Tensor) -> None:
        latent = task.generator.latent(w)
        if latent is None:
            return
        latent = latent.contiguous()
        data = io.BytesIO()
        np.savez(data, latent=latent.numpy(), names=np.array(names))
        write_atomically(folder / "latent.npz", data.getvalue())
        metadata = {"generator_sha256": str(task.generator.digest), "names": json.dumps(names)}
        write_atomically(folder / "latent.safetensors", save({"latent": latent}, metadata))

    def _summary(self, figures: list[dict[str, Any]], folder: Path, seconds: float, steps: int) -> str:
        keys = ["name", "loss", "measurement_psnr", "psnr", "ssim", "perceptual", "content_distance", "style_distance",
                "latent_distance"]  # fmt: skip
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
    for name, loss in task.compared.items():
        if isinstance(loss, ContentLoss):
            own[f"energy_{name}"] = loss.energy(task.references[name])[: len(local)]
    if len(task.degradation):
        own["measurement"] = task.target[: len(local)]
        own["predicted"] = task.degradation(task.shard.pad(local))[: len(local)]
    return own


def _problems(task: Any) -> list[dict[str, Any]]:
    """What each row is: its pictures, weights and start."""
    return [
        {
            "images": {role: task.role_names[role][index] for role, index in task.grid[row].images.items()},
            "weights": {term: task.grid.weight(row, term) for term in task.grid.weights},
            "restart": task.grid[row].restart,
        }
        for row in range(len(task.grid))
    ]


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
