"""Draws the README's pictures from finished runs.

python benchmarks/gallery.py --restoration FOLDER    restoration.png, from benchmarks/quality.py --keep FOLDER
python benchmarks/gallery.py --transfer RUN          transfer.png, from the folder of a run:

python cli.py fit --config style_transfer.yaml --data.size 192 --trainer.max_steps 80
    --data.content '[embedded:scenes/harbour.png, embedded:scenes/mountains.png, embedded:scenes/portrait.png]'
    --data.style '[embedded:styles/swirls.png, embedded:styles/mosaic.png, embedded:styles/watercolour.png]'

python benchmarks/gallery.py --guidance RUN          guidance.png, from the folder of a run with weights 0 and another:

python cli.py fit --config guided_diffusion.yaml --model.style.weight '[0, 2]' --model.samples 1 --model.seed 3
    --data.style '[embedded:surfaces/dunes.png, embedded:surfaces/terracotta.png, embedded:surfaces/lagoon.png]'
"""

import argparse
import json
from pathlib import Path

import torch
import yaml
from PIL import Image
from torch import Tensor

from lit_nst.data import fit_image, list_images, read_image
from lit_nst.degradations import Degradation, Downsample, GaussianBlur, Grayscale, Mask
from lit_nst.report import Row, collage, comparison, psnr

GALLERY = Path(__file__).resolve().parent.parent / "docs" / "gallery"
SHOWN: dict[str, tuple[int, Degradation]] = {
    "deblur": (2, GaussianBlur(3.0)),
    "colorize": (13, Grayscale()),
    "inpaint": (8, Mask(strokes=4, width=0.1)),
    "superres": (3, Downsample(4)),
}


def restoration(folder: Path) -> Image.Image:
    """One row per job."""
    paths, rows = list_images("embedded:portraits"), []
    for job, (number, operator) in SHOWN.items():
        run = max((folder / "logs" / job).glob("version_*"))
        truth, _ = read_image(paths[number])
        result, _ = read_image(run / "results" / paths[number].name)
        with torch.no_grad():
            measurement = operator(truth[None])[0].clamp(0, 1)
        figure = {"result": f"{float(psnr(result[None], truth[None])):.1f} dB"}
        rows.append(Row(job, truth, measurement, result, figure))
    return comparison(rows)


def transfer(run: Path) -> Image.Image:
    """Styles across, contents down."""
    data = yaml.safe_load((run / "config.yaml").read_text())["data"]
    contents, styles = list_images(data["content"]), list_images(data["style"])
    size = (data["size"], data["size"])
    cells: list[list[Tensor | None]] = [
        [torch.ones(3, *size), *(fit_image(read_image(path)[0], size) for path in styles)]
    ]
    for content in contents:
        results = [read_image(run / "results" / f"{content.stem}+{style.stem}.png")[0] for style in styles]
        cells.append([fit_image(read_image(content)[0], size), *results])
    return collage(cells, [""] * len(cells), ["content", *(path.stem for path in styles)], scale=1)


def guidance(run: Path) -> Image.Image:
    """Styles across, prompts down: without and with guidance."""
    rows = json.loads((run / "metrics.json").read_text())["rows"]
    data = yaml.safe_load((run / "config.yaml").read_text())["data"]
    prompts, styles = (list(dict.fromkeys(row["images"][role] for row in rows)) for role in ("prompt", "style"))
    pictures = [read_image(path)[0] for path in list_images(data["style"])]
    size = read_image(run / "results" / f"{rows[0]['name']}.png")[0].shape[-2:]
    cells: list[list[Tensor | None]] = [
        [torch.ones(3, *size), *(fit_image(picture, (size[0], size[1])) for picture in pictures)]
    ]
    for prompt in prompts:
        own = [row for row in rows if row["images"]["prompt"] == prompt]
        plain = next(row for row in own if row["weights"]["style"] == 0)
        steered = [
            next(row for row in own if row["weights"]["style"] and row["images"]["style"] == style) for style in styles
        ]
        cells.append([read_image(run / "results" / f"{row['name']}.png")[0] for row in (plain, *steered)])
    names = ["", *(prompt.replace("-", " ") for prompt in prompts)]
    return collage(cells, names, ["the prompt alone", *styles], scale=4)


def main() -> None:
    """Draws what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--restoration", type=Path)
    parser.add_argument("--transfer", type=Path)
    parser.add_argument("--guidance", type=Path)
    arguments = parser.parse_args()
    GALLERY.mkdir(parents=True, exist_ok=True)
    if arguments.restoration:
        restoration(arguments.restoration).save(GALLERY / "restoration.png")
    if arguments.transfer:
        transfer(arguments.transfer).save(GALLERY / "transfer.png")
    if arguments.guidance:
        guidance(arguments.guidance).save(GALLERY / "guidance.png")


if __name__ == "__main__":
    main()
