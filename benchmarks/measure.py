"""What the benchmarks share: the default inversion, runs of configs, a bare loop on its objective, records."""

import json
import logging
import platform
import statistics
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from lit_nst.callbacks import Degrade, History, StepBar, Trajectory
from lit_nst.cli import CLI
from lit_nst.cli import main as command_line
from lit_nst.data import Images
from lit_nst.embedded import locate
from lit_nst.parallel import AtomicCheckpointIO

RESULTS = Path(__file__).resolve().parent / "results"
LAYERS = ["relu1_2", "relu2_2", "relu3_3"]


def task() -> Any:
    """The task of configs/inversion.yaml."""
    return Run("--config", "inversion.yaml").model


def targets(rows: int) -> list[str]:
    """The first portraits that come with the package."""
    paths = sorted(locate("embedded:portraits").glob("*.png"))
    return [str(paths[i % len(paths)]) for i in range(rows)]


class Run(CLI):
    """A run of the command line that is built, and begins when it is told to; its settings are those of the configs.

    Args:
        options: As a user gives them after ``fit``.
    """

    def __init__(self, *options: str) -> None:
        for name in ("lightning.pytorch", "lightning.fabric"):
            logging.getLogger(name).setLevel(logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            super().__init__(["fit", *options, "--trainer.enable_progress_bar", "false", "--results.summary", "false"])

    def fit(self, **_: Any) -> None:
        """Not yet."""

    def begin(self, *observers: Callback, reports: bool = True) -> None:
        """Runs it, with all that a user's run writes, or with nothing but its degradations and the observers."""
        kept = [each for each in self.trainer.callbacks if reports or isinstance(each, Degrade)]  # type: ignore[attr-defined]
        self.trainer.callbacks = [*kept, *observers]  # type: ignore[attr-defined]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.trainer.fit(self.model, datamodule=self.datamodule)


def figures(label: str, options: Sequence[str], keys: Sequence[str]) -> dict[str, object]:
    """Some means of a run's metrics.json, its steps and seconds; the run is written into the present folder."""
    settings = ["--trainer.logger.init_args.name", label, "--trainer.enable_progress_bar", "false"]
    command_line(["fit", *options, *settings])
    found = json.loads(max(Path("logs", label).glob("version_*/metrics.json")).read_text())
    means = {key: round(found["mean"][key], 4) for key in keys if key in found["mean"]}
    return {**means, "steps": found["steps"], "seconds": found["seconds"]}


class Clock(Callback):
    """Seconds from one step to the last."""

    def __init__(self, first: int) -> None:
        self.first, self.seconds, self.steps = first, 0.0, 0

    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        """Starts after the warm-up."""
        if trainer.global_step == self.first:
            self._begin = time.perf_counter()
        elif trainer.global_step == trainer.max_steps:
            self.seconds, self.steps = time.perf_counter() - self._begin, trainer.global_step - self.first


def lightning_rate(rows: int, steps: int, folder: Path, warm: int = 5, trajectory: bool = False) -> float:
    """Steps per second of a run with bar, log, metrics.csv and checkpoints; with or without the recorded frames."""
    clock = Clock(warm)
    trainer = Trainer(
        accelerator="cpu", devices=1, strategy="rows", max_steps=warm + steps, log_every_n_steps=10,
        enable_model_summary=False, default_root_dir=folder, plugins=[AtomicCheckpointIO()],
        callbacks=[clock, History(), StepBar(), *([Trajectory()] if trajectory else [])],
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(task(), datamodule=Images(target=targets(rows)))
    return clock.steps / clock.seconds


def bare_rate(rows: int, steps: int, warm: int = 5) -> float:
    """Steps per second of a plain PyTorch loop on the same objective, with nothing but Adam."""
    net = task()
    images = Images(target=targets(rows)).load("target", range(rows), (64, 64))
    w = net.generator.center.expand(rows, *net.generator.shape((3, 64, 64))).clone().requires_grad_()
    optimizer = torch.optim.Adam([w], lr=0.1 * float(net.generator.scale))
    losses = net.compared.values()
    with torch.no_grad():
        maps = net.maps(images)
        references = [loss.measure(maps) for loss in losses]
    for step in range(warm + steps):
        if step == warm:
            begin = time.perf_counter()
        image = net.generator(w)
        maps = net.maps(image)
        total: Tensor = net.regulariser(image, net.generator.standardize(w))
        for loss, reference in zip(losses, references, strict=True):
            total = total + loss(maps, reference)
        optimizer.zero_grad()
        total.sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return steps / (time.perf_counter() - begin)


def record(name: str, figures: dict[str, object], dry: bool = False) -> None:
    """Writes and prints a result; dry: prints it."""
    machine = {"processor": platform.machine(), "threads": torch.get_num_threads(), "torch": torch.__version__}
    text = json.dumps({"benchmark": name, **figures, "machine": machine}, indent=2)
    if not dry:
        (RESULTS / f"{name}.json").write_text(text + "\n")
    print(text)


def median(values: list[float]) -> float:
    """Middle value, three digits."""
    return round(statistics.median(values), 3)
