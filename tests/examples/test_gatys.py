"""The package against the same job written by hand."""

import ast
import runpy
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback
from safetensors.torch import save_file

from lit_nst.data import Images, read_image, write_png
from lit_nst.features import VGG19
from lit_nst.functional.random import generator as keyed
from lit_nst.generators import Pixels
from lit_nst.losses import ContentLoss, GramLoss
from lit_nst.minimise import minimise
from lit_nst.tasks import Search, StyleTransfer

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "gatys.py"
LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
STEPS, LR, STYLE_WEIGHT = 30, 0.02, 1000.0
# Uneven, so that a width taken for granted would show.
WIDTHS = {0: 6, 2: 8, 5: 12, 7: 10, 10: 16, 12: 14, 14: 16, 16: 12, 19: 20, 21: 18, 23: 16, 25: 20, 28: 24}


class Recorder(Callback):
    """Keeps the loss of every step."""

    def __init__(self):
        self.losses = []

    def on_train_batch_end(self, trainer, task, *_):
        self.losses.append(task.row_losses.item())


@pytest.fixture
def gatys():
    return runpy.run_path(str(SCRIPT))


@pytest.fixture
def pictures(tmp_path):
    """A content and a style, of one size, as files."""
    paths = []
    for name in ("content", "style"):
        coarse = torch.rand(1, 3, 8, 8, generator=keyed(0, name))
        write_png(torch.nn.functional.interpolate(coarse, size=32, mode="bicubic")[0], tmp_path / f"{name}.png")
        paths.append(str(tmp_path / f"{name}.png"))
    return paths


@pytest.fixture(params=["weights.pth", "weights.safetensors"])
def weights(request, tmp_path):
    """A VGG-19 of random weights: by torch.save, and with average pooling by safetensors."""
    numbers, state, before = keyed(0, "weights"), {}, 3
    for index, width in WIDTHS.items():
        state[f"features.{index}.weight"] = (
            torch.randn(width, before, 3, 3, generator=numbers) * (2 / before / 9) ** 0.5
        )
        state[f"features.{index}.bias"] = torch.randn(width, generator=numbers) * 0.1
        before = width
    path = tmp_path / request.param
    if path.suffix == ".pth":
        torch.save(state, path)
    else:
        save_file({key: value.half() for key, value in state.items()}, path, {"pool": "average"})
    return str(path)


def by_package(pictures, weights, steps=STEPS):
    """The task that has run, and its losses."""
    task = StyleTransfer(
        Pixels("clamp"),
        content=ContentLoss(["relu4_2"], normalization="mean"),
        style=GramLoss(LAYERS, weight=STYLE_WEIGHT, normalization="gatys"),
        features=VGG19(weights),
        search=Search(start="content", ramp_up=0, ramp_down=0),
        optimizer=partial(torch.optim.Adam, lr=LR),
    )
    recorder = Recorder()
    minimise(task, Images(*pictures), steps, callbacks=[recorder], progress=False)
    return task, recorder.losses


def by_hand(gatys, pictures, weights, steps=STEPS):
    content, style = (read_image(Path(path))[0][None] for path in pictures)
    return gatys["transfer"](content, style, weights, steps, LR, STYLE_WEIGHT)


def test_package_has_the_losses_and_the_picture_of_the_script(gatys, pictures, weights):
    task, losses = by_package(pictures, weights)
    image, expected = by_hand(gatys, pictures, weights)
    assert len(losses) == STEPS
    torch.testing.assert_close(torch.tensor(losses), torch.tensor(expected), rtol=1e-4, atol=0)
    assert expected[-1] < 0.1 * expected[0]
    assert all(term > 0.05 * expected[-1] for term in task.terms(task.w).values())
    # Adam divides by the size of the gradient: a pixel with next to none turns rounding into a step.
    difference = (task.w.detach() - image).abs()
    assert difference.max() < 1e-3
    assert difference.mean() < 1e-5


def test_shipped_weights_give_the_same_loss_in_both(gatys, pictures):
    _, losses = by_package(pictures, "embedded", steps=2)
    _, expected = by_hand(gatys, pictures, gatys["EMBEDDED"], steps=2)
    torch.testing.assert_close(torch.tensor(losses), torch.tensor(expected), rtol=1e-4, atol=0)


def test_command_line_writes_the_picture(pictures, weights, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out.png"
    monkeypatch.setattr(sys, "argv", ["gatys.py", *pictures, str(out), "--weights", weights, "--steps", "3"])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    assert "loss" in capsys.readouterr().out
    result, _ = read_image(out)
    content, _ = read_image(Path(pictures[0]))
    assert result.shape == content.shape
    assert 0.001 < (result - content).abs().mean() < 3 * 0.02 + 1 / 255


def test_script_imports_nothing_of_the_package():
    names = [node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imported()]
    assert {name.split(".")[0] for name in names} == {
        "PIL",
        "argparse",
        "pathlib",
        "safetensors",
        "torch",
        "torchvision",
    }


def imported():
    return [node for node in ast.walk(ast.parse(SCRIPT.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)]
