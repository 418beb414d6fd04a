"""Ships the procedural pictures: scenes, styles, and their card.

python recipes/export_pictures.py            draws and writes all of them
python recipes/export_pictures.py --check    draws all again and compares with the files
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from canvas import SIZE, Array
from paintings import STYLES
from PIL import Image
from scenes import SCENES

from lit_nst.data import write_png
from lit_nst.files import sha256, write_atomically

FOLDER = Path(__file__).resolve().parent.parent / "lit_nst" / "embedded"
CARD = FOLDER / "pictures.json"
# Brush marks hide steps of two levels; a sky does not. The files are a tenth smaller.
GROUPS: dict[str, tuple[dict[str, Callable[[], Array]], int]] = {"scenes": (SCENES, 255), "styles": (STYLES, 127)}


def pictures(only: list[str]) -> Iterator[tuple[str, Array, str]]:
    """Draws the pictures, or those named: name, values in [0, 1] as they are stored, first line about it."""
    for group, (draws, steps) in GROUPS.items():
        for key, draw in draws.items():
            name = f"{group}/{key}.png"
            if not only or key in only:
                image = np.floor(np.clip(draw(), 0, 1) * steps + 0.5) / steps
                yield name, np.floor(image * 255 + 0.5) / 255, (draw.__doc__ or "").splitlines()[0]


def digest(image: Array) -> str:
    """SHA-256 of the 8-bit pixels, which no release of zlib changes."""
    return hashlib.sha256(np.round(image * 255).astype(np.uint8).tobytes()).hexdigest()


def shipped(name: str) -> str:
    """SHA-256 of the pixels of a shipped file."""
    with Image.open(FOLDER / name) as file:
        return hashlib.sha256(np.asarray(file.convert("RGB")).tobytes()).hexdigest()


def check(only: list[str]) -> list[str]:
    """One line per picture whose file is missing, is not the card's, or is not what is drawn now."""
    card = json.loads(CARD.read_text()) if CARD.exists() else {"files": {}}
    faults = []
    for name, image, _ in pictures(only):
        if not (FOLDER / name).exists():
            faults.append(f"{name}: no such file; run this script without --check")
        elif sha256(FOLDER / name) != card["files"].get(name, {}).get("sha256"):
            faults.append(f"{name}: its SHA-256 is not the one of {CARD.name}; run this script without --check")
        elif digest(image) != shipped(name):
            faults.append(f"{name}: the recipe draws another picture; look at it and run this script without --check")
    return faults


def export() -> None:
    """Draws and writes all pictures and the card."""
    files: dict[str, dict[str, str | int]] = {}
    for name, image, about in pictures([]):
        write_png(torch.from_numpy(image).permute(2, 0, 1), FOLDER / name)
        path = FOLDER / name
        files[name] = {
            "what": about,
            "sha256": sha256(path),
            "pixels_sha256": digest(image),
            "bytes": path.stat().st_size,
        }
        print(f"{name}: {path.stat().st_size} bytes", flush=True)
    card = {
        "name": f"pictures for style transfer and texture synthesis, {SIZE}×{SIZE}, 8 bits",
        "data": "wholly drawn by this project's code from seeds; no photograph, scan or work of others was used",
        "recipe": "recipes/scenes.py (scenes/*.png), recipes/paintings.py (styles/*.png), recipes/export_pictures.py",
        "command": "python recipes/export_pictures.py; --check draws all again and compares",
        "licence": "Apache-2.0, as the project",
        "bytes": sum(int(entry["bytes"]) for entry in files.values()),
        "files": files,
    }
    write_atomically(CARD, (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode())


def main() -> None:
    """Exports, or checks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the files shipped, write nothing")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="check these alone, such as harbour")
    arguments = parser.parse_args()
    known = [*SCENES, *STYLES]
    unknown = [name for name in arguments.only if name not in known]
    if unknown or (arguments.only and not arguments.check):
        parser.error(f"--only goes with --check, and takes names of {', '.join(known)}")
    if not arguments.check:
        export()
    elif faults := check(arguments.only):
        print(*faults, sep="\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
