"""The results folder."""

import io
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, LightningModule, Trainer
from safetensors.torch import save
from torch import Tensor

from lit_nst.callbacks.truth import load_truth
from lit_nst.data import write_png, write_sheet
from lit_nst.features import VGG16, Features
from lit_nst.files import write_atomically
from lit_nst.report import Row, comparison, feature_distance, human_time, psnr, ssim, summary_table

RESERVED = ("comparison", "trajectory")


class Results(Callback):
    """Writes what a run found: the best ``w`` of each row, its picture, its figures.

    ``results/NAME.png`` per row, ``results/comparison.png``, ``results/latent.npz`` and
    ``latent.safetensors`` where ``w`` is a latent, ``metrics.json``, and a summary in the terminal. A row
    named as one of the report's own pictures gets ``_`` after its name; pixels that are not finite are black.

    Args:
        judge: Network of the LPIPS-type distance ``perceptual`` (unit-normalised features, squared
            difference, no learnt channel weights); None: a half-width random VGG16 that guides no task.
    """

    def __init__(self, judge: Features | None = None) -> None:
        self.judge = judge or VGG16("random", ["relu1_2", "relu2_2", "relu3_3"], width=0.5, seed=2_001)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        task: Any = pl_module
        # Now, since a file that cannot be read must not end a run after its last step.
        self._truth = load_truth(trainer, task, range(task.shard.total))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._begin, self._first = time.perf_counter(), trainer.global_step

    @torch.no_grad()
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        task: Any = pl_module
        seconds = time.perf_counter() - self._begin
        folder = Path(trainer.log_dir or trainer.default_root_dir)
        local = task(task.best).float().nan_to_num(0)
        role = task.roles[0]
        own: dict[str, Tensor] = {
            "result": local,
            "w": task.best,
            "loss": task.best_loss,
            "stopped": task.stopped,
            "distance": task.generator.standardize(task.best).square().flatten(1).mean(1),
        }
        if len(task.degradation):
            own["measurement"] = getattr(task, role)[: len(local)]
            own["predicted"] = task.degradation(task.shard.pad(local))[: len(local)]
        found = {name: task.gather(value).detach().cpu() for name, value in own.items()}
        if not trainer.is_global_zero:
            return
        names = _free(trainer.datamodule.names(role))  # type: ignore[attr-defined]
        figures = self._figures(names, found, self._truth)
        self._write_images(folder / "results", names, found, self._truth, figures)
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
        trainer.print(self._summary(figures, folder, seconds, trainer.global_step - self._first))

    def _figures(self, names: list[str], found: dict[str, Tensor], truth: Tensor | None) -> list[dict[str, Any]]:
        columns: dict[str, list[float]] = {"loss": found["loss"].tolist()}
        if truth is not None:
            images = {"": found["result"]}
            if "measurement" in found:
                shown = F.interpolate(found["measurement"], truth.shape[-2:], mode="bicubic", antialias=True)
                images = {"measurement_": shown.clamp(0, 1), **images}
            for prefix, image in images.items():
                columns[prefix + "psnr"] = psnr(image, truth).tolist()
                columns[prefix + "ssim"] = ssim(image, truth).tolist()
                columns[prefix + "perceptual"] = feature_distance(self.judge(image), self.judge(truth)).tolist()
        if "measurement" in found:
            columns["consistency_psnr"] = psnr(found["predicted"], found["measurement"]).tolist()
        columns["latent_distance"] = found["distance"].tolist()
        rows = [{"name": name, **{key: column[i] for key, column in columns.items()}} for i, name in enumerate(names)]
        for row, step in zip(rows, found["stopped"].tolist(), strict=True):
            row["stopped_at_step"] = None if step < 0 else step
        return rows

    def _write_images(
        self,
        folder: Path,
        names: list[str],
        found: dict[str, Tensor],
        truth: Tensor | None,
        figures: list[dict[str, Any]],
    ) -> None:
        lines = []
        for i, name in enumerate(names):
            write_png(found["result"][i], folder / f"{name}.png")
            text = {"measurement": "measurement_psnr", "result": "psnr"}
            notes = {column: f"{figures[i][key]:.1f} dB" for column, key in text.items() if key in figures[i]}
            target = None if truth is None else truth[i]
            measurement = found["measurement"][i].clamp(0, 1) if "measurement" in found else None
            lines.append(Row(name, target, measurement, found["result"][i], notes))
        write_sheet(comparison(lines), folder / "comparison.png")

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
        keys = ["name", "loss", "measurement_psnr", "psnr", "ssim", "perceptual", "latent_distance"]
        rows = [{key: row[key] for key in keys if key in row} for row in figures]
        paths = [f"  {folder / name}" for name in ("results", "results/comparison.png", "metrics.json", "metrics.csv")]
        return "\n".join([
            "", summary_table(rows), "", f"{steps} steps in {human_time(seconds)}. Look at:", *paths,
            f"  tensorboard --logdir {folder.parent}",
        ])  # fmt: skip


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
