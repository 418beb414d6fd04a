"""Draws docs/gallery/restoration.png from runs that benchmarks/quality.py --keep FOLDER left.

python benchmarks/gallery.py FOLDER
"""

import argparse
from pathlib import Path

import torch

from lit_nst.data import list_images, read_image
from lit_nst.degradations import Degradation, Downsample, GaussianBlur, Grayscale, Mask
from lit_nst.report import Row, comparison, psnr

GALLERY = Path(__file__).resolve().parent.parent / "docs" / "gallery"
SHOWN: dict[str, tuple[int, Degradation]] = {
    "deblur": (2, GaussianBlur(3.0)),
    "colorize": (13, Grayscale()),
    "inpaint": (8, Mask(strokes=4, width=0.1)),
    "superres": (3, Downsample(4)),
}


def main() -> None:
    """One row per job."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    paths, rows = list_images("embedded:portraits"), []
    for job, (number, operator) in SHOWN.items():
        run = max((arguments.folder / "logs" / job).glob("version_*"))
        truth, _ = read_image(paths[number])
        result, _ = read_image(run / "results" / paths[number].name)
        with torch.no_grad():
            measurement = operator(truth[None])[0].clamp(0, 1)
        figure = {"result": f"{float(psnr(result[None], truth[None])):.1f} dB"}
        rows.append(Row(job, truth, measurement, result, figure))
    GALLERY.mkdir(parents=True, exist_ok=True)
    comparison(rows).save(GALLERY / "restoration.png")


if __name__ == "__main__":
    main()
