"""Steps per second of style transfer through Lightning against a bare PyTorch loop: interleaved pairs.

    python benchmarks/transfer_speed.py

VGG-19 of full width with random weights, Gram loss at five layers, content at relu4_2, 256², L-BFGS per row.
"""

import argparse
import tempfile
import time
import warnings
from pathlib import Path

from lightning.pytorch import Trainer
from measure import Clock, median, record
from transfer import LAYERS, Job, picture

from lit_nst.callbacks import History, StepBar
from lit_nst.data import Images
from lit_nst.embedded import locate
from lit_nst.features import VGG19
from lit_nst.generators import Pixels
from lit_nst.losses import ContentLoss, GramLoss
from lit_nst.optimizers import RowLBFGS
from lit_nst.parallel import AtomicCheckpointIO
from lit_nst.tasks import Search, StyleTransfer

CONTENT, STYLE = "scenes/harbour", "styles/swirls"
NETWORK = VGG19("random")


def through_lightning(size: int, steps: int, warm: int, folder: Path) -> float:
    """With bar, log and metrics.csv, as a run of the command line."""
    task = StyleTransfer(
        Pixels(), ContentLoss(["relu4_2"]), GramLoss(LAYERS, 10.0), features=NETWORK,
        search=Search(start="content"), optimizer=RowLBFGS,
    )  # fmt: skip
    clock = Clock(warm)
    trainer = Trainer(
        accelerator="cpu", devices=1, strategy="rows", max_steps=warm + steps, log_every_n_steps=10,
        enable_model_summary=False, default_root_dir=folder, plugins=[AtomicCheckpointIO()],
        callbacks=[clock, History(), StepBar()],
    )  # fmt: skip
    data = Images(str(locate(f"embedded:{CONTENT}.png")), str(locate(f"embedded:{STYLE}.png")), size=size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(task, datamodule=data)
    return clock.steps / clock.seconds


def bare(size: int, steps: int, warm: int) -> float:
    """A loop with nothing but the optimiser."""
    content, style = picture(CONTENT, size), picture(STYLE, size)
    job = Job(NETWORK, content, style, ContentLoss(["relu4_2"]), GramLoss(LAYERS, 10.0), None)
    w = job.start("content").requires_grad_()
    optimizer = RowLBFGS([w])

    def closure() -> object:
        optimizer.zero_grad()
        loss = job.loss(w).sum()
        loss.backward()
        return loss.detach()

    for step in range(warm + steps):
        if step == warm:
            begin = time.perf_counter()
        optimizer.step(closure)
    return steps / (time.perf_counter() - begin)


def main() -> None:
    """Runs the pairs, alternating which comes first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=8)
    arguments = parser.parse_args()
    pairs = []
    for pair in range(arguments.pairs):
        with tempfile.TemporaryDirectory() as folder:
            runs = {
                "bare": lambda: bare(arguments.size, arguments.steps, 2),
                "lightning": lambda folder=folder: through_lightning(arguments.size, arguments.steps, 2, Path(folder)),
            }
            order = list(runs) if pair % 2 == 0 else list(runs)[::-1]
            rates = {name: round(runs[name](), 4) for name in order}
        pairs.append({**rates, "ratio": round(rates["lightning"] / rates["bare"], 4)})
        print(pairs[-1], flush=True)
    ratio = median([pair["ratio"] for pair in pairs])
    record("transfer_speed", {"size": arguments.size, "pairs": pairs, "median_ratio": ratio, "required": 0.97})


if __name__ == "__main__":
    main()
