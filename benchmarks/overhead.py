"""Steps per second of a run through Lightning against a bare PyTorch loop: interleaved pairs.

python benchmarks/overhead.py
"""

import argparse
import tempfile
from pathlib import Path

from measure import bare_rate, lightning_rate, median, record


def main() -> None:
    """Runs the pairs, alternating which comes first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--steps", type=int, default=60)
    arguments = parser.parse_args()
    pairs = []
    for pair in range(arguments.pairs):
        with tempfile.TemporaryDirectory() as folder:
            runs = {
                "bare": lambda: bare_rate(arguments.rows, arguments.steps),
                "lightning": lambda folder=folder: lightning_rate(arguments.rows, arguments.steps, Path(folder)),
                "with_frames": lambda folder=folder: lightning_rate(
                    arguments.rows, arguments.steps, Path(folder), trajectory=True
                ),
            }
            order = list(runs) if pair % 2 == 0 else list(runs)[::-1]
            rates = {name: round(runs[name](), 3) for name in order}
        ratios = {f"{name}_ratio": round(rates[name] / rates["bare"], 4) for name in ("lightning", "with_frames")}
        pairs.append({**rates, **ratios})
    medians = {key: median([pair[key] for pair in pairs]) for key in ("lightning_ratio", "with_frames_ratio")}
    record(f"overhead_{arguments.rows}_rows", {"steps_per_second": pairs, "median": medians, "required": 0.95})


if __name__ == "__main__":
    main()
