"""Memory of batches of rows: what peaks of few rows predict, and what a fresh process then takes.

    python benchmarks/memory.py

The prediction is that of ``lit_nst.parallel.memory``, from two probes: the first steps of runs of 2 and of 4 rows (8
and 16 where the networks get 8 inputs at a time). Measured is the growth of the resident memory of a process of its
own, on the CPU: its peak up to the end of a user's run, reports and checkpoint included, over what it held before the
run began. Needs Linux's ``/proc``.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from measure import Run, record, targets

from lit_nst.parallel.memory import MIB, MemoryModel, Peak, fitted

REQUIRED = 1.3
# The optimiser's state is there from the second step on.
PROBED = 2


def options(job: str, rows: int, steps: int) -> list[str]:
    """Of a run of a job with so many rows."""
    own = {
        "inversion": ["--config", "inversion.yaml", "--data.target", f"[{','.join(targets(rows))}]"],
        "style transfer at 128": [
            "--config", "style_transfer.yaml", "--data.size", "128", "--data.style", "embedded:styles/swirls.png",
            "--model.search.restarts", str(rows), "--model.search.spread", "0.1",
        ],
        # Guided from the first step to the last: in a whole run most are.
        "guided diffusion": [
            "--config", "guided_diffusion.yaml", "--model.prompt", "a big red circle", "--model.samples", str(rows),
            "--model.guidance.schedule.start", "0", "--model.guidance.schedule.stop", "1",
        ],
    }  # fmt: skip
    return [*own[job], "--trainer.max_steps", str(steps), "--trainer.accelerator", "cpu"]


JOBS = ("inversion", "style transfer at 128", "guided diffusion")


class Times(Callback):
    """Seconds of every step."""

    def __init__(self) -> None:
        self.steps: list[float] = []

    def on_train_batch_start(self, *_: object) -> None:
        """Begins."""
        self.begin = time.perf_counter()

    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        """Takes the time."""
        self.steps.append(round(time.perf_counter() - self.begin, 3))


def resident(key: str) -> int:
    """Bytes of this process's resident memory: VmRSS now, VmHWM at most."""
    words = Path("/proc/self/status").read_text().partition(f"{key}:")[2].split()
    return int(words[0]) * 1024


def run(job: str, rows: int, steps: int) -> dict[str, Any]:
    """Growth of this process by a run, and the seconds of its last step."""
    built, times = Run(*options(job, rows, steps)), Times()
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    built.begin(times)
    return {"bytes": resident("VmHWM") - before, "step_seconds": times.steps[-1]}


def probe(job: str) -> dict[str, Any]:
    """Peaks of the first steps with few rows, and what the probes cost."""
    group = max(getattr(Run(*options(job, 2, PROBED)).model.generator, "group", 0), 2)
    peaks, seconds, plain = [], [], []
    for rows in (group, 2 * group):
        built = Run(*options(job, rows, PROBED))
        begin = time.perf_counter()
        with Peak(torch.device("cpu")) as memory:
            built.begin(reports=False)
        seconds.append(round(time.perf_counter() - begin, 3))
        peaks.append(memory.peak)
        times = Times()
        Run(*options(job, rows, PROBED)).begin(times, reports=False)
        plain.append(times.steps[-1])
    shown = {"probe_rows": [group, 2 * group], "probe_seconds": seconds, "plain_step_seconds": plain}
    return {**shown, "peaks": peaks, "group": group}


def child(*arguments: str) -> dict[str, Any]:
    """What this script tells of a case in a process of its own, on one thread, in a folder that is then removed."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(Path(__file__).resolve()), "--one", *arguments]
        settings: dict[str, Any] = {"cwd": folder, "env": {**os.environ, "OMP_NUM_THREADS": "1"}}
        text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **settings).stdout
    found: dict[str, Any] = json.loads(text.splitlines()[-1])
    print(*arguments, found, flush=True)
    return found


def measured(job: str, rows: list[int], steps: int) -> dict[str, Any]:
    """A job's prediction, and its runs against it."""
    probed = child(job)
    model = fitted(*probed.pop("peaks"), probed.pop("group"))
    runs = {str(count): against(model, count, child(job, str(count), str(steps))) for count in rows}
    return {"fixed_mib": mib(model.fixed), "per_row_mib": mib(model.per_row), **probed, "rows": runs}


def against(model: MemoryModel, rows: int, found: dict[str, Any]) -> dict[str, float]:
    """A run beside what was predicted."""
    predicted = model.bytes(rows)
    return {
        "predicted_mib": mib(predicted),
        "measured_mib": mib(found["bytes"]),
        "ratio": round(found["bytes"] / predicted, 3),
        "step_seconds": found["step_seconds"],
    }


def mib(size: float) -> float:
    """Bytes as MiB, one digit."""
    return round(size / MIB, 1)


def table(jobs: dict[str, Any]) -> str:
    """The figures in Markdown."""
    lines = ["| job | rows | predicted, MiB | measured, MiB | ratio |", "|---|---|---|---|---|"]
    for job, found in jobs.items():
        for rows, each in found["rows"].items():
            figures = f"{each['predicted_mib']:.0f} | {each['measured_mib']:.0f} | {each['ratio']:.2f}"
            lines.append(f"| {job} | {rows} | {figures} |")
    return "\n".join(lines)


def main() -> None:
    """Measures every job, or, in another process, a case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--dry", action="store_true", help="write no result")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        job, *sizes = arguments.one
        print(json.dumps(run(job, *map(int, sizes)) if sizes else probe(job)))
        return
    jobs = {job: measured(job, arguments.rows, arguments.steps) for job in arguments.jobs}
    record("memory", {"steps": arguments.steps, "required_ratio": REQUIRED, "jobs": jobs}, arguments.dry)
    print(f"\n{table(jobs)}")


if __name__ == "__main__":
    main()
