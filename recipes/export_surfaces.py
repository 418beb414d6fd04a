"""Ships style references for the text-to-image model: surfaces and colours that no word of its captions names.

    python recipes/export_surfaces.py            draws and writes all of them
    python recipes/export_surfaces.py --check    draws all again and compares with the files

Mosaic and wavy surfaces are in the pictures that the model was trained on, never in their captions; woven and
hatched ones only its autoencoder has seen. They are drawn at 64×64 with strokes that are twice as wide as those
of the model's 32×32 pictures.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from captioned_shapes import SCALE
from surfaces import FIELDS, coordinates
from torch import Tensor

from lit_nst.data import read_image, write_png
from lit_nst.files import sha256, write_atomically

FOLDER = Path(__file__).resolve().parent.parent / "lit_nst" / "embedded"
CARD = FOLDER / "surfaces.json"
SIZE = 64


@dataclass(frozen=True)
class Reference:
    """One picture.

    Attributes:
        what: A line about it.
        surface: One of ``FIELDS``.
        seed: Decides direction, scale and place.
        colors: From the field's lowest value to its highest, at equal distances; hexadecimal sRGB.
    """

    what: str
    surface: str
    seed: int
    colors: tuple[str, ...]


REFERENCES = {
    "lagoon": Reference("Mosaic, navy to sand.", "mosaic", 3, ("#10243a", "#0f5c6e", "#2fb3a8", "#f2dca6")),
    "terracotta": Reference("Mosaic, umber to cream.", "mosaic", 11, ("#2b1710", "#a63c1f", "#dd8a3c", "#f6e3c3")),
    "aurora": Reference("Ripples, midnight to mint.", "wavy", 14, ("#140d33", "#2b3f8c", "#1fa38b", "#c4f2c9")),
    "dunes": Reference("Ripples, plum to peach.", "wavy", 5, ("#3d1437", "#a8325e", "#f2855c", "#ffe0b8")),
    "wicker": Reference("Woven canes, umber to oat.", "woven", 13, ("#2e2118", "#6b5137", "#b08d57", "#eadfc6")),
    "etching": Reference("Hatching, sepia on parchment.", "hatched", 11, ("#f1e4c4", "#e2cb9c", "#7a5230", "#2f1b10")),
}


def draw(reference: Reference) -> Tensor:
    """The picture, 3×64×64 in [0, 1]."""
    random = torch.Generator().manual_seed(reference.seed)
    x, y = coordinates(SIZE * SCALE)
    field = FIELDS[reference.surface](x, y, 1, random)[0].clamp(-1, 1)
    colors = torch.tensor([[int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)] for text in reference.colors])
    at = (field + 1) / 2 * (len(colors) - 1)
    low = at.floor().long().clamp(max=len(colors) - 2)
    picture = torch.lerp(colors[low], colors[low + 1], (at - low)[..., None]).permute(2, 0, 1)
    return F.avg_pool2d(picture[None], SCALE)[0]


def digest(image: Tensor) -> str:
    """SHA-256 of the 8-bit pixels, which no release of zlib changes."""
    return hashlib.sha256((image * 255 + 0.5).floor().byte().permute(1, 2, 0).numpy().tobytes()).hexdigest()


def check() -> Iterator[str]:
    """One line per picture whose file is missing, is not the card's, or is not what is drawn now."""
    card = json.loads(CARD.read_text()) if CARD.exists() else {"files": {}}
    for key, reference in REFERENCES.items():
        name = f"surfaces/{key}.png"
        if not (FOLDER / name).exists():
            yield f"{name}: no such file; run this script without --check"
        elif sha256(FOLDER / name) != card["files"].get(name, {}).get("sha256"):
            yield f"{name}: its SHA-256 is not the one of {CARD.name}; run this script without --check"
        # One level: another processor may round otherwise.
        elif (read_image(FOLDER / name)[0] - draw(reference)).abs().max() > 1.5 / 255:
            yield f"{name}: the recipe draws another picture; look at it and run this script without --check"


def export() -> None:
    """Draws and writes all pictures and the card."""
    files: dict[str, dict[str, str | int]] = {}
    for key, reference in REFERENCES.items():
        name, image = f"surfaces/{key}.png", draw(reference)
        write_png(image, FOLDER / name)
        path = FOLDER / name
        files[name] = {
            "what": reference.what,
            "surface": reference.surface,
            "sha256": sha256(path),
            "pixels_sha256": digest(image),
            "bytes": path.stat().st_size,
        }
    card = {
        "name": f"style references for the text-to-image model, {SIZE}×{SIZE}, 8 bits",
        "data": "drawn by this project's code from seeds; surfaces and colours that no caption of the model names",
        "recipe": "recipes/surfaces.py, recipes/export_surfaces.py",
        "command": "python recipes/export_surfaces.py; --check draws all again and compares",
        "licence": "Apache-2.0, as the project",
        "bytes": sum(int(entry["bytes"]) for entry in files.values()),
        "files": files,
    }
    write_atomically(CARD, (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode())


def main() -> None:
    """Exports, or checks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the files shipped, write nothing")
    if not parser.parse_args().check:
        export()
    elif faults := list(check()):
        print(*faults, sep="\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
