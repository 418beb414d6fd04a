"""Rows and steps per second of one process, of two, and of two that have nothing to do with each other."""

import itertools
import json
import os
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch.distributed as dist
from lightning.pytorch import Callback, LightningModule, Trainer
from long_run import draw
from warm import Command

# Batch → steps, for a few seconds each.
STEPS = {1: 100, 4: 50, 16: 16, 64: 6}
PATIENCE, KINDS = 60.0, ("one", "two", "unrelated")


class Witness(Callback):
    """Notes when each step ended, and what connects this process with others then; writes FOLDER/PROCESS.jsonl.

    Args:
        folder: That of the files.
        processes: How many there are; they begin their first steps together.
    """

    def __init__(self, folder: str, processes: int) -> None:
        self.folder, self.processes = Path(folder), processes
        self.steps: list[tuple[float, int]] = []
        self.sockets = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A unit begins."""
        self.steps, self.sockets = [], 0
        (self.folder / f"{os.getpid()}.ready").touch()
        end = time.monotonic() + PATIENCE
        while len(list(self.folder.glob("*.ready"))) < self.processes and time.monotonic() < end:
            time.sleep(0.001)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Notes it."""
        assert not dist.is_initialized(), "there is a process group"
        task: Any = pl_module
        self.steps.append((time.monotonic(), task.shard.total))
        self.sockets = max(self.sockets, _sockets())

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes a line for the unit."""
        with (self.folder / f"{os.getpid()}.jsonl").open("a") as file:
            file.write(json.dumps({"steps": self.steps, "sockets": self.sockets}) + "\n")


def _sockets() -> int:
    """How many this process has open."""
    count = 0
    for link in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            count += os.readlink(f"/proc/self/fd/{link}").startswith("socket:")
    return count


def rate(units: Sequence[Sequence[dict[str, Any]]]) -> tuple[float, float]:
    """Rows times steps per second, of all processes together, while all of them take steps.

    Args:
        units: Of each process, what ``Witness`` has noted of its units.

    Returns:
        The rate, and for which share of the time all took steps; without any, the rate is that of all steps.
    """
    spans = [(process[0]["steps"][0][0], process[-1]["steps"][-1][0]) for process in units]
    begin, end = max(first for first, _ in spans), min(last for _, last in spans)
    total = 0.0
    for process in units:
        pairs = [pair for unit in process for pair in itertools.pairwise(unit["steps"])]
        inside = [pair for pair in pairs if begin <= pair[0][0] and pair[1][0] <= end] or pairs
        total += sum(rows for _, (_, rows) in inside) / sum(after - before for (before, _), (after, _) in inside)
    whole = max(last for _, last in spans) - min(first for first, _ in spans)
    return round(total, 2), round(max(0.0, end - begin) / whole, 3)


def measured(folder: Path, kind: str, batch: int, share: float) -> dict[str, float]:
    """One case: two units, by one process or by two, or two runs of a unit each at once."""
    folder.mkdir()
    witnesses, steps = folder / "witnesses", max(4, round(STEPS[batch] * share))
    witnesses.mkdir()
    runs = 2 if kind == "unrelated" else 1
    begin, commands = time.perf_counter(), []
    for number in range(runs):
        paths = [f"{folder.parent}/targets/{row:04d}.png" for row in range(2 * batch // runs)]
        options = {
            "--data.target": f"[{','.join(paths)}]", "--trainer.devices": 2 if kind == "two" else 1,
            "--queue.batch": batch, "--trainer.max_steps": steps, "--trainer.enable_progress_bar": "false",
            "--trajectory.every": 0, "--trajectory.rows": 1, "--trainer.callbacks+": "throughput.Witness",
            "--trainer.callbacks.folder": witnesses, "--trainer.callbacks.processes": 1 if kind == "one" else 2,
            "--trainer.logger.init_args.name": f"run_{number}",
        }  # fmt: skip
        words = ["fit", "--config", "inversion.yaml", "--trainer.accelerator", "cpu"]
        words += [str(word) for pair in options.items() for word in pair]
        cores = (0, 1) if kind == "two" else (number,)
        commands.append(Command(words, folder, folder / "log", cores))
    for command in commands:
        assert command.first.wait(600) == 0, (folder / "log").read_text()
    seconds = time.perf_counter() - begin
    for command in commands:
        command.close()
    units = [list(map(json.loads, path.read_text().splitlines())) for path in sorted(witnesses.glob("*.jsonl"))]
    assert len(units) == (1 if kind == "one" else 2), f"{kind}: {len(units)} process(es) have computed"
    steady, together = rate(units)
    return {
        "steady": steady,
        "together": together,
        "whole": round(2 * batch * steps / seconds, 2),
        "sockets": max(unit["sockets"] for process in units for unit in process),
    }


def throughput(folder: Path, rounds: int, batches: Sequence[int], share: float = 1.0) -> dict[str, Any]:
    """Every case in each round, the kinds in turn; ratios are of one round."""
    draw(folder / "targets", 2 * max(batches))
    cases: dict[str, list[dict[str, Any]]] = {str(batch): [] for batch in batches}
    for number in range(rounds):
        for batch in batches:
            order = KINDS if number % 2 == 0 else KINDS[::-1]
            found = {kind: measured(folder / f"{number}_{batch}_{kind}", kind, batch, share) for kind in order}
            print(f"batch {batch}, round {number}: {found}", flush=True)
            cases[str(batch)].append(found)
    runs = [run for found in cases.values() for each in found for run in each.values()]
    return {
        "rows_times_steps_per_second": cases,
        "median": {batch: _medians(found) for batch, found in cases.items()},
        "sockets_during_steps": max(run["sockets"] for run in runs),
        "process_group": False,
        "siblings": _siblings(),
        "required_ratio": 1.9,
    }


def _medians(rounds: Sequence[dict[str, dict[str, float]]]) -> dict[str, float]:
    found = {f"{kind}": statistics.median(each[kind]["steady"] for each in rounds) for kind in KINDS}
    for name, other, key in (
        ("two_over_one", "one", "steady"), ("two_over_unrelated", "unrelated", "steady"),
        ("whole_two_over_one", "one", "whole"), ("whole_two_over_unrelated", "unrelated", "whole"),
    ):  # fmt: skip
        found[name] = statistics.median(each["two"][key] / each[other][key] for each in rounds)
    # Of little of the time together, the rates are of processes that had a machine each.
    found["least_together"] = min(each[kind]["together"] for each in rounds for kind in KINDS)
    return {name: round(value, 3) for name, value in found.items()}


def _siblings() -> str | None:
    """Which cores are one, physically."""
    with suppress(OSError):
        return Path("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list").read_text().strip()
    return None
