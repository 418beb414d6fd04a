"""Restoration of the 16 held-out portraits at every level of configs/severity, and from all four at level m.

    python benchmarks/severity.py

One set of settings, that of configs/inversion.yaml, for all of them: the overlays change nothing but the degradation.
"""

import argparse
import os
import tempfile
from pathlib import Path

from measure import figures, record

from lit_nst.cli import CONFIGS

LEVELS = ("xs", "s", "m", "l", "xl")
COMPOSED = ("superres_m", "denoise_m", "jpeg_m", "inpaint_m")
KEYS = ("measurement_psnr", "psnr", "measurement_ssim", "ssim", "measurement_perceptual", "perceptual")


def jobs() -> dict[str, list[str]]:
    """Name → overlays, from the mildest level on."""

    def place(name: str) -> tuple[str, int]:
        kind, level = name.rsplit("_", 1)
        return kind, LEVELS.index(level)

    names = sorted((path.stem for path in (CONFIGS / "severity").glob("*.yaml")), key=place)
    overlays = {name: [str(CONFIGS / "severity" / f"{name}.yaml")] for name in names}
    return {**overlays, "+".join(COMPOSED): [overlays[name][0] for name in COMPOSED]}


def main() -> None:
    """Runs every job in a temporary folder."""
    known = jobs()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="embedded:portraits")
    parser.add_argument("--steps", type=int, default=0, help="0: as the config says")
    parser.add_argument("--only", nargs="*", choices=known, default=list(known), metavar="NAMES")
    parser.add_argument("--keep", type=Path, help="keep the runs in this folder")
    parser.add_argument("--dry", action="store_true", help="write no result")
    arguments = parser.parse_args()
    steps = ["--trainer.max_steps", str(arguments.steps)] if arguments.steps else []
    table: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
        for name in arguments.only:
            overlays = [option for path in known[name] for option in ("--config", path)]
            options = ["--config", "inversion.yaml", *overlays, "--data.target", arguments.target, *steps]
            table[name] = figures(name, options, KEYS)
            print(name, table[name], flush=True)
    record("severity", {"target": arguments.target, "jobs": table}, arguments.dry)


if __name__ == "__main__":
    main()
