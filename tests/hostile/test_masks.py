"""Masks and other degradations."""

import os
from pathlib import Path

import pytest
from PIL import Image

from tests.hostile.case import Case, check, params

INPAINT = ["--config", "inpaint.yaml"]
KEYS = "trainer: {callbacks: [{class_path: Degrade, init_args: {operator: {class_path: %s, init_args: {%s}}}}]}"


def mask(name, value, says, make=lambda folder: None) -> Case:
    return Case(name, [*INPAINT, "--data.mask", value], says, make)


def operator(kind, settings, says, slow=False) -> Case:
    def make(folder: Path) -> None:
        (folder / "degrade.yaml").write_text(KEYS % (kind, settings))

    return Case(f"{kind} with {settings[:40]}", ["--config", "degrade.yaml"], [kind, *says], make, slow=slow)


def grey(level, side=16):
    return lambda folder: Image.new("L", (side, side), level).save(folder / "grey.png")


CASES = [
    mask("missing", "nowhere.png", ["--data.mask", "nowhere.png", "does not exist"]),
    mask("FIFO", "pipe.png", ["pipe.png", "not a regular file"], lambda folder: os.mkfifo(folder / "pipe.png")),
    mask("endless device", "/dev/zero", ["/dev/zero", "not a regular file"]),
    mask("text", "tiny.yaml", ["tiny.yaml", "not an image"]),
    mask("of another size", "grey.png", ["grey.png", "8×8", "16×16"], grey(0, 8)),
    mask("all hole", "grey.png", ["white everywhere"], grey(255)),
    mask("two for one", "[mask.png, mask.png]", ["--data.mask", "2 masks for 1"]),
    mask("list of nothing", "[null]", ["data.mask"]),
    mask("dictionary", "{a: 1}", ["data.mask"]),
    operator("Mask", "box: [0.5, 0, 0.1, 1]", ["box"]),
    operator("Mask", "box: [.nan, 0, .nan, 1]", ["box"]),
    operator("Mask", "box: [0, 0, 1]", ["box"]),
    operator("Mask", "box: [0, 0, 1e300, 1]", ["box"]),
    Case(
        "Mask with a box of a text",
        ["--config", "degrade.yaml"],
        ["degrade.yaml", "operator.box", "all"],
        lambda folder: (folder / "degrade.yaml").write_text(KEYS % ("Mask", "box: all")),
    ),
    operator("Mask", "strokes: -1", ["strokes"]),
    operator("Mask", "strokes: 1000000000", ["strokes"]),
    operator("Mask", "strokes: 1, width: .inf", ["width"]),
    operator("Mask", "strokes: 1, width: .nan", ["width"]),
    operator("Mask", "drop: .nan", ["drop"]),
    operator("Mask", "drop: 1", ["drop"]),
    operator("Mask", "holes: 3", ["'holes'"]),
    operator("GaussianBlur", "sigma: .nan", ["sigma"]),
    operator("GaussianBlur", "sigma: -1", ["sigma"]),
    operator("GaussianBlur", "sigma: 1e9", ["sigma"]),
    operator("GaussianBlur", "sigma: .inf", ["sigma"]),
    operator("Downsample", "factor: 0", ["factor"]),
    operator("Downsample", "factor: 1000000", ["factor"]),
    operator("Noise", "sigma: .nan", []),
    operator("JPEG", "quality: 0", ["quality"]),
    operator("os.system", "command: touch CANARY", ["operator"]),
    operator("MotionBlur", "length: 1e9", ["length", "up to"]),
    operator("MotionBlur", "size: 1000000001, intensity: 1", ["size"]),
]


@pytest.mark.parametrize("case", params(CASES, 8))
def test_refused(case, place):
    check(case, place)
