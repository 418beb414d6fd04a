"""Runs that are killed at random moments and go on: whether they find what one that was left alone finds."""

import hashlib
import json
import random
import re
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from warm import HOLD, PAUSE, PHASES, Command, Slot

from lit_nst.data import write_png
from lit_nst.files import sha256
from lit_nst.functional.random import generator as keyed
from lit_nst.generators.stylegan2 import network
from lit_nst.generators.stylegan2.checkpoint import write

ROWS, STEPS, BATCHES, MOST, WAIT = 6, 8, (1, 2, 3, 4, 64), 12, 120.0
RUN, LOG = Path("logs/tiny/run"), "log"
# Where a process stands still to be killed, at which time of how many that it comes there.
AIMS = {number: 10 if name in ("step", "checkpoint", "write") else 2 for number, name in enumerate(PHASES) if number}
CONFIG = """
model:
  class_path: Inversion
  init_args:
    generator:
      class_path: StyleGAN2
      init_args: {{weights: {folder}/tiny.safetensors, samples: 200}}
    target:
      class_path: PixelLoss
    regulariser:
      class_path: LatentDistance
      init_args: {{weight: 0.01}}
    search: {{jitter: 0.1}}
    optimizer:
      class_path: torch.optim.Adam
      init_args: {{lr: 0.1}}
data:
  target: {folder}/targets
trainer:
  accelerator: cpu
  max_steps: {steps}
  log_every_n_steps: 3
  enable_progress_bar: false
checkpoint:
  every_n_train_steps: 2
trajectory:
  rows: 3
"""
# Of a finished run, what may differ.
TIMES = ("seconds", "steps_per_second")


def furnish(folder: Path) -> None:
    """A 16×16 generator of random weights, targets, and the config."""
    shape = network.Architecture(z_dim=8, w_dim=8, channels=(8, 8, 6), mapping_layers=2, lr_multiplier=0.01)
    nets = torch.nn.ModuleDict({"mapping": network.Mapping(shape), "synthesis": network.Synthesis(shape)})
    state, numbers = nets.state_dict(), keyed("endurance")
    for name in (name for name in state if "resample_filter" not in name):
        scale = 100.0 if "mapping.fc" in name and name.endswith("weight") else 0.3
        state[name].copy_(torch.randn(state[name].shape, generator=numbers) * scale + name.endswith("affine.bias"))
    write(folder / "tiny.safetensors", shape, state)
    for row in range(ROWS):
        coarse = torch.rand(1, 3, 5, 5, generator=keyed("target", row))
        write_png(torch.nn.functional.interpolate(coarse, 16, mode="bilinear")[0], folder / f"targets/{row}.png")
    (folder / "tiny.yaml").write_text(CONFIG.format(folder=folder, steps=STEPS))


def fingerprint(folder: Path) -> dict[str, str]:
    """SHA-256 of all that a run has found, by what it is."""
    results = folder / "results"
    found = {path.relative_to(folder).as_posix(): sha256(path) for path in sorted(results.rglob("*.*"))}
    with np.load(results / "latent.npz") as arrays:
        found["results/latent.npz"] = _digest({name: arrays[name].tobytes() for name in arrays.files})
    metrics = json.loads((folder / "metrics.json").read_text())
    told = {name: repr(value).encode() for name, value in metrics.items() if name not in TIMES}
    found["metrics.json"] = _digest(told)
    found["metrics.csv"] = sha256(folder / "metrics.csv")
    state = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)
    tensors = {**state["state_dict"], **state["optimizer_states"][0]["state"][0]}
    found["checkpoint"] = _digest({name: value.numpy().tobytes() for name, value in tensors.items()})
    return {**found, "rows": repr(state["rows"])}


def _digest(parts: Mapping[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name in sorted(parts):
        whole.update(name.encode() + hashlib.sha256(parts[name]).digest())
    return whole.hexdigest()


class Endurance:
    """Kills runs of a small inversion.

    Args:
        folder: An empty one.
        seed: Of what is killed and when.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed, self.seconds = folder, seed, dict[int, float]()
        furnish(folder)
        for ranks in (2, 1):
            place = folder / f"whole_{ranks}"
            command = self._start(place, ranks, 64)
            command.underway()
            begin = time.monotonic()
            assert command.first.wait(WAIT) == 0, (place / LOG).read_text()
            self.seconds[ranks] = time.monotonic() - begin
            command.close()
        self.whole = fingerprint(place / RUN)

    def case(self, number: int) -> dict[str, Any]:
        """A run that is killed once at least, and goes on until it is finished."""
        place, chosen = self.folder / f"run_{number:03d}", random.Random(f"{self.seed} {number}")
        kills, left, refused, attempts = list[str](), list[Command](), 0, 0
        while attempts < MOST:
            attempts += 1
            ranks = chosen.choice((1, 2)) if kills else 2
            command, struck = self._struck(place, ranks, chosen, chosen.random() < 0.4 or not kills)
            kills += struck
            status, left = command.first.wait(WAIT), [*left, command]
            # Else the next command meets an orphan, which ends after its step, and may be refused.
            if status >= 0 or chosen.random() < 0.5:
                assert all(each.ended(WAIT) for each in left), f"{place}: a process stays"
            if status == 0 and kills:
                break
            if status == 0:
                # It was quicker than the signal: another run.
                shutil.rmtree(place)
            refused += status > 0
        for command in left:
            command.close()
        return {**self._judged(place), "kills": kills, "attempts": attempts, "refused": refused}

    def _struck(self, place: Path, ranks: int, chosen: random.Random, strikes: bool) -> tuple[Command, list[str]]:
        """A command, and where which of its processes were killed, if any."""
        victims = chosen.choice(((0, 1), (0,), (1,))) if ranks == 2 else (0,)
        moment, aimed = chosen.random() * self.seconds[ranks], chosen.random() < 0.5
        phase = chosen.choice(list(AIMS))
        aim = Slot(aim=phase, at_end=chosen.randrange(2), left=chosen.randrange(AIMS[phase]))
        # Not always the one that is killed: an orphan may be held up too.
        held = {chosen.randrange(ranks): aim} if strikes and aimed else {}
        command = self._start(place, ranks, chosen.choice(BATCHES), held)
        if not strikes:
            return command, []
        if aimed:
            while not command.stands() and command.first.poll() is None:
                time.sleep(PAUSE)
            moment = chosen.random() * HOLD / 4
        elif chosen.random() < 0.9:
            # Most of the time is before that.
            command.underway()
        found = self._strike(command, moment, victims)
        if found and victims == (1,) and chosen.random() < 0.5:
            # The first one goes on alone, but not for long.
            found += self._strike(command, chosen.random() * self.seconds[1] / 2, (0,))
        return command, found

    def _strike(self, command: Command, moment: float, victims: Sequence[int]) -> list[str]:
        """Kills some processes after some seconds, unless the command has ended."""
        end = time.monotonic() + moment
        while time.monotonic() < end:
            if command.first.poll() is not None:
                return []
            time.sleep(PAUSE)
        if command.first.poll() is not None:
            return []
        return [f"rank {rank}: {what}" for rank, what in command.kill(*victims).items()]

    def _start(self, place: Path, ranks: int, batch: int, held: Mapping[int, Slot] | None = None) -> Command:
        """A command that begins a run or goes on with it."""
        place.mkdir(exist_ok=True)
        options = {"--trainer.devices": ranks, "--queue.batch": batch, "--ckpt_path": "last"}
        options |= {"--config": self.folder / "tiny.yaml", "--trainer.logger.init_args.version": "run"}
        arguments = ["fit", *(str(word) for pair in options.items() for word in pair)]
        return Command(arguments, place, place / LOG, held=held)

    def _judged(self, place: Path) -> dict[str, Any]:
        """What is other than in the run that was left alone, and what should not be there."""
        log, run = (place / LOG).read_text(errors="replace"), place / RUN
        try:
            found = fingerprint(run)
            differ = sorted(name for name in found.keys() | self.whole if found.get(name) != self.whole.get(name))
        except (OSError, KeyError, ValueError) as error:
            differ = [f"{type(error).__name__}: {error}"]
        litter = [path for name in ("*.part", "batches", ".claim", "*.safetensors") for path in run.rglob(name)]
        return {
            "differ": differ,
            "litter": [str(path.relative_to(run)) for path in litter if path.parent.name != "results"],
            "tracebacks": log.count("Traceback (most recent call last)"),
            "errors": re.findall("^error: .*", log, re.MULTILINE),
        }


def kills(folder: Path, cases: int, seed: int) -> dict[str, Any]:
    """Kills so many runs, and counts."""
    begin, endurance = time.perf_counter(), Endurance(folder, seed)
    found = []
    for number in range(cases):
        found.append(endurance.case(number))
        if found[-1]["differ"] or found[-1]["litter"] or found[-1]["tracebacks"]:
            print(number, found[-1], flush=True)
        else:
            shutil.rmtree(folder / f"run_{number:03d}")
    hits = Counter(hit for each in found for hit in each["kills"])
    errors = Counter(re.sub(r"\S*logs/\S*", "RUN", error) for each in found for error in each["errors"])
    return {
        "runs": cases,
        "identical": sum(not each["differ"] for each in found),
        "kills": hits.total(),
        "commands": sum(each["attempts"] for each in found),
        "refused": sum(each["refused"] for each in found),
        "errors": dict(errors),
        "tracebacks": sum(each["tracebacks"] for each in found),
        "litter": sum(len(each["litter"]) for each in found),
        "phases": dict(sorted(hits.items(), key=lambda hit: -hit[1])),
        "files": len(endurance.whole),
        "sha256": _digest({name: value.encode() for name, value in endurance.whole.items()}),
        "seconds_of_a_whole_run": {str(ranks): round(value, 2) for ranks, value in endurance.seconds.items()},
        "seconds": round(time.perf_counter() - begin, 1),
    }
