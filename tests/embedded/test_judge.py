"""The judge of the text-to-image model's pictures, and that its card tells the truth."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from lit_nst.embedded import FOLDER
from lit_nst.features.attributes import AttributeClassifier
from lit_nst.files import sha256

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
NAMED = ("shape", "color", "background")


@pytest.fixture(scope="module")
def recipe():
    """The captions and their renderer."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(RECIPES))
        import captioned_shapes
        import captions

        yield captions, captioned_shapes
    for name in set(sys.modules) - before:
        if str(RECIPES) in str(getattr(sys.modules[name], "__file__", "")):
            sys.modules.pop(name)


@pytest.fixture(scope="module")
def card():
    return json.loads((FOLDER / "judge.json").read_text())


@pytest.fixture(scope="module")
def judge():
    return AttributeClassifier()


def test_card_describes_the_judge(card, judge):
    path = FOLDER / "judge.safetensors"
    assert card["file"] == path.name
    assert card["sha256"] == sha256(path)
    assert card["bytes"] == path.stat().st_size <= 2.5e6
    assert card["parameters"] == sum(value.numel() for value in judge.parameters())
    assert card["questions"] == {name: list(answers) for name, answers in judge.questions.items()}
    assert all(card[key] for key in ("data", "recipe", "command", "steps", "minutes", "hardware", "licence"))


def test_judge_knows_the_words_of_the_captions(judge, recipe):
    captions, _ = recipe
    known = {"shape": captions.SHAPES, "size": captions.SIZES, "place": captions.PLACES, "ground": captions.SURFACES}
    known |= dict.fromkeys(("color", "background"), captions.COLORS)
    assert judge.questions == {name: tuple(known[name]) for name in judge.questions}


def test_judge_passed_its_gate(card):
    gate = card["gate"]
    assert gate["held_out_drawings"] >= 2048
    for name in NAMED:
        assert gate["accuracy"][name] >= gate["required"][name] >= 0.95
        assert gate["accuracy on the pairs held out from the model"][name] >= 0.95


def test_measured_accuracy_is_what_the_card_says(card, judge, recipe):
    captions, captioned_shapes = recipe
    # Other drawings than those behind the card's figures.
    asked = captions.sample(400, np.random.default_rng(81), captions.SURFACES, pairs=True)
    found = judge.read(captioned_shapes.render(asked, 81))
    for name, said in card["gate"]["accuracy"].items():
        share = np.mean([a == getattr(scene, name) for a, scene in zip(found[name], asked, strict=True)])
        assert share == pytest.approx(said, abs=0.03)


def test_captions_name_what_the_judge_is_asked(judge, recipe):
    captions, _ = recipe
    for scene in captions.sample(200, np.random.default_rng(82), captions.SURFACES, pairs=True):
        for told in ((True,) * 4, (False,) * 4):
            assert judge.named(captions.describe(scene, told)) == {name: getattr(scene, name) for name in NAMED}


def test_adherence_tells_right_captions_from_wrong_ones(judge, recipe):
    captions, captioned_shapes = recipe
    asked = captions.sample(64, np.random.default_rng(83))
    texts = [captions.describe(scene) for scene in asked]
    pictures = captioned_shapes.render(asked, 83)
    assert judge.adherence(pictures, texts).mean() > 0.97
    assert judge.adherence(pictures, texts[1:] + texts[:1]).mean() < 0.4
