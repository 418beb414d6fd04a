"""The scripts run, and the documents show them as they are."""

import re
import runpy
import sys
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lit_nst.data import read_image, write_png
from lit_nst.features import VGG19
from lit_nst.functional.random import generator as keyed
from lit_nst.minimise import minimise

ROOT = Path(__file__).resolve().parents[2]
# Script → its arguments for a short run, size of what it draws.
SCRIPTS = {
    "style_transfer": (["32", "2"], (32, 32)),
    "texture_synthesis": (["32", "2"], (32, 32)),
    "feature_inversion": (["32", "2"], (32, 64)),
    "gan_inversion": (["2"], (64, 256)),
    "guided_diffusion": (["5"], (32, 128)),
}
SHORT = {"max_steps=100": "max_steps=2", "n_steps=50": "n_steps=1", "size=256": "size=32", "(128, 128)": "(32, 32)"}
BLOCK = re.compile(r"(?:<!-- file: (\S+) -->\n)?```python\n(.*?)```", re.DOTALL)


def blocks(document):
    """(file that is shown or "", code) of every Python block."""
    return BLOCK.findall((ROOT / "docs" / document).read_text())


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to run in, with the files that the documents name."""
    monkeypatch.chdir(tmp_path)
    for name in ("photos/a.png", "paintings/a.png", "paintings/b.png"):
        write_png(torch.rand(3, 40, 32, generator=keyed(0, name)), name)
    return tmp_path


@pytest.fixture
def caffe():
    """Random weights of VGG19's first layers, for inputs of 0 to 255."""
    numbers, state, channels = keyed(0, "caffe"), {}, (3, 4, 5)
    for index, before, after in zip((0, 2), channels, channels[1:], strict=False):
        state[f"features.{index}.weight"] = torch.randn(after, before, 3, 3, generator=numbers) / 100
        state[f"features.{index}.bias"] = torch.randn(after, generator=numbers)
    return state


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_runs_and_writes_its_picture(name, here, monkeypatch):
    arguments, size = SCRIPTS[name]
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    before = {path.name for path in here.iterdir()}
    found = runpy.run_path(str(ROOT / "examples" / f"{name}.py"))
    assert {path.name for path in here.iterdir()} - before == {f"{name}.png"}
    image, _ = read_image(here / f"{name}.png")
    assert image.shape[1:] == size
    assert image.std() > 0.01
    assert found["task"].best_loss.isfinite().all()
    if name != "guided_diffusion":
        assert (found["task"].best_loss < found["task"].first_loss).all()


def test_every_script_has_its_test():
    assert {path.stem for path in (ROOT / "examples").glob("*.py")} == {*SCRIPTS, "gatys"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_is_short(name):
    assert len((ROOT / "examples" / f"{name}.py").read_text().splitlines()) <= 30


def test_document_shows_the_scripts_as_they_are():
    shown = {file: code for file, code in blocks("python.md") if file}
    assert shown == {f"examples/{name}.py": (ROOT / "examples" / f"{name}.py").read_text() for name in SCRIPTS}


def test_passages_run_one_after_the_other(here):
    torch.save(weights_of(VGG19(width=0.05)), "vgg19.pth")
    names, passages = {}, []
    for file, code in blocks("python.md"):
        if file:
            exec("\n".join(re.findall(r"^(?:import|from) .*$", code, re.MULTILINE)), names)
        else:
            passages.append(code)
    names["minimise"] = lambda task, images, steps, **options: minimise(task, images, 2, **options, progress=False)
    # The first shows the call alone, before any task is there.
    for code in passages[1:]:
        for long, short in SHORT.items():
            code = code.replace(long, short)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(code, names)
    assert names["tile"].shape == (3, 32, 32)
    assert names["latents"].shape[0] == 4
    assert names["distance"].shape == (1,)
    assert names["found"].shape == (2, 3, 32, 26)
    assert (here / "checkpoints" / "last.ckpt").is_file()
    assert (here / "deblurred" / "results" / "comparison.png").is_file()


def test_weights_for_another_input_are_converted(here, caffe):
    """The converted network, given [0, 1], does what the original does with BGR of 0 to 255, less the mean."""
    torch.save(caffe, "vgg19_caffe.pth")
    save_file({**caffe, "head.fc.weight": torch.zeros(1)}, "model.safetensors")
    pictures = torch.rand(2, 3, 32, 32, generator=keyed(0, "pictures"))
    for _, code in blocks("weights.md"):
        # What would be downloaded is random here.
        names = {"results": pictures, "truths": pictures.flip(0)}
        exec(code.replace('"imagenet"', '"random"'), names)
    assert names["scores"].shape == (2,)
    assert (names["scores"] > 0).all()
    image = torch.rand(1, 3, 12, 12, generator=keyed(0, "image"))
    found = VGG19("vgg19_converted.pth", ["conv1_1", "conv1_2"])(image)
    mean = torch.tensor([103.939, 116.779, 123.68]).view(3, 1, 1)
    first = torch.nn.functional.conv2d(255 * image.flip(1) - mean, *pair(caffe, 0), padding=1)
    second = torch.nn.functional.conv2d(first.relu(), *pair(caffe, 2), padding=1)
    for layer, map_, edge in (("conv1_1", first, 1), ("conv1_2", second, 2)):
        inner = slice(edge, -edge)
        torch.testing.assert_close(found[layer][..., inner, inner], map_[..., inner, inner], rtol=1e-4, atol=1e-4)
    assert VGG19("vgg19.safetensors", ["conv1_2"]).pool == "max"


def pair(state, index):
    return state[f"features.{index}.weight"], state[f"features.{index}.bias"]


def weights_of(network):
    """The state of a network up to relu5_1, by torchvision's names."""
    network.select(["relu5_1"])
    return {
        f"features.{index}.{key}": value
        for index, module in enumerate(network.net)
        for key, value in module.state_dict().items()
    }
