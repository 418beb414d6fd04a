"""Does a row's latent depend on the rows beside it, and what does a row cost in batches of several sizes?

    python benchmarks/invariance.py

A row runs alone, and as one of several; its last latents are compared. The settings are those of
configs/inversion.yaml, as they are, with a blur, and with a start from the nearest of some samples. Where the settings
have random numbers per row, which are keyed by its place, only the first row is comparable.
"""

import argparse
import os
import statistics
import tempfile

from measure import Clock, Run, record, targets
from torch import Tensor

SILENT = ("--trainer.logger", "false", "--trainer.accelerator", "cpu")


def run(paths: list[str], steps: int, *options: str) -> Run:
    """A run on some pictures, not begun."""
    images = f"[{', '.join(paths)}]"
    return Run(
        "--config", "inversion.yaml", *options, "--data.target", images, "--trainer.max_steps", str(steps), *SILENT
    )


def latents(paths: list[str], steps: int, *options: str) -> tuple[Tensor, Run]:
    """The last ``w`` of every row."""
    made = run(paths, steps, *options)
    made.begin(reports=False)
    return made.model.w.detach(), made


def differences(sizes: list[int], steps: int, *options: str) -> dict[str, object]:
    """Largest |Δw| of the first and the last row of every batch: against the row alone, and in the largest batch."""
    paths = targets(max(sizes))
    batches = {size: latents(paths[:size], steps, *options) for size in sizes}
    largest, made = batches[max(sizes)]
    generator, search = made.model.generator, made.model.search
    comparable = sorted({0, *(size - 1 for size in sizes)}) if search.jitter == 0 == search.spread else [0]
    alone = {row: latents([paths[row]], steps, *options)[0][0] for row in comparable}
    found: dict[str, object] = {}
    for size, (w, _) in batches.items():
        rows = [row for row in comparable if row < size]
        lone = max(float((w[row] - alone[row]).abs().max()) for row in rows)
        found[f"batch of {size}"] = {
            "rows_compared": rows,
            "absolute": lone,
            "in_sigma": lone / float(generator.scale),
            "absolute_against_the_largest_batch": max(float((w[row] - largest[row]).abs().max()) for row in rows),
            "way_from_the_center_in_sigma": float((largest - generator.center).abs().max() / generator.scale),
        }
    return found


def seconds(size: int, steps: int, warm: int = 5) -> float:
    """Of a step of a row."""
    clock = Clock(warm)
    run(targets(size), warm + steps).begin(clock, reports=False)
    return clock.seconds / clock.steps / size


def main() -> None:
    """Compares, then times, the sizes in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--sizes", type=int, nargs="+", default=[4, 8, 13])
    parser.add_argument("--timed", type=int, nargs="+", default=[1, 4, 8, 13, 16, 32])
    parser.add_argument("--timed-steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--candidates", type=int, default=64)
    parser.add_argument("--dry", action="store_true", help="write no result")
    arguments = parser.parse_args()
    settings = {
        "as it is": [],
        "with deblur.yaml": ["--config", "deblur.yaml"],
        f"{arguments.candidates} candidates": ["--model.search.candidates", str(arguments.candidates)],
    }
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        found = {name: differences(arguments.sizes, arguments.steps, *options) for name, options in settings.items()}
        times: dict[int, list[float]] = {size: [] for size in arguments.timed}
        for _ in range(arguments.rounds):
            for size in arguments.timed:
                times[size].append(seconds(size, arguments.timed_steps))
        os.chdir("/")
    medians = {str(size): round(1000 * statistics.median(values), 3) for size, values in times.items()}
    figures = {"steps": arguments.steps, "largest_difference": found, "milliseconds_per_row_step": medians}
    record("invariance", {**figures, "required_absolute": 1e-4}, arguments.dry)


if __name__ == "__main__":
    main()
