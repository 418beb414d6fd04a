"""Ships the trained portrait generator: float16 safetensors, card, sample sheet, held-out portraits.

python recipes/export_portraits.py portraits.pt --minutes 75 --command "python recipes/train_portraits.py …"
"""

import argparse
import json
from pathlib import Path

import torch
from portraits import NAMES, render, sample
from train_portraits import ARCHITECTURE, HELD_OUT, Generator

from lit_nst.data import write_png
from lit_nst.files import sha256, write_atomically
from lit_nst.generators import StyleGAN2
from lit_nst.generators.stylegan2.checkpoint import write
from lit_nst.report import contact_sheet, psnr

FOLDER = Path(__file__).resolve().parent.parent / "lit_nst" / "embedded"
SHIPPED = 16


def ship(weights: Path) -> StyleGAN2:
    """Writes the float16 file and reads it back."""
    net = Generator()
    net.load_state_dict(torch.load(weights, weights_only=True))
    with torch.no_grad():
        net.mapping.w_avg.copy_(net.mapping(sample(10_000, HELD_OUT + 1))[:, 0].mean(0))
        for name, buffer in net.named_buffers():
            if name.endswith("noise_const"):
                # Trained without noise: its strength is 0, so the maps are never seen.
                buffer.zero_()
    path = FOLDER / "portraits.safetensors"
    write(path, ARCHITECTURE, dict(net.state_dict()), half=True)
    return StyleGAN2.load(path)


@torch.no_grad()
def measure(generator: StyleGAN2, count: int = 1000) -> dict[str, float]:
    """PSNR of G(mapping(z)) against the renderer's picture of z, for portraits never trained on."""
    values = []
    for z in sample(count, HELD_OUT).split(50):
        target = (render(z) * 255).round() / 255
        values.append(psnr((generator.synthesis(generator.mapping(z)) * 0.5 + 0.5).clamp(0, 1), target))
    found = torch.cat(values)
    return {"mean": float(found.mean()), "median": float(found.median()), "worst": float(found.min())}


@torch.no_grad()
def draw(generator: StyleGAN2) -> None:
    """The held-out portraits for demos and tests, and a sheet: renderer above generator."""
    z = sample(SHIPPED, HELD_OUT + 2)
    truth = render(z)
    for i, image in enumerate(truth):
        write_png(image, FOLDER / "portraits" / f"{i:02d}.png")
    made = (generator.synthesis(generator.mapping(z)) * 0.5 + 0.5).clamp(0, 1)
    pairs = torch.cat([truth, made], 2)
    contact_sheet(pairs, columns=8, scale=2).save(FOLDER / "portraits.png")


def main() -> None:
    """Exports, measures, writes the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--minutes", type=float, required=True, help="how long the training took")
    parser.add_argument("--command", required=True, help="how the training was started")
    parser.add_argument("--hardware", default="2 cores of an x86-64 CPU with AMX")
    arguments = parser.parse_args()
    generator = ship(arguments.weights)
    draw(generator)
    path = FOLDER / "portraits.safetensors"
    card = {
        "name": "portraits, a StyleGAN2 of 64×64",
        "file": path.name,
        "sha256": sha256(path),
        "bytes": path.stat().st_size,
        "parameters": sum(p.numel() for p in generator.parameters()),
        "precision": "float16, read as float32",
        "data": f"recipes/portraits.py: procedural pictures of {len(NAMES)} Gaussian attributes, none of a person",
        "recipe": "recipes/train_portraits.py: regression of G(mapping(z)) on the picture of z, then this export",
        "command": arguments.command,
        "minutes": arguments.minutes,
        "hardware": arguments.hardware,
        "licence": "Apache-2.0, as the project",
        "gate": {"held_out_psnr_db": measure(generator), "held_out_portraits": 1000, "required_mean": 28.0},
        "samples": "portraits.png: renderer above, generator below, for 16 attribute vectors never trained on",
        "held_out_pictures": "portraits/*.png: the renderer's pictures of the same 16 vectors, for demos and tests",
    }
    write_atomically(FOLDER / "portraits.json", (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode())
    print(json.dumps(card, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
