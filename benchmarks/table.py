"""Fills the README's table of measurements from benchmarks/results/*.json.

python benchmarks/table.py
"""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def read(name: str) -> dict[str, Any]:
    """A benchmark's result."""
    found: dict[str, Any] = json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())
    return found


def lines() -> list[str]:
    """The section in Markdown."""
    quality, batch = read("quality"), read("batch")
    text = [
        "Means over the 16 held-out portraits, configs as they stand (`benchmarks/quality.py`). The perceptual",
        "figure is an LPIPS-type distance by a network that guided nothing; lower is better.",
        "",
        "| job | steps | PSNR of the measurement, dB | PSNR of the result, dB | SSIM | perceptual, before → after |",
        "|---|---|---|---|---|---|",
    ]
    for name, job in quality["jobs"].items():
        before = f"{job['measurement_psnr']:.1f}" if "measurement_psnr" in job else "–"
        distance = f"{job['measurement_perceptual']:.3f} → " if "measurement_perceptual" in job else ""
        figures = f"{before} | {job['psnr']:.1f} | {job['ssim']:.3f} | {distance}{job['perceptual']:.3f}"
        text.append(f"| {name} | {job['steps']} | {figures} |")
    text += ["", "| speed, on 2 CPU cores | median of interleaved pairs |", "|---|---|"]
    for path in sorted((ROOT / "benchmarks" / "results").glob("overhead_*_rows.json")):
        median, rows = read(path.stem)["median"], path.stem.split("_")[1]
        text.append(
            f"| steps/s through Lightning against a bare loop, {rows} rows (`benchmarks/overhead.py`) | "
            f"{median['lightning_ratio']:.1%}; {median['with_frames_ratio']:.1%} with the recorded frames |"
        )
    median = batch["median"]
    text.append(
        f"| row-steps/s of 16 rows against 1 row (`benchmarks/batch.py`) | {median['ratio']:.2f}×; "
        f"textbook generator and VGG16: {median['textbook_ratio']:.2f}× |"
    )
    return [*text, "", *transfer()]


def transfer() -> list[str]:
    """The part about style transfer."""
    encoder, quality = read("encoder"), read("time_to_quality")
    search, speed = read("line_search")["objectives"], read("transfer_speed")
    mean, low, high = encoder["lower_than_random"]["share"]
    times, missed = quality["median_share"], sum(run["defaults"] is None for run in quality["runs"])
    names = {
        "embedded": "shipped encoder",
        "random": "random weights",
        "trained SqueezeNet": "trained SqueezeNet, which is the judge",
    }
    found = "; ".join(f"{text} {encoder['style_distance'][key]:.3f}" for key, text in names.items())
    return [
        "| style transfer | |",
        "|---|---|",
        f"| style distance, judged by trained SqueezeNet features, {encoder['pairs']} pairs at equal steps "
        f"(`benchmarks/encoder.py`) | {found}; encoder against random, pair by pair: {-mean:.0%} "
        f"[{-high:.0%}, {-low:.0%}] |",
        f"| wall time to the loss of 500 evaluations of plain L-BFGS from noise, {quality['size']}², "
        f"{len(quality['runs'])} runs (`benchmarks/time_to_quality.py`) | "
        f"defaults: median {times['defaults']:.2f} of it; not reached in {missed} runs |",
        *(
            f"| unguarded over safe L-BFGS, loss at {read('line_search')['evaluations']} evaluations, {name} "
            f"(`benchmarks/line_search.py`) | median {one['median_ratio']:.2f}×, "
            f"{one['smallest_ratio']:.2f}× to {one['largest_ratio']:.2f}× |"
            for name, one in search.items()
        ),
        f"| steps/s through Lightning against a bare loop, VGG-19, {speed['size']}² "
        f"(`benchmarks/transfer_speed.py`) | {speed['median_ratio']:.1%} |",
    ]


def main() -> None:
    """Rewrites the README between its markers."""
    readme = ROOT / "README.md"
    section = "<!-- benchmarks -->\n" + "\n".join(lines()) + "\n<!-- /benchmarks -->"
    text = re.sub("<!-- benchmarks -->.*?<!-- /benchmarks -->", lambda _: section, readme.read_text(), flags=re.DOTALL)
    readme.write_text(text)


if __name__ == "__main__":
    main()
