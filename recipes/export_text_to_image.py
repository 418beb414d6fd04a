"""Ships the trained text-to-image model: a diffusers folder of float16 safetensors, card, sheet of samples.

    python recipes/export_judge.py text-to-image --command "python recipes/train_text_to_image.py …"
    python recipes/export_text_to_image.py text-to-image --command "python recipes/train_text_to_image.py …"

The first comes first, since the shipped judge measures the gate.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from captioned_shapes import SIZE
from captions import COLORS, EMPTY, HELD_OUT, LENGTH, NAMED, PLACES, SHAPES, SIZES, UNSEEN, WORDLESS
from diffusers_folder import write_folder
from latent_networks import FACTOR, LATENTS
from sample_text_to_image import EMBEDDED, sheet
from text_to_image_gate import gate

from lit_nst.data import write_sheet
from lit_nst.features.attributes import AttributeClassifier
from lit_nst.files import sha256, write_atomically
from lit_nst.generators import LatentDiffusion

LIMIT = 12_000_000


def card(folder: Path, out: Path, model: LatentDiffusion) -> dict[str, Any]:
    """What the model is, what it was made of and how."""
    files = sorted(path for path in out.rglob("*") if path.is_file())
    states = {name: torch.load(folder / f"{name}.pt", weights_only=True) for name in ("vae", "diffusion")}
    minutes = {name: round(state["spent"] / 60, 1) for name, state in states.items()}
    parts = {"vae": model.vae, "text_encoder": model.text_encoder, "unet": model.unet}
    return {
        "name": "shapes, a text-to-image latent diffusion model of captioned shapes, 32×32",
        "folder": out.name,
        "bytes": sum(path.stat().st_size for path in files),
        "files": {
            path.relative_to(out).as_posix(): {"sha256": sha256(path), "bytes": path.stat().st_size} for path in files
        },
        "parameters": {name: sum(value.numel() for value in part.parameters()) for name, part in parts.items()},
        "precision": "float16, read as float32",
        "picture": [3, SIZE, SIZE],
        "latent": [LATENTS, SIZE // FACTOR, SIZE // FACTOR],
        "scaling_factor": model.vae.config.scaling_factor,
        "prediction": model.prediction,
        "captions": {**words(), "empty": EMPTY},
        "held_out": {
            "pairs, never drawn": [" ".join(pair) for pair in HELD_OUT],
            "surfaces, drawn but without a word": list(WORDLESS),
            "surfaces, seen by the autoencoder only": list(UNSEEN),
        },
        "data": "recipes/captioned_shapes.py and, for the autoencoder, recipes/patterns.py; procedural",
        "recipe": "recipes/train_text_to_image.py, stages vae and diffusion, then this export",
        "steps": {name: state["step"] for name, state in states.items()},
        "minutes": round(sum(minutes.values()), 1),
        "minutes_by_stage": minutes,
        "licence": "Apache-2.0, as the project",
    }


def words() -> dict[str, Any]:
    """What captions name, and how."""
    return {
        "shapes": list(SHAPES),
        "colors": list(COLORS),
        "sizes": list(SIZES),
        "places": list(PLACES.values()),
        "surfaces": list(NAMED),
        "example": "a small red circle at the top on a striped blue background",
        "tokens": LENGTH,
    }


def main() -> None:
    """Exports, measures, draws the sheet, writes the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the training's folder")
    parser.add_argument("--command", required=True, help="how the training was started")
    parser.add_argument("--hardware", default="one core of an x86-64 CPU with AMX")
    parser.add_argument("--out", type=Path, default=EMBEDDED, help="folder for shapes/, shapes.json and shapes.png")
    parser.add_argument("--count", type=int, default=256, help="captions of the gate")
    options = parser.parse_args()
    judge = AttributeClassifier(str(options.out / "judge.safetensors"))
    model = write_folder(options.folder, options.out / "shapes")
    found = card(options.folder, options.out / "shapes", model)
    if found["bytes"] > LIMIT:
        parser.error(f"{options.out / 'shapes'} holds {found['bytes']} bytes, more than {LIMIT}")
    write_sheet(sheet(model), options.out / "shapes.png")
    found |= {
        "command": options.command,
        "hardware": options.hardware,
        "gate": gate(model, judge, options.count, [3.0, 7.5]),
        "samples": "shapes.png: drawings, then samples of the same caption at several guidance scales; the last "
        "three rows are pairs never drawn",
    }
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    write_atomically(options.out / "shapes.json", text.encode())
    print(text)


if __name__ == "__main__":
    main()
