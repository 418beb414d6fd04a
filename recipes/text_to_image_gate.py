"""What the text-to-image model must reach, and how it is measured.

* **PSNR** of the autoencoder on pictures that it never saw.
* **Captions**: the share of sampled pictures whose shape, colour and background the judge reads as the caption
  says, beside how well the judge reads drawings. The same for pairs of colour and shape that no picture or
  caption of the model's training had; the judge knows them.
* **Swaps**: one word of each caption (shape, colour or background, drawn evenly) is changed, the noise stays. A
  swap is right where, after it, the changed attribute is read as the new word and each of the other two still as
  the caption says. Stricter: also all three were read right before it. Looser: the other two are read as before.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from captioned_shapes import SIZE, render
from captions import COLORS, HELD_OUT, SHAPES, SURFACES, Scene, describe, sample
from latent_networks import FACTOR
from torch import Tensor

from lit_nst.features.attributes import AttributeClassifier
from lit_nst.functional.guidance import classifier_free
from lit_nst.functional.random import seeded_normal
from lit_nst.generators import LatentDiffusion
from lit_nst.report import psnr
from lit_nst.samplers import Sampler, Travel

NAMED = ("shape", "color", "background")
STEPS = 30
REQUIRED = {"psnr_db": 26.0, "captions": 0.9, "swaps": 0.85}
# Seeds that no pool of the training has.
PICTURES, CAPTIONS, SWAPS, NOISE = 77, 78, 79, 100_000

Told = tuple[bool, bool, bool, bool]
Pictures = Sequence[Scene]


@torch.no_grad()
def paint(model: LatentDiffusion, texts: Sequence[str], seeds: Sequence[int], scale: float) -> Tensor:
    """One picture per caption and seed, N×3×32×32 in [0, 1], with classifier-free guidance."""
    process, empty, found = Sampler().build(model.scheduler, STEPS, Travel()), model.embed([""]), []
    for start in range(0, len(texts), 64):
        part = slice(start, start + 64)
        states = model.embed(texts[part])
        x = torch.stack([seeded_normal((model.channels, SIZE // FACTOR, SIZE // FACTOR), seed) for seed in seeds[part]])
        both = torch.cat([states, empty.expand_as(states)])
        for turn in process.plan:
            time = process.timesteps[turn.index]
            told, untold = model.predict(torch.cat([x, x]), time, both).chunk(2)
            x = process.step(classifier_free(told, untold, scale), turn.index, x)
        found.append(model(x).clamp(0, 1))
    return torch.cat(found)


@torch.no_grad()
def reconstruction(model: LatentDiffusion, count: int = 512) -> dict[str, Any]:
    """PSNR in dB of pictures that were never trained on: the mean over them, also by surface of the background."""
    asked = sample(count, np.random.default_rng(PICTURES), SURFACES)
    pictures = render(asked, PICTURES)
    again = torch.cat([model(model.encode(part)).clamp(0, 1) for part in pictures.split(128)])
    decibel = psnr(again, pictures).numpy()
    ground = np.array([scene.ground for scene in asked])
    return {
        "mean": _rounded(decibel.mean(), 2),
        "worst": _rounded(decibel.min(), 2),
        "by surface": {name: _rounded(decibel[ground == name].mean(), 2) for name in SURFACES if name in ground},
        "pictures": count,
    }


def right(judge: AttributeClassifier, pictures: Tensor, asked: Pictures) -> dict[str, np.ndarray]:
    """Whether each picture is read as asked, by question."""
    found = judge.read(pictures)
    return {name: np.array(found[name]) == [getattr(scene, name) for scene in asked] for name in NAMED}


def shares(answers: dict[str, np.ndarray]) -> dict[str, float]:
    """The share of right answers, by question and of all three together."""
    found = {name: _rounded(values.mean()) for name, values in answers.items()}
    return {**found, "all three": _rounded(np.all(list(answers.values()), axis=0).mean())}


def swapped(asked: Pictures, random: np.random.Generator) -> tuple[list[Scene], list[str]]:
    """Every scene with another shape, colour or background, and which; pairs of ``HELD_OUT`` stay out."""
    after, changed = [], []
    for scene in asked:
        while True:
            name = str(random.choice(NAMED))
            other = replace(scene, **{name: str(random.choice(SHAPES if name == "shape" else list(COLORS)))})
            if other != scene and other.color != other.background and (other.color, other.shape) not in HELD_OUT:
                break
        after.append(other)
        changed.append(name)
    return after, changed


def swaps(judge: AttributeClassifier, pictures: tuple[Tensor, Tensor], asked: tuple[Pictures, Pictures]) -> np.ndarray:
    """Three rows of one entry per swap: right, right before it too, and right where the rest is read as before."""
    readings = [judge.read(part) for part in pictures]
    before, after = (np.stack(list(right(judge, *pair).values())) for pair in zip(pictures, asked, strict=True))
    same = np.stack([np.array(readings[0][name]) == readings[1][name] for name in NAMED])
    changed = np.array([[getattr(a, n) != getattr(b, n) for a, b in zip(*asked, strict=True)] for n in NAMED])
    return np.stack([after.all(0), after.all(0) & before.all(0), np.where(changed, after, same).all(0)])


def held_out(asked: Pictures) -> list[Scene]:
    """The scenes with the pairs of ``HELD_OUT`` in turn, without those whose background has the same colour."""
    turns = [HELD_OUT[index % len(HELD_OUT)] for index in range(len(asked))]
    forced = [replace(scene, color=pair[0], shape=pair[1]) for scene, pair in zip(asked, turns, strict=True)]
    return [scene for scene in forced if scene.color != scene.background]


def gate(model: LatentDiffusion, judge: AttributeClassifier, count: int, scales: list[float]) -> dict[str, Any]:
    """All numbers, in the form of the card."""
    random = np.random.default_rng(CAPTIONS)
    drawn = sample(1024, random)
    asked = drawn[:count]
    told: list[Told] = [tuple(row) for row in (random.random((count, 4)) < 0.5).tolist()]
    unseen = held_out(drawn)
    result: dict[str, Any] = {
        "psnr_db": reconstruction(model),
        "captions": count,
        "sampler": f"DDIM, {STEPS} steps, trailing",
        "judge on drawings": {
            "as trained": shares(right(judge, render(drawn, CAPTIONS), drawn)),
            "held-out pairs": shares(right(judge, render(unseen, CAPTIONS), unseen)),
        },
    }
    for scale in scales:
        result[f"guidance {scale:g}"] = _sampled(model, judge, asked, told, unseen[: count // 2], scale)
    result["swap"] = "one word changed, same noise: the new word is read, and the other two attributes still as named"
    result["required"] = REQUIRED
    return result


def _sampled(
    model: LatentDiffusion,
    judge: AttributeClassifier,
    asked: Pictures,
    told: list[Told],
    unseen: Pictures,
    scale: float,
) -> dict[str, Any]:
    """The numbers of one guidance scale."""
    after, changed = swapped(asked, np.random.default_rng(SWAPS))
    seeds = range(NOISE, NOISE + len(asked))
    first, second = (
        paint(model, [describe(scene, tells) for scene, tells in zip(part, told, strict=True)], seeds, scale)
        for part in (asked, after)
    )
    alone = paint(model, [describe(scene, (False,) * 4) for scene in unseen], seeds[: len(unseen)], scale)
    loose, strict, rest = swaps(judge, (first, second), (asked, after))
    return {
        "captions": shares(right(judge, first, asked)),
        "held-out pairs": shares(right(judge, alone, unseen)),
        "swaps": _rounded(loose.mean()),
        "swaps by word": {name: _rounded(loose[np.array(changed) == name].mean()) for name in NAMED},
        "swaps, right before too": _rounded(strict.mean()),
        "swaps, the rest as before": _rounded(rest.mean()),
    }


def _rounded(value: Any, digits: int = 4) -> float:
    return round(float(value), digits)
