"""Fills the README's table of measurements from benchmarks/results/*.json.

python benchmarks/table.py
"""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
LEVELS = ("xs", "s", "m", "l", "xl")


def read(name: str) -> dict[str, Any]:
    """A benchmark's result."""
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
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
    for path in sorted(RESULTS.glob("overhead_*_rows.json")):
        median, rows = read(path.stem)["median"], path.stem.split("_")[1]
        text.append(
            f"| steps/s through Lightning against a bare loop, {rows} rows (`benchmarks/overhead.py`) | "
            f"{median['lightning_ratio']:.1%}; {median['with_frames_ratio']:.1%} with the recorded frames |"
        )
    median = batch["median"]
    text.append(
        "| row-steps/s of 16 rows against 1 row, which is computed twice (`benchmarks/batch.py`) | "
        f"{median['ratio']:.2f}×; "
        f"textbook generator and VGG16: {median['textbook_ratio']:.2f}× |"
    )
    parts = {"projector": projector, "invariance": invariance, "severity": severity, "large": large}
    parts["diffusion"] = diffusion
    made = [line for name, part in parts.items() if (RESULTS / f"{name}.json").exists() for line in part(read(name))]
    return [*text, "", *made, *transfer()]


def projector(found: dict[str, Any]) -> list[str]:
    """The part about NVlabs' projector."""
    text = [
        f"| inversion against an NVlabs-type loop, {sum(list(found['targets'].values())[:2])} targets "
        "(`benchmarks/projector.py`) | as published | kinder |",
        "|---|---|---|",
    ]
    loops = [(found["loops"][name], found["against"][name]) for name in ("as_published", "kinder")]
    first, last = loops[0][0][-1], found["ours"]["curve"][-1]
    rows = {
        f"distance of the loop after {first['step']} steps; ours after {last['step']}": [
            f"{curve[-1]['mean']:.4f}; {last['mean']:.4f}" for curve, _ in loops
        ],
        "seconds per image of the loop; of our whole run": [
            f"{curve[-1]['seconds_per_image']:.2f}; {last['seconds_per_image']:.2f}" for curve, _ in loops
        ],
        "share of the loop's time until its distance, mean; median": [
            "; ".join(_share(against[f"{key}_reached"]) for key in ("mean", "median")) for _, against in loops
        ],
        "steps after which the loop is within 5 % of its own end": [
            f"{against['loop_within_5_percent_of_its_end']['step']}" for _, against in loops
        ],
        "images that ours is nearer to": [f"{against['nearer_images']}" for _, against in loops],
    }
    text += [f"| {name} | {' | '.join(values)} |" for name, values in rows.items()]
    mean, low, high = found["in_w"]["ratio_of_distances"]
    spaces = " then ".join(space.upper() for space in found["ours"]["spaces"])
    return [*text, "", f"Distance in {spaces} over that in W, equal steps: {mean:.2f} [{low:.2f}, {high:.2f}].", ""]


def _share(point: dict[str, float] | None) -> str:
    return "not reached" if point is None else f"{point['share_of_time']:.2f} (step {point['step']})"


def invariance(found: dict[str, Any]) -> list[str]:
    """The part about batches."""
    text = [
        f"| rows in batches (`benchmarks/invariance.py`), {found['steps']} steps | largest difference of w to the row "
        "alone; to the largest batch |",
        "|---|---|",
    ]
    for name, batches in found["largest_difference"].items():
        alone = max(batch["absolute"] for batch in batches.values())
        others = max(batch["absolute_against_the_largest_batch"] for batch in batches.values())
        text.append(f"| configs/inversion.yaml, {name}, {', '.join(batches)} | {alone:.1e}; {others:.1e} |")
    times = found["milliseconds_per_row_step"]
    rows = "; ".join(f"{size}: {time:.1f}" for size, time in times.items())
    return [*text, f"| milliseconds per row and step, by size of the batch | {rows} |", ""]


def diffusion(found: dict[str, Any]) -> list[str]:
    """The part about guided diffusion's gradients."""
    where = found["gpu"] or "CPU"
    text = [
        f"| gradient of a guided step, {found['resolution']}², random weights, {where} (`benchmarks/diffusion.py`) | "
        "kept for it, MiB | seconds |",
        "|---|---|---|",
    ]
    for case in found["cases"]:
        name = f"{case['mode']}, through {case['through']}, {case['precision']}"
        text.append(f"| {name} | {case['saved_mib']:.1f} | {case['seconds']:.2f} |")
    return [*text, ""]


def severity(found: dict[str, Any]) -> list[str]:
    """The part about levels of degradation."""
    text = [
        "Every level of `configs/severity` with the settings of `inversion.yaml` (`benchmarks/severity.py`):",
        "PSNR in dB and the perceptual distance, measurement → result.",
        "",
        f"| | {' | '.join(LEVELS)} |",
        "|---" * (1 + len(LEVELS)) + "|",
    ]
    jobs = found["jobs"]
    for kind in dict.fromkeys(name.rpartition("_")[0] for name in jobs if "+" not in name):
        cells = [_restored(jobs.get(f"{kind}_{level}")) for level in LEVELS]
        text.append(f"| {kind} | {' | '.join(cells)} |")
    for name in (name for name in jobs if "+" in name):
        cells = [_restored(jobs[name] if level == "m" else None) for level in LEVELS]
        text.append(f"| {name.replace('_m', '')} | {' | '.join(cells)} |")
    return [*text, ""]


def _restored(job: dict[str, Any] | None) -> str:
    if job is None:
        return ""
    return "; ".join(
        (f"{job[f'measurement_{key}']:{form}} → " if f"measurement_{key}" in job else "") + f"{job[key]:{form}}"
        for key, form in (("psnr", ".1f"), ("perceptual", ".3f"))
    )


def large(found: dict[str, Any]) -> list[str]:
    """The part about large generators."""
    text = [
        f"| StyleGAN2 config-f, one step, CPU, {found['machine']['threads']} thread(s) (`benchmarks/large.py`) | "
        "peak memory, GiB | seconds |",
        "|---|---|---|",
    ]
    for case in found["cpu"]:
        cap = f"losses at {case['cap']}²" if case["cap"] else "losses at full size"
        name = f"{case['resolution']}², batch of {case['batch']}, {cap}"
        text.append(f"| {name} | {case['peak_gib']:.1f} | {case['seconds_per_step']:.2f} |")
    if not found["cuda"]:
        return [*text, ""]
    text += ["", f"| steps/s, {found['gpu']} | {' | '.join(dict.fromkeys(c['mode'] for c in found['cuda']))} |"]
    text.append("|---" * (1 + len({case["mode"] for case in found["cuda"]})) + "|")
    for resolution, batch in dict.fromkeys((case["resolution"], case["batch"]) for case in found["cuda"]):
        own = [case for case in found["cuda"] if (case["resolution"], case["batch"]) == (resolution, batch)]
        rates = " | ".join(f"{case['steps_per_second']:.1f}" for case in own)
        text.append(f"| {resolution}², batch of {batch} | {rates} |")
    return [*text, ""]


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
