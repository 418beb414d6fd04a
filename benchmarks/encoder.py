"""Judged style distance of the shipped encoder against random weights, at equal steps.

    python benchmarks/encoder.py [--judge squeezenet1_1.safetensors]

Every pair is optimised with each network on the objective of configs/style_transfer.yaml; a network that guided none
of them judges. With ``--judge``, a file of trained SqueezeNet 1.1 features, that network is the judge, and a guide of
its own for comparison (which the judge then favours).
"""

import argparse
import itertools
import statistics
from pathlib import Path

import torch
from measure import record
from transfer import DEFAULT, LAYERS, Job, default_job, descend, judge, picture, safe

from lit_nst.data import write_sheet
from lit_nst.features import VGG19, SqueezeNet
from lit_nst.losses import ContentLoss, GramLoss, TotalVariation, WassersteinLoss
from lit_nst.report import bootstrap_mean, collage, feature_distance, style_distance

SCENES = ("scenes/harbour", "scenes/bridge", "scenes/portrait", "scenes/still_life")
STYLES = ("styles/swirls", "styles/mosaic", "styles/watercolour", "styles/woodcut")


def jobs(content: torch.Tensor, style: torch.Tensor, weights: str | None) -> dict[str, Job]:
    """The same objective on each network, and with the Gram loss on the first two."""
    made = {
        "embedded": default_job(VGG19("embedded"), content, style),
        "random": default_job(VGG19("random", width=0.25), content, style),
    }
    for name in list(made):
        losses = ContentLoss(["relu4_2"], 1.0, normalization="energy"), GramLoss(LAYERS, 10.0)
        made[f"{name}, Gram"] = Job(made[name].network, content, style, *losses, TotalVariation(0.2))
    if weights:
        losses = ContentLoss(["fire5"], 1.0, normalization="energy"), WassersteinLoss(["relu1", "fire2", "fire4"], 1e-3)
        made["trained SqueezeNet"] = Job(SqueezeNet(weights), content, style, *losses, TotalVariation(0.2))
    return made


def main() -> None:
    """Runs all pairs and writes the figures and a sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judge")
    parser.add_argument("--contents", nargs="*", default=SCENES)
    parser.add_argument("--styles", nargs="*", default=STYLES)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--sheet", type=Path)
    arguments = parser.parse_args()
    network = judge(arguments.judge)
    distances: dict[str, list[float]] = {}
    contents: dict[str, list[float]] = {}
    pairs, cells = [], []
    for content_name, style_name in itertools.product(arguments.contents, arguments.styles):
        content, style = picture(content_name, arguments.size), picture(style_name, arguments.size)
        with torch.no_grad():
            of_style, of_content = network(style[None]), network(content[None])
        line = [content, style]
        for name, job in jobs(content, style, arguments.judge).items():
            line.append(descend(job, job.start("recolored"), safe, arguments.steps, generator=DEFAULT).best)
            with torch.no_grad():
                maps = network(line[-1][None])
            distances.setdefault(name, []).append(float(style_distance(maps, of_style)))
            contents.setdefault(name, []).append(float(feature_distance(maps, of_content)))
        pairs.append(f"{Path(content_name).stem} + {Path(style_name).stem}")
        cells.append(line)
        print(pairs[-1], {name: round(values[-1], 4) for name, values in distances.items()}, flush=True)
    if arguments.sheet:
        write_sheet(collage(cells, pairs, ["content", "style", *distances], scale=1), arguments.sheet)
    lower = {
        kind: bootstrap_mean(
            [1 - a / b for a, b in zip(distances[f"embedded{kind}"], distances[f"random{kind}"], strict=True)]
        )
        for kind in ("", ", Gram")
    }
    record("encoder", {
        "judge": "trained SqueezeNet 1.1" if arguments.judge else "random VGG-19",
        "pairs": len(pairs), "size": arguments.size, "steps": arguments.steps,
        "style_distance": {name: round(statistics.mean(values), 4) for name, values in distances.items()},
        "content_distance": {name: round(statistics.mean(values), 4) for name, values in contents.items()},
        "lower_than_random": {
            f"share{kind}": [round(value, 3) for value in (found.mean, found.low, found.high)]
            for kind, found in lower.items()
        },
        "required": 0.3,
    })  # fmt: skip


if __name__ == "__main__":
    main()
