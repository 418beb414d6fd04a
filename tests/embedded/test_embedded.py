"""What ships with the package, and that its card tells the truth."""

import json
import sys
from pathlib import Path

import pytest
import torch

from lit_nst.data import list_images, read_image
from lit_nst.embedded import FOLDER, locate
from lit_nst.errors import InputError
from lit_nst.features import VGG19
from lit_nst.files import sha256
from lit_nst.generators import StyleGAN2
from lit_nst.report import psnr

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
MEBIBYTE = 2**20


@pytest.fixture(scope="module")
def recipe():
    """The renderer, and the training script with the seed of the portraits that it never saw."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(RECIPES))
        import portraits
        import train_portraits

        yield portraits, train_portraits
    for name in ("portraits", "train_portraits"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def card():
    return json.loads((FOLDER / "portraits.json").read_text())


@pytest.fixture(scope="module")
def generator():
    return StyleGAN2.load("embedded")


@pytest.mark.parametrize("name", ["embedded:portraits.safetensors", "portraits.safetensors"])
def test_file_is_found(name):
    assert locate(name) == FOLDER / "portraits.safetensors"


def test_folder_is_found():
    assert locate("embedded:portraits").is_dir()
    assert locate("embedded:portraits/00.png").is_file()


@pytest.mark.parametrize(
    "name",
    [
        *("embedded:../errors.py", "embedded:portraits/../../errors.py", "embedded:/etc/hostname", "embedded:.."),
        *("embedded:nothing", "embedded:portraits/99.png", "embedded:", "embedded:."),
    ],
)
def test_other_names_are_refused_with_what_there_is(name):
    with pytest.raises(
        InputError,
        match=r"^[^\n]*(does not come with the package|leaves the embedded images)[^\n]*embedded:portraits[^\n]*$",
    ) as caught:
        locate(name)
    assert name in str(caught.value)


def test_sixteen_portraits_are_there_in_the_generator_s_size(generator):
    files = list_images("embedded:portraits")
    assert [path.name for path in files] == [f"{i:02d}.png" for i in range(16)]
    assert {read_image(path)[0].shape for path in files} == {(3, generator.resolution, generator.resolution)}


def test_portraits_are_the_renderer_s_of_unseen_attributes(recipe):
    portraits, train_portraits = recipe
    rendered = portraits.render(portraits.sample(16, train_portraits.HELD_OUT + 2))
    shipped = torch.stack([read_image(path)[0] for path in list_images("embedded:portraits")])
    # One level: another processor may round otherwise.
    assert (rendered - shipped).abs().max() <= 1.5 / 255


def test_card_describes_the_file(card, generator):
    path = FOLDER / card["file"]
    assert path == FOLDER / "portraits.safetensors"
    assert card["sha256"] == sha256(path) == generator.digest
    assert card["bytes"] == path.stat().st_size
    assert card["parameters"] == sum(p.numel() for p in generator.parameters())
    assert all(card[key] for key in ("data", "recipe", "command", "minutes", "hardware", "licence"))


def test_files_are_small():
    assert (FOLDER / "portraits.safetensors").stat().st_size <= 4 * MEBIBYTE
    assert (FOLDER / "encoder.safetensors").stat().st_size <= 5 * MEBIBYTE
    assert sum(path.stat().st_size for path in FOLDER.rglob("*.png")) <= 2 * MEBIBYTE


def test_generator_passed_its_gate(card):
    assert card["gate"]["held_out_psnr_db"]["mean"] >= card["gate"]["required_mean"] >= 28
    assert card["gate"]["held_out_portraits"] >= 1000


@torch.no_grad()
def test_measured_quality_is_what_the_card_says(card, generator, recipe):
    portraits, train_portraits = recipe
    # The first of the portraits behind the card's figure.
    z = portraits.sample(card["gate"]["held_out_portraits"], train_portraits.HELD_OUT)[:20]
    made = (generator.synthesis(generator.mapping(z)) * 0.5 + 0.5).clamp(0, 1)
    measured = psnr(made, (portraits.render(z) * 255).round() / 255)
    said = card["gate"]["held_out_psnr_db"]
    assert float(measured.mean()) == pytest.approx(said["mean"], abs=1.5)
    assert float(measured.min()) >= said["worst"] - 0.05


def test_card_describes_the_encoder():
    card, path = json.loads((FOLDER / "encoder.json").read_text()), FOLDER / "encoder.safetensors"
    assert card["sha256"] == sha256(path)
    assert card["bytes"] == path.stat().st_size
    net = VGG19("embedded", ["relu5_4"])
    assert card["parameters"] == sum(p.numel() for p in net.parameters()) <= 2_500_000
    assert card["pooling"] == net.native == "average"
    assert all(card[key] for key in ("data", "recipe", "command", "minutes", "hardware", "licence"))


def test_encoder_passed_its_gate():
    gate = json.loads((FOLDER / "encoder.json").read_text())["gate"]
    assert gate["judge"] == "trained SqueezeNet 1.1"
    assert gate["pairs"] >= 12
    assert gate["lower_than_random"]["share"][0] >= gate["required"] >= 0.3


@torch.no_grad()
def test_encoder_s_layers_have_mean_one():
    image = torch.stack([read_image(path)[0] for path in list_images("embedded:styles")])
    maps = VGG19("embedded", ["relu1_1", "relu2_2", "relu3_4", "relu4_4"])(image)
    assert all(0.4 < float(feature.mean()) < 2.5 for feature in maps.values())


def test_card_describes_the_pictures():
    card = json.loads((FOLDER / "pictures.json").read_text())
    shipped = [path for folder in ("scenes", "styles") for path in list_images(f"embedded:{folder}")]
    assert sorted(card["files"]) == sorted(f"{path.parent.name}/{path.name}" for path in shipped)
    for path in shipped:
        entry = card["files"][f"{path.parent.name}/{path.name}"]
        assert (entry["sha256"], entry["bytes"]) == (sha256(path), path.stat().st_size)
        assert read_image(path)[0].shape == (3, 256, 256)
