"""Row-steps per second of 16 rows in one run against one row, start-up excluded: interleaved pairs.

Beside the project's own run stands a textbook loop: weights per sample, grouped convolution, full-width
VGG16, target features cached.

    python benchmarks/batch.py
"""

import argparse
import math
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from measure import LAYERS, lightning_rate, median, record
from torch import Tensor

from lit_nst.features import VGG16
from lit_nst.generators import StyleGAN2
from lit_nst.generators.stylegan2.layers import SynthesisLayer


def grouped(layer: SynthesisLayer, x: Tensor, w: Tensor, noise: bool = True) -> Tensor:
    """The modulated convolution as usually written."""
    batch, fan_in, side, _ = x.shape
    weight = layer.weight[None] * layer.affine(w)[:, None, :, None, None]
    weight = weight * (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    fan_out = weight.shape[1]
    if layer.up == 2:
        kernel = weight.transpose(1, 2).reshape(batch * fan_in, fan_out, 3, 3)
        x = F.conv_transpose2d(x.reshape(1, batch * fan_in, side, side), kernel, stride=2, groups=batch)
        fir = (4 * layer.resample_filter).expand(fan_out, 1, 4, 4)
        x = F.conv2d(x.view(batch, fan_out, 2 * side + 1, 2 * side + 1), fir, padding=1, groups=fan_out)
    else:
        kernel = weight.reshape(batch * fan_out, fan_in, 3, 3)
        x = F.conv2d(x.reshape(1, batch * fan_in, side, side), kernel, padding=1, groups=batch)
        x = x.view(batch, fan_out, side, side)
    return F.leaky_relu(x + layer.noise_strength * layer.noise_const + layer.bias[:, None, None], 0.2) * math.sqrt(2)


def textbook_rate(rows: int, steps: int, warm: int = 3) -> float:
    """Steps per second of the textbook loop."""
    generator, features = StyleGAN2("embedded"), VGG16("random", LAYERS)
    for module in generator.modules():
        if isinstance(module, SynthesisLayer):
            module.forward = grouped.__get__(module)  # type: ignore[method-assign]
    w = generator.center.expand(rows, *generator.shape((3, 64, 64))).clone().requires_grad_()
    optimizer = torch.optim.Adam([w], lr=0.02)
    with torch.no_grad():
        target = features(torch.rand(rows, 3, 64, 64))
    for step in range(warm + steps):
        if step == warm:
            begin = time.perf_counter()
        maps = features(generator(w))
        loss = torch.stack([(maps[layer] - target[layer]).square().mean((1, 2, 3)) for layer in LAYERS]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return steps / (time.perf_counter() - begin)


def main() -> None:
    """Runs one row and many rows in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--steps", type=int, default=30)
    arguments = parser.parse_args()
    rows, steps, pairs = arguments.rows, arguments.steps, []
    for _ in range(arguments.pairs):
        with tempfile.TemporaryDirectory() as folder:
            one = lightning_rate(1, 2 * steps, Path(folder))
            many = rows * lightning_rate(rows, steps, Path(folder))
        plain = rows * textbook_rate(rows, max(steps // 4, 4)) / textbook_rate(1, steps)
        rates = {"one_row": round(one, 2), f"{rows}_rows": round(many, 2)}
        pairs.append({**rates, "ratio": round(many / one, 3), "textbook_ratio": round(plain, 3)})
    figures = {key: median([pair[key] for pair in pairs]) for key in ("ratio", "textbook_ratio")}
    record("batch", {"row_steps_per_second": pairs, "median": figures, "required_ratio": 2.0})


if __name__ == "__main__":
    main()
