"""Trains the shipped encoder: a VGG-19 whose feature statistics tell textures apart.

    python recipes/train_encoder.py --minutes 80 --out encoder.pt
    python recipes/export_encoder.py encoder.pt --minutes 80 --command "…"

Self-supervised: two neighbouring crops of one picture are a pair. At every depth the mean and the standard
deviation of the features, normalised over the batch, must find the other crop of their pair among the
other pictures of the batch *and* among distorted versions of their own pictures (phases scrambled, tiles
shuffled, noise, blur), which have the same colours: InfoNCE (van den Oord et al., 2018). In half of the
batch, pictures are recoloured alike in groups of eight, so that structure has to decide, not colour. A
small term keeps the channels of a layer from saying the same.

Few pictures suffice for the early layers: Asano, Rupprecht & Vedaldi, 2020. The pictures are the photographs
that scikit-image carries in its package, the patterns of ``patterns.py`` and the portraits of ``portraits.py``.
"""

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
import torch
import torch.nn.functional as F
from patterns import GAUSSIAN, draw
from portraits import render, sample
from torch import Tensor, nn

from lit_nst.features.calibration import calibrate
from lit_nst.features.layers import vgg_names

CHANNELS = (32, 64, 96, 128, 128)
BLOCKS = (2, 2, 4, 4, 4)
DEPTHS = ("relu1_2", "relu2_2", "relu3_2", "relu3_4", "relu4_2", "relu4_4", "relu5_2", "relu5_4")
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket", "retina", "immunohistochemistry", "hubble_deep_field")
GREY = ("camera", "brick", "grass", "gravel", "coins", "moon", "cell")
MEAN = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1)
STD = torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)
# Share of the time, side of the crops, pairs.
STAGES = ((0.35, 48, 64), (0.75, 64, 56), (1.0, 96, 40))


def network() -> nn.Sequential:
    """The convolutions, ReLUs and average poolings, named as torchvision's indices; calibrated random weights."""
    modules: list[nn.Module] = []
    before = 3
    for count, channels in zip(BLOCKS, CHANNELS, strict=True):
        for _ in range(count):
            modules += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU()]
            before = channels
        modules.append(nn.AvgPool2d(2))
    net = nn.Sequential(*modules[:-1])
    calibrate(net, 0, lambda image: (image - MEAN.to(image)) / STD.to(image))
    return net.to(memory_format=torch.channels_last)


class Pictures:
    """All training pictures as bytes, by source."""

    def __init__(self, textures: int, seed: int) -> None:
        self.textures, self.gaussian = torch.empty(textures, 3, 160, 160, dtype=torch.uint8), torch.zeros(textures)
        for index in range(textures):
            picture, kind = draw(seed * 1_000_003 + index)
            self.textures[index] = torch.from_numpy(np.rint(picture * 255).astype(np.uint8))
            self.gaussian[index] = float(kind in GAUSSIAN)
        self.portraits = torch.cat([(render(sample(16, seed + i)) * 255).round().byte() for i in range(12)])
        colour = [getattr(skimage.data, name)() for name in PHOTOGRAPHS]
        grey = [np.repeat(getattr(skimage.data, name)()[..., None], 3, -1) for name in GREY]
        self.photographs = [torch.from_numpy(p[..., :3].copy()).permute(2, 0, 1) for p in [*colour, *grey]]
        self.tinted = [False] * len(colour) + [True] * len(grey)

    def source(self, random: np.random.Generator) -> tuple[Tensor, bool]:
        """One picture, and whether scrambling its phases changes its texture."""
        kind = random.random()
        if kind < 0.5:
            index = int(random.integers(len(self.textures)))
            return self.textures[index].float() / 255, not self.gaussian[index]
        if kind < 0.55:
            return self.portraits[int(random.integers(len(self.portraits)))].float() / 255, True
        index = int(random.integers(len(self.photographs)))
        picture = self.photographs[index]
        # A part of the photograph, so that another part is another texture.
        side = min(int(random.integers(180, 420)), *picture.shape[1:])
        top, left = (int(random.integers(0, extent - side + 1)) for extent in picture.shape[1:])
        part = picture[:, top : top + side, left : left + side].float() / 255
        if self.tinted[index]:
            part = part * torch.from_numpy(random.uniform(0.5, 1.2, (3, 1, 1))).float()
        return part.clamp(0, 1), True

    def batch(self, pairs: int, side: int, random: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Anchors, their neighbours, and which may have their phases scrambled."""
        crops, structured = [], []
        for _ in range(pairs):
            picture, phases = self.source(random)
            crops.append(torch.stack(_neighbours(picture, side, random)))
            structured.append(phases)
        both = torch.stack(crops)
        half = pairs // 16 * 8
        both[:half] = _alike(both[:half], random)
        both = both * torch.from_numpy(random.uniform(0.9, 1.1, (pairs, 2, 1, 1, 1))).float()
        both = both + torch.from_numpy(random.normal(0, 0.02, (pairs, 2, 3, 1, 1))).float()
        return both[:, 0].clamp(0, 1), both[:, 1].clamp(0, 1), torch.tensor(structured)


def _neighbours(picture: Tensor, side: int, random: np.random.Generator) -> list[Tensor]:
    """Two crops, near or overlapping, of nearly one scale, flipped alike."""
    extent = min(picture.shape[1:])
    zoom = min(math.exp(random.uniform(math.log(0.6), math.log(1.8))), extent / side / 1.1)
    flip = random.random() < 0.5
    centre = random.uniform(0, 1, 2)
    crops = []
    for _ in range(2):
        wide = max(8, min(extent, int(side * zoom * random.uniform(0.9, 1.1))))
        at = (centre + random.uniform(-0.35, 0.35, 2) * wide / np.array(picture.shape[1:])).clip(0, 1)
        top, left = (int(a * (total - wide)) for a, total in zip(at, picture.shape[1:], strict=True))
        part = picture[:, top : top + wide, left : left + wide]
        part = F.interpolate(part[None], (side, side), mode="bilinear", antialias=wide > side)[0]
        crops.append(part.flip(-1) if flip else part)
    return crops


def _alike(both: Tensor, random: np.random.Generator) -> Tensor:
    """Gives groups of eight pairs the same mean and deviation per channel."""
    groups = both.unflatten(0, (-1, 8))
    mean, std = groups.mean((2, 4, 5), keepdim=True), groups.std((2, 4, 5), keepdim=True)
    shape = (len(groups), 1, 1, 3, 1, 1)
    new_mean = torch.from_numpy(random.uniform(0.35, 0.65, shape)).float()
    new_std = torch.from_numpy(random.uniform(0.12, 0.25, shape)).float()
    return ((groups - mean) / (std + 0.03) * new_std + new_mean).clamp(0, 1).flatten(0, 1)


def distort(image: Tensor, structured: Tensor, random: np.random.Generator) -> Tensor:
    """Each picture with its colours but another structure."""
    out = []
    for picture, phases in zip(image, structured.tolist(), strict=True):
        kind = int(random.integers(0 if phases else 2, 4))
        out.append((_scramble, _shuffle, _grain, _blur)[kind](picture, random))
    return torch.stack(out)


def _scramble(picture: Tensor, random: np.random.Generator) -> Tensor:
    """Random phases, the same for all channels: spectrum and colour correlations stay."""
    side = picture.shape[-1]
    phases = torch.fft.fft2(torch.from_numpy(random.standard_normal((side, side))).float())
    return torch.fft.ifft2(torch.fft.fft2(picture) * phases / (phases.abs() + 1e-9)).real.clamp(0, 1)


def _shuffle(picture: Tensor, random: np.random.Generator) -> Tensor:
    """Tiles of 3 to 16 pixels in another order."""
    side = picture.shape[-1]
    tile = int(random.choice([size for size in (3, 4, 6, 8, 12, 16) if side % size == 0]))
    columns = F.unfold(picture[None], tile, stride=tile)
    order = torch.from_numpy(random.permutation(columns.shape[-1]))
    return F.fold(columns[..., order], (side, side), tile, stride=tile)[0]


def _grain(picture: Tensor, random: np.random.Generator) -> Tensor:
    """White noise, of single pixels or of 2×2."""
    size = int(random.integers(1, 3))
    noise = torch.from_numpy(random.standard_normal((3, picture.shape[-1] // size, picture.shape[-1] // size))).float()
    noise = noise.repeat_interleave(size, 1).repeat_interleave(size, 2) * random.uniform(0.03, 0.2)
    return (picture + noise).clamp(0, 1)


def _blur(picture: Tensor, random: np.random.Generator) -> Tensor:
    """A Gaussian blur of 0.8 to 2.5 pixels."""
    x = torch.arange(-6.0, 7.0)
    kernel = torch.exp(-(x**2) / (2 * random.uniform(0.8, 2.5) ** 2))
    kernel = kernel / kernel.sum()
    padded = F.pad(picture[:, None], (6, 6, 6, 6), mode="replicate")
    blurred = F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
    return blurred[:, 0]


def features(net: nn.Sequential, image: Tensor) -> dict[str, Tensor]:
    """The maps of ``DEPTHS``."""
    x = ((image - MEAN) / STD).contiguous(memory_format=torch.channels_last)
    found = {}
    for name, module in zip(vgg_names(BLOCKS), net, strict=False):
        x = module(x)
        if name in DEPTHS:
            found[name] = x
    return found


def objective(maps: dict[str, Tensor], pairs: int) -> tuple[Tensor, list[float]]:
    """InfoNCE of every depth, and the share of pairs that are found."""
    total, found = torch.zeros(()), []
    target = torch.arange(pairs)
    for feature in maps.values():
        # Channels stay last, here and in the gradient: another order would cost more than the convolutions.
        x = feature.permute(0, 2, 3, 1).flatten(1, 2)
        # A quarter of the many positions of the early layers will do for a mean.
        x = x[:, int(torch.randint(4, ())) :: 4].float() if x.shape[1] > 1000 else x.float()
        mean = x.mean(1)
        std = ((x.square().mean(1) - mean.square()).clamp_min(0) + 1e-5).sqrt()
        code = torch.cat([mean, std], 1)
        code = (code - code.mean(0)) / (code.std(0) + 1e-4)
        code = F.normalize(code, dim=1)
        # Rows: anchors; columns: neighbours, then distorted anchors and neighbours.
        similarity = code[:pairs] @ code[pairs:].T / 0.1
        back = code[pairs : 2 * pairs] @ torch.cat([code[:pairs], code[2 * pairs :]]).T / 0.1
        total = total + 0.5 * (F.cross_entropy(similarity, target) + F.cross_entropy(back, target))
        found.append((similarity.argmax(1) == target).float().mean().item())
        total = total + 0.1 * _redundancy(x)
    return total / len(maps), found


def _redundancy(x: Tensor) -> Tensor:
    """Mean squared correlation of two channels over some positions of all pictures."""
    points = x[:, torch.randperm(x.shape[1])[:16]].flatten(0, 1)
    points = points - points.mean(0)
    points = points / (points.square().mean(0) + 1e-4).sqrt()
    correlation = points.T @ points / len(points)
    off = correlation - torch.diag(torch.diag(correlation))
    return off.square().sum() / (len(off) * (len(off) - 1)) * 10


def save(path: Path, state: dict[str, Any]) -> None:
    """Writes beside, then renames."""
    torch.save(state, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)


def main() -> None:
    """Trains for some minutes; the stages and the step size follow the clock."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--out", type=Path, default=Path("encoder.pt"))
    parser.add_argument("--textures", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", type=Path, help="file that --out named; --minutes are those of both parts")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    random = np.random.default_rng(options.seed)
    pictures, net = Pictures(options.textures, options.seed), network()
    average = {key: value.clone() for key, value in net.state_dict().items()}
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=1e-3)
    step, spent, begin = 0, 0.0, time.monotonic()
    if options.resume:
        state = torch.load(options.resume, weights_only=True)
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        average, step, spent = state["average"], state["step"], state["spent"]
        random = np.random.default_rng((options.seed, step))
    while (share := (spent + time.monotonic() - begin) / (60 * options.minutes)) < 1:
        _, side, pairs = next(stage for stage in STAGES if share < stage[0] or stage is STAGES[-1])
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1.0, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * share))
        a, b, structured = pictures.batch(pairs, side, random)
        images = torch.cat([a, b, distort(a, structured, random), distort(b, structured, random)[: pairs // 2]])
        with torch.autocast("cpu", torch.bfloat16):
            maps = features(net, images)
        loss, found = objective(maps, pairs)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        decay = min(0.995, step / (step + 20))
        for key, value in net.state_dict().items():
            average[key].lerp_(value, 1 - decay)
        step += 1
        if step % 25 == 0:
            text = " ".join(f"{value:.2f}" for value in found)
            print(
                f"{60 * options.minutes * share:.0f} s, step {step}, {side}², loss {loss.item():.3f}, {text}",
                flush=True,
            )
        if step % 100 == 0:
            done = spent + time.monotonic() - begin
            state = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "average": average}
            save(options.out, {**state, "step": step, "spent": done})
    state = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "average": average}
    save(options.out, {**state, "step": step, "spent": 60 * options.minutes})


if __name__ == "__main__":
    main()
