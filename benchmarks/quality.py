"""Inversion and restoration of the 16 held-out portraits by the configs as they stand, W then W+, and W.

python benchmarks/quality.py
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

from measure import record

from lit_nst.cli import main as run

JOBS = {
    "inversion, W then W+": [],
    "inversion, W": ["--model.generator.space", "w"],
    "deblur": ["--config", "deblur.yaml"],
    "colorize": ["--config", "colorize.yaml"],
    "inpaint": ["--config", "inpaint.yaml"],
    "superres": ["--config", "superres.yaml"],
    "denoise": ["--config", "denoise.yaml"],
    "jpeg": ["--config", "jpeg.yaml"],
}
KEYS = ("measurement_psnr", "psnr", "measurement_ssim", "ssim", "measurement_perceptual", "perceptual")


def main() -> None:
    """Runs every job in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="embedded:portraits")
    parser.add_argument("--steps", type=int, default=0, help="0: as the config says")
    parser.add_argument("--keep", type=Path, help="keep the runs in this folder")
    arguments = parser.parse_args()
    table: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
        for name, options in JOBS.items():
            label = name.replace(", ", "-").replace(" ", "-").lower()
            steps = ["--trainer.max_steps", str(arguments.steps)] if arguments.steps else []
            logger = ["--trainer.logger.init_args.name", label, "--trainer.enable_progress_bar", "false"]
            run(["fit", "--config", "inversion.yaml", *options, "--data.target", arguments.target, *steps, *logger])
            found = json.loads(max(Path("logs", label).glob("version_*/metrics.json")).read_text())
            figures = {key: round(found["mean"][key], 4) for key in KEYS if key in found["mean"]}
            table[name] = {**figures, "steps": found["steps"], "seconds": found["seconds"]}
    record("quality", {"target": arguments.target, "jobs": table})


if __name__ == "__main__":
    main()
