"""A long run over two processes that are killed now and then: its memory, and whether it finds what one finds."""

import os
import random
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from kills import fingerprint

from lit_nst.data import write_png
from lit_nst.generators import StyleGAN2

COMMAND = Path(__file__).resolve().parent.parent / "cli.py"
RUN, PAUSE, STEPS, FEWEST = Path("logs/inversion/run"), 0.5, 20, 6


@torch.no_grad()
def draw(folder: Path, count: int) -> None:
    """Pictures of the generator that comes with the package, drawn by number."""
    generator = StyleGAN2("embedded")
    for first in range(0, count, 50):
        images = generator(generator.sample(min(50, count - first), first)).clamp(0, 1)
        for number, image in enumerate(images, first):
            write_png(image, folder / f"{number:04d}.png")


class Observed:
    """A real command, and the memory of its processes by the unit that each is at."""

    def __init__(self, folder: Path, devices: int, batch: int) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.peaks = folder, dict[int, dict[str, float]]()
        options = {"--data.target": folder.parent / "targets", "--trainer.devices": devices, "--queue.batch": batch}
        options |= {"--trainer.max_steps": STEPS, "--trainer.logger.init_args.version": "run", "--ckpt_path": "last"}
        options |= {"--trainer.enable_progress_bar": "false", "--trajectory.every": 0, "--trajectory.rows": 1}
        words = ["fit", "--config", "inversion.yaml", "--trainer.accelerator", "cpu"]
        words += [str(word) for pair in options.items() for word in pair]
        with (folder / "log").open("ab") as log:
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            self.process = subprocess.Popen(
                [sys.executable, str(COMMAND), *words], cwd=folder, env=environment, stdout=log, stderr=log
            )
        self.pids = [self.process.pid]

    def look(self) -> None:
        """Notes the most memory that each process has held since the last look."""
        with suppress(OSError):
            text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
            self.pids = [self.process.pid, *map(int, text.split())]
        for pid in self.pids:
            with suppress(OSError):
                unit = _unit(pid)
                words = Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()
                # From now on.
                Path(f"/proc/{pid}/clear_refs").write_text("5")
                peaks = self.peaks.setdefault(pid, {})
                peaks[unit] = max(peaks.get(unit, 0.0), int(words[0]) / 1024 if words else 0.0)

    def done(self) -> int:
        """How many units are finished."""
        return len(list((self.folder / RUN / "batches").glob("rows_*/done.safetensors")))

    def kill(self, *places: int) -> list[int]:
        """Kills its first process, its second one, or both; which there were."""
        hit = [place for place in places if place < len(self.pids)]
        for place in hit:
            with suppress(ProcessLookupError):
                os.kill(self.pids[place], signal.SIGKILL)
        return hit


def _unit(pid: int) -> str:
    """The unit that a process holds, by the file that it has locked; empty between two."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            held = Path(os.readlink(link))
            # The first process holds the run besides.
            if held.name == ".claim" and held.parent.name.startswith("rows_"):
                return held.parent.name
    return ""


def whole(folder: Path, batch: int) -> tuple[Observed, float]:
    """The run that is left alone, in one process, and its seconds."""
    begin, run = time.perf_counter(), Observed(folder, 1, batch)
    while run.process.poll() is None:
        run.look()
        time.sleep(PAUSE)
    assert run.process.returncode == 0, (folder / "log").read_text()
    return run, time.perf_counter() - begin


def interrupted(
    folder: Path, batch: int, units: int, kills: Sequence[tuple[int, ...]], seed: int
) -> tuple[list[Observed], dict[str, Any]]:
    """The run of two processes, killed when so many units are finished; its commands, and what was killed."""
    chosen, commands, hits, refused = random.Random(seed), list[Observed](), list[str](), 0
    waiting = [(max(1, units * (number + 1) // (len(kills) + 2)), victims) for number, victims in enumerate(kills)]
    while len(commands) < 4 * len(kills) + 4:
        commands.append(run := Observed(folder, 2, batch))
        while run.process.poll() is None:
            run.look()
            if waiting and run.done() >= waiting[0][0]:
                _, victims = waiting.pop(0)
                time.sleep(chosen.random() * 4)
                victims = victims if len(run.pids) > 1 else (0,)
                hits.append(" and ".join(("first", "second")[place] for place in run.kill(*victims)))
                run.process.poll() if 0 not in victims else run.process.wait()
            time.sleep(PAUSE)
        if run.process.returncode == 0:
            break
        if run.process.returncode > 0:
            # An orphan has not ended its last step.
            refused += 1
            time.sleep(2.0)
    return commands, {"kills": hits, "kills_left": len(waiting), "commands": len(commands), "refused": refused}


def flatness(runs: Sequence[Observed]) -> dict[str, Any]:
    """How the most memory of a unit grows over a process's units, of those that did enough of them."""
    found = []
    for peaks in (peaks for run in runs for peaks in run.peaks.values()):
        values = [value for unit, value in peaks.items() if unit]
        if len(values) < FEWEST:
            continue
        third, places = len(values) // 3, range(len(values))
        slope = statistics.linear_regression(places, values).slope
        first, last = statistics.median(values[:third]), statistics.median(values[-third:])
        figures = {"units": len(values), "first_third_mib": round(first, 1), "last_third_mib": round(last, 1)}
        figures |= {"ratio": round(last / first, 4), "mib_per_unit": round(slope, 3)}
        found.append({**figures, "between_units_mib": round(peaks.get("", 0.0), 1)})
    return {"processes": found, "largest_ratio": max((each["ratio"] for each in found), default=None)}


def long_run(folder: Path, targets: int, kills: int, batch: int, seed: int) -> dict[str, Any]:
    """Both runs, and what they have in common."""
    draw(folder / "targets", targets)
    one, seconds = whole(folder / "one", batch)
    victims = [((1,), (0,), (0, 1))[number % 3] for number in range(kills)]
    random.Random(seed).shuffle(victims)
    units = len([unit for unit in one.peaks[one.process.pid] if unit])
    begin = time.perf_counter()
    runs, told = interrupted(folder / "two", batch, units, victims, seed)
    found, expected = fingerprint(folder / "two" / RUN), fingerprint(folder / "one" / RUN)
    log = (folder / "two" / "log").read_text(errors="replace")
    pictures = len(list((folder / "two" / RUN / "results").glob("[0-9]*.png")))
    return {
        "targets": targets,
        "steps": STEPS,
        "batch": batch,
        "units": units,
        **told,
        "rows": pictures,
        "files": len(found),
        "differ": sorted(name for name in found.keys() | expected if found.get(name) != expected.get(name)),
        "litter": [str(path) for path in (folder / "two" / RUN).rglob("*.part")],
        "tracebacks": log.count("Traceback"),
        "errors": re.findall("^error: .*", log, re.MULTILINE),
        "memory_of_one_process": flatness([one]),
        "memory_of_two_processes": flatness(runs),
        "seconds": {"one process": round(seconds), "two, with kills": round(time.perf_counter() - begin)},
    }
