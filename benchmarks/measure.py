"""What the benchmarks share: the default inversion, a bare loop on its objective, records."""

import json
import platform
import statistics
import time
import warnings
from pathlib import Path

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from lit_nst.callbacks import History, StepBar, Trajectory
from lit_nst.data import Images
from lit_nst.embedded import locate
from lit_nst.features import VGG16
from lit_nst.generators import StyleGAN2
from lit_nst.losses import LatentDistance, PerceptualLoss, PixelLoss
from lit_nst.parallel import AtomicCheckpointIO
from lit_nst.tasks import Inversion

RESULTS = Path(__file__).resolve().parent / "results"
LAYERS = ["relu1_2", "relu2_2", "relu3_3"]


def task() -> Inversion:
    """The job of configs/inversion.yaml."""
    return Inversion(
        StyleGAN2("embedded", prior="whitened"),
        PerceptualLoss(LAYERS),
        PixelLoss(10.0),
        LatentDistance(0.001),
        VGG16("random", width=0.25),
        optimizer=lambda parameters: torch.optim.Adam(parameters, lr=0.1),
    )


def targets(rows: int) -> list[str]:
    """The first portraits that come with the package."""
    paths = sorted(locate("embedded:portraits").glob("*.png"))
    return [str(paths[i % len(paths)]) for i in range(rows)]


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
    assert net.features is not None
    net.features.select(LAYERS)
    images = Images(target=targets(rows)).load("target", range(rows), (64, 64))
    w = net.generator.center.expand(rows, *net.generator.shape((3, 64, 64))).clone().requires_grad_()
    optimizer = torch.optim.Adam([w], lr=0.1 * float(net.generator.scale))
    perceptual, pixel = net.compared["target"], net.compared["pixel"]
    with torch.no_grad():
        maps = {"image": images, **net.features(images)}
        references = perceptual.measure(maps), pixel.measure(maps)  # type: ignore[operator]
    for step in range(warm + steps):
        if step == warm:
            begin = time.perf_counter()
        image = net.generator(w)
        maps = {"image": image, **net.features(image)}
        total: Tensor = perceptual(maps, references[0]) + pixel(maps, references[1])
        assert net.regulariser is not None
        total = total + net.regulariser(image, net.generator.standardize(w))
        optimizer.zero_grad()
        total.sum().backward()
        optimizer.step()
    return steps / (time.perf_counter() - begin)


def record(name: str, figures: dict[str, object]) -> None:
    """Writes and prints a result."""
    machine = {"processor": platform.machine(), "threads": torch.get_num_threads(), "torch": torch.__version__}
    text = json.dumps({"benchmark": name, **figures, "machine": machine}, indent=2)
    (RESULTS / f"{name}.json").write_text(text + "\n")
    print(text)


def median(values: list[float]) -> float:
    """Middle value, three digits."""
    return round(statistics.median(values), 3)
