"""Wall time until the loss that plain L-BFGS has after 500 evaluations: its way against the project's defaults.

    python benchmarks/time_to_quality.py

Plain: from noise, one scale, history 100, no line search, as the well-known scripts. Defaults: from the recoloured
content, ``RowLBFGS``. Same network, pictures and objective; the two alternate. For comparison, on one pair,
also these from the same noise, and the plain way from the recoloured content.
"""

import argparse
import statistics

from measure import record
from transfer import DEFAULT, default_job, descend, picture, safe, unguarded

from lit_nst.features import VGG19

PAIRS = (
    ("scenes/harbour", "styles/swirls"),
    ("scenes/bridge", "styles/mosaic"),
    ("scenes/portrait", "styles/watercolour"),
    ("scenes/still_life", "styles/waves"),
    ("scenes/mountains", "styles/woodcut"),
)


def ratio(seconds: float | None, plain: float) -> float:
    """Share of the plain time; infinite when the loss was not reached."""
    return float("inf") if seconds is None else round(seconds / plain, 4)


def main() -> None:
    """Runs all pairs and seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--evaluations", type=int, default=500)
    arguments = parser.parse_args()
    count, runs = arguments.evaluations, []
    for content, style in PAIRS:
        job = default_job(VGG19("embedded"), picture(content, arguments.size), picture(style, arguments.size))
        for seed in range(arguments.seeds):
            extra = seed == 0 and len(runs) == 0
            plain = descend(job, job.start("noise", seed), unguarded(count), count)
            goal = min(plain.losses)
            took = next(s for value, s in zip(plain.losses, plain.seconds, strict=True) if value <= goal)
            ours = descend(job, job.start("recolored", seed), safe, count, goal, DEFAULT)
            same = descend(job, job.start("noise", seed), safe, count, goal, DEFAULT) if extra else None
            recolored = descend(job, job.start("recolored"), unguarded(count), count) if extra else None
            runs.append({
                "pair": f"{content} + {style}", "seed": seed, "loss": goal, "plain_seconds": round(took, 2),
                "finite": len(plain.losses) >= count,
                "defaults": ratio(ours.reach(goal), took),
                "safe_from_the_same_noise": None if same is None else ratio(same.reach(goal), took),
                "plain_recolored": None if recolored is None else ratio(recolored.reach(goal), took),
            })  # fmt: skip
            print(runs[-1], flush=True)
    medians = {
        key: statistics.median(run[key] for run in runs if run[key] is not None)  # type: ignore[type-var]
        for key in ("defaults", "safe_from_the_same_noise", "plain_recolored")
    }
    runs = [{k: None if v == float("inf") else v for k, v in run.items()} for run in runs]
    medians = {k: None if v == float("inf") else v for k, v in medians.items()}
    record("time_to_quality", {"size": arguments.size, "runs": runs, "median_share": medians, "required": 0.5})


if __name__ == "__main__":
    main()
