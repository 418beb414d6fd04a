"""Trains the shipped portrait generator: regresses G(mapping(z)) on the renderer's picture of z.

python recipes/train_portraits.py --minutes 120 --out portraits.pt
    python recipes/export_portraits.py portraits.pt --minutes 120 --command "…"
"""

import argparse
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from portraits import ATTRIBUTES, render, sample
from torch import Tensor, nn

from lit_nst.generators.stylegan2.network import Architecture, Mapping, Synthesis

ARCHITECTURE = Architecture(
    z_dim=ATTRIBUTES, w_dim=128, channels=(128, 128, 128, 64, 32), mapping_layers=5, lr_multiplier=1.0
)
# Share of the time, resolution, batch.
STAGES = ((0.1, 16, 64), (0.4, 32, 32), (1.0, 64, 16))
HELD_OUT = 10_000_019


class Generator(nn.Module):
    """Both networks, as one module to train and average."""

    def __init__(self) -> None:
        super().__init__()
        self.mapping, self.synthesis = Mapping(ARCHITECTURE), Synthesis(ARCHITECTURE)

    def forward(self, z: Tensor, resolution: int) -> Tensor:
        """Draws the portraits of some attributes, in about [-1, 1]."""
        image: Tensor = self.synthesis(self.mapping(z), noise=False, resolution=resolution)
        return image


class Pool:
    """Rendered pictures as bytes; a few are drawn anew at each step, so that none is seen for long."""

    def __init__(self, size: int, seed: int) -> None:
        self.seed, self.cursor = seed, 0
        self.z = torch.empty(size, ATTRIBUTES)
        self.images = torch.empty(size, 3, 64, 64, dtype=torch.uint8)
        for _ in range(0, size, 16):
            self.refresh(16)

    def refresh(self, count: int) -> None:
        """Replaces the oldest ``count`` pictures."""
        self.seed += 1
        z = sample(count, self.seed)
        where = slice(self.cursor, self.cursor + count)
        self.z[where], self.images[where] = z, (render(z) * 255).round().to(torch.uint8)
        self.cursor = (self.cursor + count) % len(self.z)

    def draw(self, batch: int, resolution: int) -> tuple[Tensor, Tensor]:
        """A batch of attributes and of their pictures in [-1, 1], area-averaged to the resolution."""
        index = torch.randint(len(self.z), (batch,))
        image = self.images[index].float() / 127.5 - 1
        return self.z[index], F.avg_pool2d(image, 64 // resolution)


def objective(image: Tensor, target: Tensor, finish: bool = False) -> Tensor:
    """L1 at three scales, L1 of the image gradients, and L2, which large errors weigh in.

    To finish, the coarse scales make room for the logarithm of each picture's L2, which is its PSNR.
    """
    error = image - target
    loss = error.abs().mean()
    square = error.square().mean((1, 2, 3))
    loss = loss + (0.15 * (square + 1e-4).log().mean() if finish else 2 * square.mean())
    for _ in range(0 if finish else 2):
        error = F.avg_pool2d(error, 2)
        loss = loss + error.abs().mean()
    edges = (image - target).diff(dim=-1).abs().mean() + (image - target).diff(dim=-2).abs().mean()
    return loss + 0.5 * edges


@torch.no_grad()
def psnr(net: Generator, count: int) -> float:
    """Mean PSNR in dB of ``count`` portraits that were never trained on."""
    z = sample(count, HELD_OUT)
    total = 0.0
    for part in z.split(50):
        target = (render(part) * 255).round() / 255
        image = (net(part, 64) * 0.5 + 0.5).clamp(0, 1)
        total += float((-10 * (image - target).square().mean((1, 2, 3)).log10()).sum())
    return total / count


def train(arguments: argparse.Namespace) -> Generator:
    """Runs the schedule for the given time; returns the averaged network."""
    torch.manual_seed(arguments.seed)
    net, average = Generator(), Generator()
    average.load_state_dict(net.state_dict())
    if arguments.resume:
        net.load_state_dict(torch.load(arguments.resume, weights_only=True))
        average.load_state_dict(net.state_dict())
    pool = Pool(arguments.pool, arguments.seed * 1_000_000)
    optimizer = torch.optim.Adam(net.parameters(), lr=arguments.lr, betas=(0.5, 0.99))
    begin, step = time.time(), 0
    while (share := (time.time() - begin) / (60 * arguments.minutes)) < 1:
        stages = STAGES if not arguments.resume else STAGES[-1:]
        resolution, batch = next((r, b) for end, r, b in stages if share < end)
        optimizer.param_groups[0]["lr"] = (
            arguments.lr * min(1, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * share))
        )
        pool.refresh(arguments.refresh)
        z, target = pool.draw(batch, resolution)
        # The last part runs in single precision, which bfloat16 would leave a little rough.
        with torch.autocast("cpu", torch.bfloat16, enabled=arguments.bfloat16 and share < 0.97):
            image = net(z, resolution)
        loss = objective(image.float(), target, arguments.finish)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            decay = min(0.999, 1 - 1 / (1 + step))
            for slow, fast in zip(average.parameters(), net.parameters(), strict=True):
                slow.lerp_(fast, 1 - decay)
        step += 1
        if step % 500 == 0:
            print(
                f"{time.time() - begin:6.0f} s  step {step}  {resolution}²  loss {loss.item():.4f}  "
                f"held-out {psnr(average, 100):.2f} dB",
                flush=True,
            )
            torch.save(average.state_dict(), arguments.out.with_suffix(".part"))
    return average


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--resume", type=Path, help="go on from a .part file")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--pool", type=int, default=16384)
    parser.add_argument("--refresh", type=int, default=4)
    parser.add_argument("--bfloat16", action="store_true", help="quicker where the processor has AMX")
    parser.add_argument("--finish", action="store_true", help="the last phase, on the gate's own measure")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    net = train(arguments)
    torch.save(net.state_dict(), arguments.out)
    print(f"mean PSNR on 1,000 held-out portraits: {psnr(net, 1000):.2f} dB")
