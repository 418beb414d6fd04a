"""The style references for the text-to-image model."""

import json
import sys
from pathlib import Path

import pytest
import torch

from lit_nst.data import list_images, read_image
from lit_nst.embedded import FOLDER
from lit_nst.files import sha256

RECIPES = Path(__file__).resolve().parents[2] / "recipes"


@pytest.fixture(scope="module")
def recipe():
    """The script that draws them, and the words of the captions."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(RECIPES))
        import captions
        import export_surfaces

        yield export_surfaces, captions
    for name in set(sys.modules) - before:
        if str(RECIPES) in str(getattr(sys.modules[name], "__file__", "")):
            sys.modules.pop(name)


@pytest.fixture(scope="module")
def card():
    return json.loads((FOLDER / "surfaces.json").read_text())


def test_card_describes_the_pictures(card):
    shipped = list_images("embedded:surfaces")
    assert sorted(card["files"]) == sorted(f"surfaces/{path.name}" for path in shipped)
    for path in shipped:
        entry = card["files"][f"surfaces/{path.name}"]
        assert (entry["sha256"], entry["bytes"]) == (sha256(path), path.stat().st_size)
        assert read_image(path)[0].shape == (3, 64, 64)
    assert card["bytes"] == sum(path.stat().st_size for path in shipped)
    assert all(card[key] for key in ("data", "recipe", "command", "licence"))


def test_recipe_draws_what_is_shipped(recipe):
    export_surfaces, _ = recipe
    assert list(export_surfaces.check()) == []


def test_check_finds_a_changed_picture_and_a_missing_one(recipe, monkeypatch, tmp_path):
    export_surfaces, _ = recipe
    monkeypatch.setattr(export_surfaces, "FOLDER", tmp_path)
    monkeypatch.setattr(export_surfaces, "CARD", tmp_path / "surfaces.json")
    export_surfaces.export()
    assert list(export_surfaces.check()) == []
    (tmp_path / "surfaces" / "lagoon.png").unlink()
    changed = tmp_path / "surfaces" / "dunes.png"
    changed.write_bytes((tmp_path / "surfaces" / "aurora.png").read_bytes())
    faults = list(export_surfaces.check())
    assert [fault.partition(":")[0] for fault in faults] == ["surfaces/lagoon.png", "surfaces/dunes.png"]


def test_no_caption_can_name_them(recipe, card):
    export_surfaces, captions = recipe
    words = set(captions.words())
    for key, reference in export_surfaces.REFERENCES.items():
        assert reference.surface in (*captions.WORDLESS, *captions.UNSEEN)
        assert not words & {key, reference.surface}
    assert {entry["surface"] for entry in card["files"].values()} == {*captions.WORDLESS, *captions.UNSEEN}


def test_they_differ_in_colour():
    means = torch.stack([read_image(path)[0].mean((1, 2)) for path in list_images("embedded:surfaces")])
    assert torch.pdist(means).min() > 0.05
