"""Looks at the text-to-image model, and measures its gate.

    python recipes/sample_text_to_image.py --out samples.png --gate gate.json
    python recipes/sample_text_to_image.py --training text-to-image --out samples.png

The shipped model draws; or, with ``--training``, the averaged weights of a training's folder, as they would be
shipped. What the gate is says ``text_to_image_gate.py``.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from captioned_shapes import render
from captions import describe, sample
from diffusers_folder import write_folder
from latent_networks import judge
from PIL import Image
from text_to_image_gate import gate, held_out, paint

from lit_nst.data import write_sheet
from lit_nst.features.attributes import AttributeClassifier
from lit_nst.files import write_atomically
from lit_nst.generators import LatentDiffusion
from lit_nst.report import collage

EMBEDDED = Path(__file__).resolve().parent.parent / "lit_nst" / "embedded"
SCALES = (1.0, 3.0, 7.5)


def trained_judge(folder: Path) -> AttributeClassifier:
    """The averaged weights of a training's judge."""
    model = judge()
    model.load_state_dict(torch.load(folder / "classifier.pt", weights_only=True)["average"])
    return model.eval()


def sheet(model: LatentDiffusion, rows: int = 12) -> Image.Image:
    """A row per caption: a drawing, then samples at ``SCALES``, all of the row's noise; a quarter held-out pairs."""
    random = np.random.default_rng(5)
    asked = [*sample(rows - rows // 4, random), *held_out(sample(rows, random))[: rows // 4]]
    texts = [describe(scene, (True, index % 2 > 0, True, True)) for index, scene in enumerate(asked)]
    columns = [render(asked, 5), *(paint(model, texts, range(rows), scale) for scale in SCALES)]
    names = ["drawn", *(f"guidance {scale:g}" for scale in SCALES)]
    return collage([list(row) for row in zip(*columns, strict=True)], texts, names, scale=3)


def main() -> None:
    """Draws a sheet of samples, measures the gate, or both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embedded", type=Path, default=EMBEDDED, help="folder with shapes/ and judge.safetensors")
    parser.add_argument("--training", type=Path, help="a training's folder, instead of what is shipped")
    parser.add_argument("--out", type=Path, help="PNG: a row per caption, a column per guidance scale")
    parser.add_argument("--gate", type=Path, help="JSON of the gate")
    parser.add_argument("--count", type=int, default=256, help="captions of the gate")
    parser.add_argument("--scales", type=float, nargs="+", default=[3.0, 7.5], help="guidance scales of the gate")
    options = parser.parse_args()
    if options.training:
        with tempfile.TemporaryDirectory() as folder:
            model = write_folder(options.training, Path(folder))
        reader = trained_judge(options.training)
    else:
        model = LatentDiffusion(str(options.embedded / "shapes"))
        reader = AttributeClassifier(str(options.embedded / "judge.safetensors"))
    if options.out:
        write_sheet(sheet(model), options.out)
    if options.gate:
        text = json.dumps(gate(model, reader, options.count, options.scales), indent=2) + "\n"
        write_atomically(options.gate, text.encode())
        print(text)


if __name__ == "__main__":
    main()
