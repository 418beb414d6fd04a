"""Runs over two processes that are killed and go on, a long one, and what two processes are worth.

    python benchmarks/endurance.py kills        # 100 small runs, killed at random moments
    python benchmarks/endurance.py long         # 500 targets, two processes, six kills: results, memory over time
    python benchmarks/endurance.py throughput   # one process, two, and two that have nothing to do with each other

Needs Linux's ``/proc``. One thread in each process.
"""

import argparse
import atexit
import gc
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from kills import kills
from long_run import long_run
from measure import record
from throughput import throughput
from warm import observe


def tables(name: str, found: dict[str, Any]) -> list[str]:
    """The figures in Markdown."""
    if name == "throughput":
        heads = "| batch | one process | two | two unrelated | two over one | two over two unrelated | together |"
        lines = [heads, "|---" * 7 + "|"]
        for batch, each in found["median"].items():
            rates = " | ".join(f"{each[kind]:.1f}" for kind in ("one", "two", "unrelated"))
            ratios = f"{each['two_over_one']:.2f}× | {each['two_over_unrelated']:.2f}×"
            lines.append(f"| {batch} | {rates} | {ratios} | {each['least_together']:.0%} |")
        return lines
    if name == "kills":
        lines = [
            f"{found['identical']} of {found['runs']} runs found what the one that was left alone did, after "
            f"{found['kills']} kills; {found['tracebacks']} tracebacks, {found['litter']} files left over.",
            "",
            "| killed while at | times |",
            "|---|---|",
        ]
        return [*lines, *(f"| {what} | {times} |" for what, times in found["phases"].items())]
    lines = ["| process of so many units | MiB, first third | last third | MiB per unit |", "|---" * 4 + "|"]
    for each in (*found["memory_of_one_process"]["processes"], *found["memory_of_two_processes"]["processes"]):
        figures = f"{each['first_third_mib']} | {each['last_third_mib']} | {each['mib_per_unit']}"
        lines.append(f"| {each['units']} | {figures} |")
    return lines


def main() -> None:
    """Runs one of the three, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("kills", "long", "throughput", "all"), nargs="?", default="all")
    parser.add_argument("--small", action="store_true", help="a few of each, no result is written")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, default=100, help="runs that are killed")
    parser.add_argument("--rounds", type=int, default=3, help="of the throughput")
    arguments = parser.parse_args()
    small, seed = arguments.small, arguments.seed
    # A pool of threads does not survive a fork.
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    observe()
    # Forks share what was imported, and do not search it for garbage.
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)
    parts: dict[str, Callable[[Path], dict[str, Any]]] = {
        "kills": lambda place: kills(place, 4 if small else arguments.cases, seed),
        "throughput": lambda place: throughput(
            place, *((1, (1, 16), 0.7) if small else (arguments.rounds, (1, 4, 16, 64)))
        ),
        "long": lambda place: long_run(place, *((20, 2, 2) if small else (500, 6, 16)), seed),
    }
    for name, part in parts.items():
        if arguments.part not in (name, "all"):
            continue
        folder = Path(tempfile.mkdtemp(prefix=f"{name}_"))
        found = part(folder)
        record(f"endurance_{name}", found, dry=small)
        print("\n" + "\n".join(tables(name, found)))
        if found.get("differ") or found.get("identical") != found.get("runs"):
            print(f"see {folder}")
        else:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
