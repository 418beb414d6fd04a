"""Ships some pictures of the kind that the text-to-image model knows, as targets of restorations.

    python recipes/export_drawn.py

They are drawn with a seed that no training uses.
"""

import json
from pathlib import Path

from captioned_shapes import render
from captions import Scene, describe

from lit_nst.data import write_png
from lit_nst.files import sha256, write_atomically

FOLDER = Path(__file__).resolve().parent.parent / "lit_nst" / "embedded"
SEED = 9
SCENES = {
    "ring": Scene("ring", "orange", "purple", "big", "middle", "plain", "striped"),
    "star": Scene("star", "yellow", "blue", "big", "middle", "plain", "plain"),
    "cross": Scene("cross", "white", "green", "big", "right", "plain", "checkered"),
    "square": Scene("square", "red", "white", "big", "left", "dotted", "plain"),
}


def main() -> None:
    """Draws and writes all pictures and their card."""
    files = {}
    for (key, scene), picture in zip(SCENES.items(), render(list(SCENES.values()), SEED), strict=True):
        path = FOLDER / "drawn" / f"{key}.png"
        write_png(picture, path)
        files[f"drawn/{key}.png"] = {"caption": describe(scene), "sha256": sha256(path), "bytes": path.stat().st_size}
    card = {
        "name": "pictures of the text-to-image model's kind, 32×32, 8 bits",
        "data": "drawn by this project's code from a seed that no training uses",
        "recipe": "recipes/captioned_shapes.py, recipes/export_drawn.py",
        "command": "python recipes/export_drawn.py",
        "licence": "Apache-2.0, as the project",
        "files": files,
    }
    write_atomically(FOLDER / "drawn.json", (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode())


if __name__ == "__main__":
    main()
