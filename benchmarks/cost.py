"""What a target costs: floating-point operations, memory, bytes on the disk.

    python benchmarks/cost.py

Operations are counted by PyTorch's ``FlopCounterMode`` in a step's forward and backward pass, two for each
multiplication with its addition; those of convolutions and matrix products count, which are nearly all. Memory is by
``lit_nst.parallel.memory``, from runs of 2 and 4 rows (8 and 16 in groups of 8). Bytes on the disk are those of a
finished run of 16 rows and 20 steps, by the row. The generator of 1024×1024 has
the sizes of NVlabs' for FFHQ and random weights, and is compared at 256×256 by a VGG16 of full width.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from measure import Run, record
from memory import options as job_options
from torch.utils.flop_counter import FlopCounterMode

from lit_nst.cli import main as command_line
from lit_nst.data import write_png
from lit_nst.functional.random import generator as keyed
from lit_nst.generators.stylegan2.checkpoint import write
from lit_nst.generators.stylegan2.network import Architecture, Mapping, Synthesis
from lit_nst.parallel.memory import Peak, fitted

FFHQ = Architecture(512, 512, (512, 512, 512, 512, 512, 256, 128, 64, 32))
ROWS, STEPS = 16, 20
KINDS = {
    "pictures": ("results/*.png",),
    "figures": ("metrics.json",),
    "latents": ("results/latent.*",),
    "checkpoint": ("checkpoints/last.ckpt",),
}


def ffhq(folder: Path) -> list[str]:
    """The options of an inversion of that size."""
    nets = torch.nn.ModuleDict({"mapping": Mapping(FFHQ), "synthesis": Synthesis(FFHQ)})
    write(folder / "ffhq.safetensors", FFHQ, nets.state_dict())
    for row in range(4):
        write_png(torch.rand(3, 1024, 1024, generator=keyed("cost", row)), folder / f"photos/{row}.png")
    return [
        "--config", "inversion.yaml", "--data.target", str(folder / "photos"), "--model.generator.weights",
        str(folder / "ffhq.safetensors"), "--model.generator.samples", "16", "--model.features.width", "1.0",
        "--model.cap", "256", "--trainer.accelerator", "cpu", "--trainer.max_steps", "2",
    ]  # fmt: skip


def operations(run: Run) -> float:
    """Of a step, by the row."""
    run.begin(reports=False)
    with FlopCounterMode(display=False) as counter:
        run.model.rehearse()
    return float(counter.get_total_flops() / run.model.shard.local)


def compute(options: list[str], few: list[str], more: list[str]) -> dict[str, float]:
    """Operations and memory; the last two arguments give a group of rows and twice as many."""
    first = Run(*options, *few)
    group = max(getattr(first.model.generator, "group", 0), 2)
    found = {"gflop_per_row_step": round(operations(first) / 1e9, 2)}
    peaks = []
    for extra in (few, more):
        run = Run(*options, *extra)
        with Peak(torch.device("cpu")) as peak:
            run.begin(reports=False)
        peaks.append(peak.peak)
    model = fitted(peaks[0], peaks[1], group)
    mib = {"fixed_mib": model.fixed, "mib_per_row": model.per_row}
    return found | {key: round(value / 2**20, 1) for key, value in mib.items()}


def disk(options: list[str]) -> dict[str, Any]:
    """Bytes by the row of a finished run, by kind; those of the event file and the curves are by the run."""
    command_line(["fit", *options, "--trainer.enable_progress_bar", "false", "--results.summary", "false"])
    (run,) = Path("logs").glob("*/version_0")
    rows = len(json.loads((run / "metrics.json").read_text())["rows"])
    sizes = {kind: sum(f.stat().st_size for g in globs for f in run.glob(g)) for kind, globs in KINDS.items()}
    own = {f"{kind}_bytes_per_row": round(size / rows) for kind, size in sizes.items()}
    curves = (run / "metrics.csv").stat().st_size + sum(f.stat().st_size for f in run.glob("events*"))
    return {**own, "curves_bytes_per_unit": curves, "rows": rows}


def job(name: str, few: int, more: int) -> dict[str, Any]:
    """A shipped job."""
    found: dict[str, Any] = compute([], job_options(name, few, 2), job_options(name, more, 2))
    with tempfile.TemporaryDirectory() as folder:
        before = Path.cwd()
        try:
            os.chdir(folder)
            found |= disk(job_options(name, ROWS, STEPS))
        finally:
            os.chdir(before)
    return found


def main() -> None:
    """Measures the jobs, then the large generator."""
    found: dict[str, Any] = {
        "inversion, 64×64": job("inversion", 2, 4),
        "style transfer, 128×128": job("style transfer at 128", 2, 4),
        "guided diffusion, 32×32": job("guided diffusion", 8, 16),
    }
    with tempfile.TemporaryDirectory() as folder:
        options = ffhq(Path(folder))
        rows = [[f"--data.target=[{','.join(f'{folder}/photos/{i}.png' for i in range(n))}]"] for n in (2, 4)]
        found["inversion, 1024×1024"] = compute(options, *rows)
    record("cost", {"jobs": found})
    columns = ["gflop_per_row_step", "fixed_mib", "mib_per_row", *(f"{kind}_bytes_per_row" for kind in KINDS)]
    print("| job | " + " | ".join(columns) + " |\n|" + "---|" * (len(columns) + 1))
    for name, each in found.items():
        print(f"| {name} | " + " | ".join(str(each.get(column, "")) for column in columns) + " |")


if __name__ == "__main__":
    main()
