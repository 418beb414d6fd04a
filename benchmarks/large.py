"""Memory and seconds of a step of the default inversion on StyleGAN2s of published sizes (config-f), random weights.

    python benchmarks/large.py

Each case is a process of its own, whose peak is what the system says at its end: the imports, the generator, the
10,000 samples of its mapping network, the losses and the steps. A step is that of configs/inversion.yaml in W+, with
noise: synthesis, losses, backward, optimiser. With a CUDA device, also steps per second in several precisions.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from measure import Run, median, record
from torch import Tensor, nn

from lit_nst.generators.stylegan2.checkpoint import write
from lit_nst.generators.stylegan2.layers import SynthesisLayer
from lit_nst.generators.stylegan2.network import Architecture, Mapping, Synthesis

GIB = 2**30
# Name → precision of the trainer, TF32, channels last, compiled.
MODES = {
    "fp32, channels first": ("32-true", False, False, False),
    "fp32": ("32-true", False, True, False),
    "TF32": ("32-true", True, True, False),
    "bf16": ("bf16-mixed", True, True, False),
    "TF32, compiled": ("32-true", True, True, True),
    "bf16, compiled": ("bf16-mixed", True, True, True),
}


def make(resolution: int, path: Path) -> None:
    """Writes a config-f generator of seeded random weights, with noise."""
    sides = [4 * 2**k for k in range(resolution.bit_length() - 2)]
    a = Architecture(z_dim=512, w_dim=512, channels=tuple(min(32768 // side, 512) for side in sides))
    torch.manual_seed(0)
    net = nn.ModuleDict({"mapping": Mapping(a), "synthesis": Synthesis(a)})
    for module in net.modules():
        if isinstance(module, SynthesisLayer):
            nn.init.constant_(module.noise_strength, 0.1)
    write(path, a, net.state_dict())


class Times(Callback):
    """Seconds at the end of every step, with the device's work done."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        """Takes the time."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())

    def steps(self, warm: int) -> list[float]:
        """Seconds of the steps after the first ones."""
        return [b - a for a, b in zip(self.ends[warm - 1 :], self.ends[warm:], strict=False)]


def peak() -> float:
    """GiB that this process has used at most."""
    unit = 1 if platform.system() == "Darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / GIB, 3)


def channels_first(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Undoes the layers' memory format."""
    x: Tensor = inputs[0]
    return (x.contiguous(), *inputs[1:])


def one(case: dict[str, Any]) -> dict[str, Any]:
    """Measures a case in this process."""
    precision, tf32, last, compiled = MODES[case["mode"]]
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    imports = peak()
    run = Run(
        "--config", "inversion.yaml", "--model.generator.weights", case["weights"], "--model.generator.space", "w+",
        "--model.generator.noise", "const", f"--model.cap={case['cap'] or 'null'}",
        "--data.target", f"[{', '.join(f'embedded:portraits/{i:02d}.png' for i in range(case['batch']))}]",
        "--trainer.max_steps", str(case["warm"] + case["steps"]), "--trainer.precision", precision,
        "--trainer.accelerator", case["device"], "--trainer.logger", "false", *case["options"],
    )  # fmt: skip
    generator, built, times = run.model.generator, peak(), Times()
    for module in generator.modules():
        if isinstance(module, SynthesisLayer) and not last:
            module.weight.data = module.weight.data.contiguous()
            module.register_forward_pre_hook(channels_first)
    if compiled:
        generator.compile()
        run.model.features.compile()
    run.begin(times, reports=False)
    seconds = median(times.steps(case["warm"]))
    figures = {"seconds_per_step": seconds, "peak_gib": peak(), "built_gib": built, "imports_gib": imports}
    if case["device"] == "cuda":
        figures |= {
            "steps_per_second": round(1 / seconds, 3),
            "cuda_gib": round(torch.cuda.max_memory_allocated() / GIB, 3),
        }
    return figures


def child(*arguments: str) -> str:
    """What this script prints in another process."""
    return subprocess.run([sys.executable, __file__, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def measured(case: dict[str, Any]) -> dict[str, Any]:
    """A case, measured in a process of its own."""
    shown = {key: case[key] for key in ("resolution", "batch", "cap", "mode")}
    found = {**shown, **json.loads(child("--one", json.dumps(case)).splitlines()[-1])}
    print(found, flush=True)
    return found


def main() -> None:
    """Measures every case, or, in another process, the given one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resolutions", type=int, nargs="+", default=[1024, 512, 256])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--cap", type=int, default=256, help="of the losses; each case also runs without")
    parser.add_argument("--steps", type=int, default=3, help="on the CPU; ten times as many on a GPU")
    parser.add_argument("--modes", nargs="*", choices=MODES, default=list(MODES), help="on a GPU")
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[], help="more options of the run, at the end")
    parser.add_argument("--dry", action="store_true", help="write no result")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--make", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(json.loads(arguments.one))))
    elif arguments.make:
        make(int(arguments.make[0]), Path(arguments.make[1]))
    else:
        compare(arguments)


def compare(arguments: argparse.Namespace) -> None:
    """Every resolution, batch and cap, and on a GPU every mode."""
    cpu, cuda = [], []
    with tempfile.TemporaryDirectory() as folder:
        for resolution in arguments.resolutions:
            weights = f"{folder}/{resolution}.safetensors"
            child("--make", str(resolution), weights)
            caps = [arguments.cap, None] if resolution > arguments.cap else [None]
            common = {"weights": weights, "resolution": resolution, "options": arguments.options}
            for batch in arguments.batches:
                case = {**common, "batch": batch, "device": "cpu", "mode": "fp32", "warm": 1, "steps": arguments.steps}
                cpu += [measured({**case, "cap": cap}) for cap in caps]
                if torch.cuda.is_available():
                    case |= {"device": "cuda", "warm": 10, "steps": 10 * arguments.steps, "cap": caps[0]}
                    cuda += [measured({**case, "mode": mode}) for mode in arguments.modes]
    first = next(case for case in cpu if case["resolution"] == arguments.resolutions[0])
    skipped = None if cuda else "no CUDA device here"
    gpu = torch.cuda.get_device_name() if cuda else None
    figures = {"cpu": cpu, "cuda": cuda, "gpu": gpu, "cuda_skipped": skipped, "options": arguments.options}
    record("large", {**figures, "largest_peak_gib": first["peak_gib"], "required_below_gib": 12}, arguments.dry)


if __name__ == "__main__":
    main()
