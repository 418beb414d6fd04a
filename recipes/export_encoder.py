"""Ships the trained encoder: float16 safetensors of torchvision's names, and its card.

python recipes/export_encoder.py encoder.pt --minutes 80 --command "train_encoder.py --minutes 80 …"
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn
from train_encoder import CHANNELS, GREY, MEAN, PHOTOGRAPHS, STD, Pictures, network

from lit_nst.files import sha256, write_atomically

FOLDER = Path(__file__).resolve().parent.parent / "lit_nst" / "embedded"


@torch.no_grad()
def normalise(net: nn.Sequential, images: Tensor) -> None:
    """Scales every convolution so that its layer has mean 1 after the ReLU, as the normalised VGG of Gatys has.

    A ReLU and an average commute with a positive factor, so the next convolution takes it back: the
    function changes by a factor per layer, no more.
    """
    x, before = (images - MEAN) / STD, 1.0
    for module in net:
        if isinstance(module, nn.Conv2d):
            mean = float(module(x * before).relu().mean())
            module.weight.mul_(before / mean)
            module.bias.div_(mean)  # type: ignore[union-attr]
            before = mean
        x = module(x)


def main() -> None:
    """Reads the training's file, writes ``lit_nst/embedded/encoder.*``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--command", required=True)
    parser.add_argument("--gate", type=Path, help="JSON of benchmarks/encoder.py, copied into the card")
    options = parser.parse_args()
    state = torch.load(options.weights, weights_only=True)
    net = network()
    net.load_state_dict(state["average"])
    pictures, random = Pictures(60, 99), np.random.default_rng(99)
    normalise(net, pictures.batch(64, 96, random)[0])
    tensors = {f"features.{name}": value.half().contiguous() for name, value in net.state_dict().items()}
    path = FOLDER / "encoder.safetensors"
    write_atomically(path, save(tensors, {"pool": "average"}))
    card: dict[str, Any] = {
        "name": "encoder, a VGG-19 of uneven width",
        "file": path.name,
        "sha256": sha256(path),
        "bytes": path.stat().st_size,
        "parameters": sum(value.numel() for value in tensors.values()),
        "precision": "float16, read as float32",
        "channels": list(CHANNELS),
        "pooling": "average",
        "data": {
            "patterns": "recipes/patterns.py, procedural",
            "portraits": "recipes/portraits.py, procedural",
            "photographs": f"scikit-image 0.26, in its package: {', '.join((*PHOTOGRAPHS, *GREY))}",
            "photographs_terms": "public domain, CC0 or no known restrictions, says skimage.data; nothing of moon",
        },
        "recipe": "recipes/train_encoder.py: InfoNCE of feature statistics at eight depths, then this export",
        "command": options.command,
        "steps": state["step"],
        "minutes": options.minutes,
        "hardware": "one core of an x86-64 CPU with AMX",
        "licence": "Apache-2.0, as the project",
    }
    if options.gate:
        card["gate"] = json.loads(options.gate.read_text())
    write_atomically(FOLDER / "encoder.json", (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode())


if __name__ == "__main__":
    main()
