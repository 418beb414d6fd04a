"""The results folder."""

import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from lit_nst.callbacks.consolidate import Kept, Union, keep_rows, latents, move_pictures, record
from lit_nst.callbacks.figures import Pictures, row_figures
from lit_nst.callbacks.found import found_rows
from lit_nst.callbacks.judge import FEWEST, Judge
from lit_nst.callbacks.latents import write_latents
from lit_nst.callbacks.layout import COMPOSITE, RESULTS, pictures_of, row_names
from lit_nst.callbacks.part import NAME, Part, write_part
from lit_nst.callbacks.sheets import first_places, kept_pictures, sheet
from lit_nst.callbacks.summary import summary
from lit_nst.callbacks.truth import load_content, load_truth, styles_of
from lit_nst.data import write_png, write_sheet
from lit_nst.errors import InputError
from lit_nst.features import VGG16, Features
from lit_nst.files import write_atomically
from lit_nst.losses import Loss
from lit_nst.report import paste_back

SHEET = "comparison.png"


class Results(Callback):
    """Writes what a run found: the best ``w`` of each row, its picture, its figures.

    ``results/NAME.png`` per row, ``results/comparison.png`` of the first 16, ``results/latent.npz`` and
    ``latent.safetensors`` where ``w`` is a latent, ``metrics.json``, and a summary in the terminal. Where the
    only degradation is a mask, ``results/composite/NAME.png`` has the known pixels as they were and the result in
    the hole. A row named as one of the report's own pictures gets ``_`` after its name; pixels that are not
    finite are black. With ``search.keep best`` there is one row for each problem, the best of its restarts.

    A fit of some rows only leaves their pictures and ``part.safetensors``, of which ``consolidate`` makes the rest.
    The figures of a row are the same, bit for bit, in any company.

    Args:
        judge: Network of the LPIPS-type distance ``perceptual`` (unit-normalised features, squared
            difference, no learnt channel weights); None: a half-width random VGG16 that guides no task.
        distance: Another distance of the judge's maps, such as ``LPIPSLoss`` with the trained network that belongs to
            it; the figure is then called ``lpips``, or as the class in small letters.
        samples: Random samples of the generator that ``generator_distance`` is judged by, ``feature_realism`` of
            pictures of at most 64×64; 0: no such figure.
        feather: Width of the seam of a composite, in shares of the shorter side.
        summary: Shows the figures in the terminal.

    Attributes:
        whole: A fit of all rows is the whole run, which it consolidates itself.
        unreadable: Row → reason, of rows that the next fit leaves out.

    Raises:
        InputError: A negative number, or samples of a generator that has none.
    """

    whole = True

    def __init__(
        self,
        judge: Features | None = None,
        distance: Loss | None = None,
        samples: int = 0,
        feather: float = 0.05,
        summary: bool = True,
    ) -> None:
        if samples < 0 or not 0 <= feather <= 1 or 0 < samples < FEWEST:
            raise InputError(
                f"results: samples is {samples}, feather {feather}; give 0 or at least {FEWEST}, and 0 to 1"
            )
        self.samples, self.feather, self.summary = samples, feather, summary
        network = judge or VGG16("random", ["relu1_2", "relu2_2", "relu3_3"], width=0.5, seed=2_001)
        self.judge = Judge(network, distance)
        self.unreadable: dict[int, str] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        task: Any = pl_module
        rows = task.shard.all
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
        found = {name: task.gather(value).detach().cpu() for name, value in found_rows(task).items()}
        pictures, self._pictures = self._pictures, Pictures()
        if not trainer.is_global_zero:
            return
        if "hole" in found:
            found["composite"] = self._composite(found)
        part = self._part(task, found, pictures)
        part.steps, part.first, part.seconds = trainer.global_step, self._first, seconds
        _write_pictures(task, folder, found)
        write_part(folder / NAME, part)
        if self.whole and len(part.rows) == len(task.grid):
            data: Any = trainer.datamodule  # type: ignore[attr-defined]
            self.consolidate(task, data, folder, [folder / NAME], trainer.print)
            (folder / NAME).unlink()

    def consolidate(
        self, task: Any, data: Any, folder: Path, parts: Sequence[Path], tell: Callable[[str], Any] = print
    ) -> list[dict[str, str]]:
        """Makes of the parts of a run what one fit of all its rows would have written, bit for bit but for the time.

        The rows' pictures are moved from the folders of the parts; ``metrics.json`` is written last. A call that was
        cut short may be made again.

        Args:
            task: Of the run.
            data: Its pictures, whose names the rows have.
            folder: Of the run.
            parts: The files that fits of some rows left, each in the fit's folder, in any order.
            tell: Takes the summary.

        Returns:
            ``name`` and ``reason`` of each row that was left out.

        Raises:
            InputError: A damaged part, a row in two of them or in none, or a picture that is not there.
        """
        if not hasattr(task, "grid"):
            task.lay_out(data)
        union = Union.of(parts)
        kept = keep_rows(task, union)
        move_pictures(task, union, kept, folder)
        _write_sheet(union, kept, folder)
        if (w := latents(union, kept)) is not None:
            write_latents(folder / RESULTS, task.generator, kept.names, w)
        told = record(task, union, kept)
        write_atomically(folder / "metrics.json", json.dumps(_plain(told), indent=2, allow_nan=False).encode())
        if self.summary:
            tell(summary(told, folder, self.judge.name, union.most))
        return kept.unreadable

    def _composite(self, found: dict[str, Tensor]) -> Tensor:
        measurement, hole = found["measurement"], found["hole"]
        return paste_back(found["result"], measurement, hole, round(self.feather * min(measurement.shape[-2:])))

    def _part(self, task: Any, found: dict[str, Tensor], pictures: Pictures) -> Part:
        rows, names = task.shard.all, row_names(task)
        figures = row_figures([names[row] for row in rows], found, pictures, self.judge)
        figures = [{"name": own["name"], **task.problem(row), **own} for row, own in zip(rows, figures, strict=True)]
        tensors = kept_pictures(rows, first_places(task, rows, found["loss"]), found, pictures)
        if task.generator.latent(task.best[:1]) is not None:
            tensors["w"] = found["w"]
        return Part(rows, figures, tensors, unreadable=dict(self.unreadable))


def _write_pictures(task: Any, folder: Path, found: dict[str, Tensor]) -> None:
    names, home = row_names(task), pictures_of(task, folder)
    for place, row in enumerate(task.shard.all):
        write_png(found["result"][place], home / f"{names[row]}.png")
        if "composite" in found:
            write_png(found["composite"][place], home / COMPOSITE / f"{names[row]}.png")


def _write_sheet(union: Union, kept: Kept, folder: Path) -> None:
    shown = [(union.lines[row], own) for row, own in zip(kept.rows, kept.figures, strict=True) if row in union.lines]
    if shown:
        lines, figures = [line for line, _ in shown], [own for _, own in shown]
        write_sheet(sheet(lines, figures, len(kept.rows) - len(shown)), folder / RESULTS / SHEET)


def _plain(value: Any) -> Any:
    """Non-finite numbers have no JSON: None."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
