"""Fills the tables of docs/scaling.md from benchmarks/results/*.json.

    python benchmarks/scaling.py

The projection takes a device for a share of its peak in float32, which is an assumption; the work is counted.
"""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
# NVIDIA's figure for an H100 or H200 without tensor cores, and the share that is assumed of it.
PEAK, SHARE = 67e12, 0.3
STEPS = {
    "inversion, 64×64": 300,
    "style transfer, 128×128": 100,
    "guided diffusion, 32×32": 50,
    "inversion, 1024×1024": 1000,
}
TARGETS = 1_000_000


def read(name: str) -> dict[str, Any]:
    """A benchmark's result."""
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return found


def cost() -> list[str]:
    """What a row costs."""
    lines = [
        "| job | GFLOP per step | steps | memory, fixed | per row | picture | figures | latents | checkpoint |",
        "|---" * 9 + "|",
    ]
    for name, job in read("cost")["jobs"].items():
        sizes = [job.get(f"{kind}_bytes_per_row") for kind in ("pictures", "figures", "latents", "checkpoint")]
        disk = " | ".join("" if size is None else "–" if size == 0 else f"{size / 1024:.1f} KiB" for size in sizes)
        memory = f"{job['fixed_mib']:.0f} MiB | {job['mib_per_row']:.0f} MiB"
        lines.append(f"| {name} | {job['gflop_per_row_step']:.2f} | {STEPS[name]} | {memory} | {disk} |")
    return lines


def memory() -> list[str]:
    """The prediction of the memory against what a process took."""
    lines = ["| job | rows | predicted | measured | ratio |", "|---" * 5 + "|"]
    for name, job in read("memory")["jobs"].items():
        for rows, each in job["rows"].items():
            sizes = f"{each['predicted_mib']:.0f} MiB | {each['measured_mib']:.0f} MiB | {each['ratio']:.2f}"
            lines.append(f"| {name} | {rows} | {sizes} |")
    return lines


def throughput() -> list[str]:
    """Rows times steps per second."""
    lines = [
        "| rows at a time | one process | two | two unrelated ones | two over one | two over two unrelated |",
        "|---" * 6 + "|",
    ]
    for batch, each in read("endurance_throughput")["median"].items():
        rates = " | ".join(f"{each[kind]:.1f}" for kind in ("one", "two", "unrelated"))
        lines.append(f"| {batch} | {rates} | {each['two_over_one']:.2f}× | {each['two_over_unrelated']:.2f}× |")
    return lines


def kills() -> list[str]:
    """Where processes were killed."""
    found = read("endurance_kills")
    lines = [
        f"{found['identical']} of {found['runs']} runs found what the one that was left alone did, after "
        f"{found['kills']} killed processes; {found['tracebacks']} tracebacks, {found['litter']} files left over.",
        "",
        "| killed while at | times |",
        "|---|---|",
    ]
    return [*lines, *(f"| {what} | {times} |" for what, times in found["phases"].items())]


def endurance() -> list[str]:
    """Memory over the units of the long run."""
    found = read("endurance_long")
    lines = ["| process of so many units | first third | last third | per unit |", "|---" * 4 + "|"]
    for kind in ("memory_of_one_process", "memory_of_two_processes"):
        for each in found[kind]["processes"]:
            figures = f"{each['first_third_mib']} MiB | {each['last_third_mib']} MiB | {each['mib_per_unit']} MiB"
            lines.append(f"| {each['units']} | {figures} |")
    return lines


def projection() -> list[str]:
    """Hours for a million targets."""
    lines = ["| a million targets | work | 1 | 8 | 64 | 1,000 devices |", "|---" * 6 + "|"]
    for name, job in read("cost")["jobs"].items():
        work = job["gflop_per_row_step"] * 1e9 * STEPS[name] * TARGETS
        hours = [work / (PEAK * SHARE) / 3600 / devices for devices in (1, 8, 64, 1000)]
        lines.append(f"| {name} | {work:.1e} FLOP | " + " | ".join(_hours(each) for each in hours) + " |")
    return lines


def _hours(hours: float) -> str:
    if hours >= 48:
        return f"{hours / 24:,.0f} days"
    if hours >= 1:
        return f"{hours:.1f} h"
    return f"{hours * 60:.0f} min" if hours * 60 >= 2 else f"{hours * 3600:.0f} s"


def main() -> None:
    """Rewrites the file between its markers."""
    path = ROOT / "docs" / "scaling.md"
    text = path.read_text()
    for part in (cost, memory, throughput, kills, endurance, projection):
        name = part.__name__
        body = f"<!-- {name} -->\n" + "\n".join(part()) + f"\n<!-- /{name} -->"
        text = re.sub(f"<!-- {name} -->.*?<!-- /{name} -->", lambda _, body=body: body, text, flags=re.DOTALL)
    path.write_text(text)


if __name__ == "__main__":
    main()
