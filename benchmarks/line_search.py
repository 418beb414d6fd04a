"""Safe L-BFGS against the unguarded one over some seeds.

    python benchmarks/line_search.py

Two objectives, from noise and from grey with a trace of noise: that of configs/gatys.yaml on the shipped encoder, and
that of neural-style (content 5, style 100, inputs of 0 to 255) on a VGG-19 of He-random weights at quarter width,
whose loss is badly scaled. ``stalled`` counts seeds that end at ten times the other's loss.
"""

import argparse
import tempfile
from pathlib import Path

import torch
from measure import median, record
from safetensors.torch import save_file
from torch import Tensor, nn
from transfer import LAYERS, Job, descend, picture, safe, unguarded

from lit_nst.features import VGG19
from lit_nst.functional.random import generator
from lit_nst.losses import ContentLoss, GramLoss


def he_network(folder: Path) -> VGG19:
    """Random weights of deviation √(2/fan-in), which make no layer's scale right; the first takes 0 to 255."""
    numbers, state = generator(0, "he"), {}
    for name, module in VGG19("random", ["relu5_1"], width=0.25).net.named_children():  # type: ignore[union-attr]
        if isinstance(module, nn.Conv2d):
            index = VGG19().names.index(name)
            weight = torch.randn(module.weight.shape, generator=numbers) * (2 / module.weight[0].numel()) ** 0.5
            state[f"features.{index}.weight"] = weight * (58 if index == 0 else 1)
            state[f"features.{index}.bias"] = torch.zeros(len(weight))
    save_file(state, folder / "he.safetensors")
    return VGG19(str(folder / "he.safetensors"))


def jobs(content: Tensor, style: Tensor, folder: Path) -> dict[str, Job]:
    """Objective by name."""
    gatys = ContentLoss(["relu4_2"], 1.0, normalization="gatys"), GramLoss(LAYERS, 250.0)
    neural = ContentLoss(["relu4_2"], 5.0), GramLoss(LAYERS, 100.0, [1.0] * len(LAYERS), normalization="gatys")
    return {
        "gatys, embedded": Job(VGG19("embedded"), content, style, *gatys, None),
        "neural-style, He-random": Job(he_network(folder), content, style, *neural, None),
    }


def compare(job: Job, kind: str, seeds: int, count: int) -> dict[str, object]:
    """Lowest losses of both, for every seed."""
    runs = []
    for seed in range(seeds):
        start = job.start(kind, seed)
        plain = descend(job, start, unguarded(count), count)
        ours = descend(job, start, safe, count)
        lowest = min(loss for loss in plain.losses if loss == loss)
        runs.append({"seed": seed, "start": ours.losses[0], "unguarded": lowest, "safe": min(ours.losses)})
        print(kind, runs[-1], flush=True)
    ratios = [float(run["unguarded"] / run["safe"]) for run in runs]
    return {
        "runs": runs, "median_ratio": median(ratios), "largest_ratio": round(max(ratios), 3),
        "smallest_ratio": round(min(ratios), 3), "unguarded_stalled": sum(ratio > 10 for ratio in ratios),
        "safe_stalled": sum(ratio < 0.1 for ratio in ratios),
    }  # fmt: skip


def main() -> None:
    """Runs all seeds, starts and objectives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=60)
    arguments = parser.parse_args()
    content, style = picture("scenes/harbour", arguments.size), picture("styles/swirls", arguments.size)
    with tempfile.TemporaryDirectory() as folder:
        found = {
            f"{name}, from {kind}": compare(job, kind, arguments.seeds, arguments.evaluations)
            for name, job in jobs(content, style, Path(folder)).items()
            for kind in ("noise", "grey")
        }
    record("line_search", {"evaluations": arguments.evaluations, "objectives": found})


if __name__ == "__main__":
    main()
