"""Style transfer by hand, after Gatys, Ecker & Bethge, "Image Style Transfer Using CNNs", 2016: torch and torchvision.

    python examples/gatys.py CONTENT STYLE OUT [--weights FILE] [--steps N] [--lr STEP] [--style-weight W]

Departures: Adam with a fixed step size instead of L-BFGS, pixels clamped to [0, 1] after every step, a start from the
content instead of noise, means instead of sums. A test holds the package against this file: the same loss at every
step, the same picture.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor
from torchvision.transforms.functional import to_tensor
from torchvision.utils import save_image

EMBEDDED = Path(__file__).resolve().parents[1] / "lit_nst" / "embedded" / "encoder.safetensors"
STYLE = {"relu1_1": 1, "relu2_1": 6, "relu3_1": 11, "relu4_1": 20, "relu5_1": 29}  # torchvision's indices in VGG-19
CONTENT = {"relu4_2": 22}
POOLS = (4, 9, 18, 27)
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def load(path: str | Path) -> tuple[dict[str, Tensor], str]:
    """Weights of VGG-19 by torchvision's names, of any widths, and their pooling: max, if the file names no other."""
    if Path(path).suffix != ".safetensors":
        return torch.load(path, map_location="cpu", weights_only=True), "max"
    with safe_open(path, framework="pt") as file:
        pool = (file.metadata() or {}).get("pool", "max")
    return {key: value.float() for key, value in load_file(path).items()}, pool


def vgg19(image: Tensor, weights: dict[str, Tensor], pool: str) -> dict[int, Tensor]:
    """All maps up to relu5_1, by torchvision's indices; no ReLU writes over the map before it."""
    x, maps = (image - MEAN) / STD, {}
    for index in range(STYLE["relu5_1"] + 1):
        if f"features.{index}.weight" in weights:
            x = F.conv2d(x, weights[f"features.{index}.weight"], weights[f"features.{index}.bias"], padding=1)
        elif index in POOLS:
            x = F.max_pool2d(x, 2) if pool == "max" else F.avg_pool2d(x, 2)
        else:
            x = F.relu(x)
        maps[index] = x
    return maps


def gram(x: Tensor) -> Tensor:
    """F·Fᵀ/(C·H·W) of a map 1×C×H×W."""
    features = x[0].flatten(1)
    return features @ features.T / features.numel()


def transfer(
    content: Tensor, style: Tensor, weights: str | Path, steps: int, lr: float, style_weight: float
) -> tuple[Tensor, list[float]]:
    """Pictures 1×3×H×W in [0, 1] → the result, and the loss before every step."""
    state, pool = load(weights)
    with torch.no_grad():
        kept = vgg19(content, state, pool)[CONTENT["relu4_2"]]
        maps = vgg19(style, state, pool)
        grams = {index: gram(maps[index]) for index in STYLE.values()}
    image = content.clone().requires_grad_()
    optimizer, losses = torch.optim.Adam([image], lr=lr), []
    for _ in range(steps):
        maps = vgg19(image, state, pool)
        distances = [(gram(maps[index]) - target).square().mean() for index, target in grams.items()]
        loss = (maps[CONTENT["relu4_2"]] - kept).square().mean() + style_weight * sum(distances) / len(distances)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            image.clamp_(0, 1)
        losses.append(loss.item())
    return image.detach(), losses


def main() -> None:
    """Reads the pictures, runs, writes the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("content", "style", "out"):
        parser.add_argument(name)
    parser.add_argument("--weights", default=EMBEDDED, help="torchvision's VGG-19, .pth or .safetensors")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--lr", type=float, default=0.02)
    parser.add_argument("--style-weight", type=float, default=1e4)
    given = parser.parse_args()
    content, style = (to_tensor(Image.open(path).convert("RGB"))[None] for path in (given.content, given.style))
    image, losses = transfer(content, style, given.weights, given.steps, given.lr, given.style_weight)
    print(f"loss {losses[0]:.4g} → {losses[-1]:.4g}")
    save_image(image, given.out)


if __name__ == "__main__":
    main()
