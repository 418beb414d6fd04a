"""Pages of sweeps whose figures and pictures are made up: the verdicts follow from them."""

import csv
import json
import re
from importlib import import_module
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from torchvision.transforms.functional import to_pil_image

from lit_nst.cli import CONFIGS
from lit_nst.errors import InputError
from lit_nst.functional.random import generator as keyed
from lit_nst.report import Interval
from lit_nst.sweep import main
from lit_nst.sweep.options import read_command
from lit_nst.sweep.pages import check_page, parts

NAMES = [f"{i:02d}" for i in range(8)]
DEPTHS = ["1_1", "2_1", "3_1", "4_1"]
LAYERS = "[" + ", ".join(f"[{kind}{depth}]" for kind in ("conv", "relu") for depth in DEPTHS) + "]"


def pictures(count, contrast=0.2):
    coarse = torch.rand(count, 3, 4, 4, generator=keyed(0, "pages"))
    smooth = torch.nn.functional.interpolate(coarse, size=16, mode="bilinear")
    return 0.5 + contrast * (smooth - 0.5)


def save(picture, path):
    # Without the wait for the disk that the project's own writer has.
    path.parent.mkdir(parents=True, exist_ok=True)
    to_pil_image(picture.clamp(0, 1)).save(path)


def noise(index):
    return torch.rand(3, 16, 16, generator=keyed(1, "pages", index)) - 0.5


def blank(patch):
    """Figures of one colour, for pages whose verdicts alone are looked at; tests of reports draw them."""
    patch.setattr("lit_nst.report.curves._drawn", lambda figure: Image.new("RGB", (60, 60)))
    patch.setattr(import_module("lit_nst.report.page"), "_encoded", lambda image, form, options: b"picture")


class Runs:
    """Writes what a run of each cell would leave behind: rows of made-up figures and pictures."""

    def __init__(self, rows):
        self.rows = rows

    def __call__(self, args):
        options = dict(arg[2:].split("=", 1) for arg in args if arg.startswith("--") and "=" in arg)
        home = Path(options["trainer.logger.init_args.save_dir"]) / options["trainer.logger.init_args.name"]
        rows = []
        for i, (row, picture) in enumerate(self.rows(options)):
            rows.append({"name": f"row{i}", "restart": 0, "stopped_at_step": None, **row})
            save(picture, home / "results" / f"row{i}.png")
        term = {"init_args": {"layers": ["x"], "normalization": "energy", "layer_weights": None}}
        config = {"data": {"target": "in", "content": "in", "style": "in"}, "model": {"init_args": {"target": term}}}
        (home / "config.yaml").write_text(yaml.safe_dump(config))
        (home / "metrics.json").write_text(json.dumps({"steps": 5, "seconds": 1.0, "rows": rows}))


@pytest.fixture
def show(tmp_path, monkeypatch):
    """Makes a page and gives its text and its verdicts in order."""
    monkeypatch.chdir(tmp_path)
    blank(monkeypatch)
    for name, picture in zip(NAMES, pictures(8), strict=True):
        save(picture, tmp_path / "in" / f"{name}.png")
    (tmp_path / "base.yaml").write_text("{}")

    def run(page, vary, rows):
        recipe = {"configs": ["base.yaml"], "vary": yaml.safe_load(vary), "page": page}
        (tmp_path / "r.yaml").write_text(yaml.safe_dump(recipe))
        main(["--config", "r.yaml"], Runs(rows), tmp_path)
        folder = max((tmp_path / "logs" / "r").iterdir())
        text = (folder / "index.html").read_text()
        assert not re.search(r'(src|href)="(?!data:|#)', text)
        assert text.count("data:image/") == len(list((folder / "figures").glob("*.png")))
        for figure in (folder / "figures").glob("*.png"):
            with Image.open(figure) as image:
                assert min(image.size) > 50
        with (folder / "table.csv").open(newline="") as file:
            lines = list(csv.DictReader(file))
        return text, re.findall(r"</span> ([a-z ]+)</dd>", text), lines

    return run


def inverted(keep=lambda depth: 0.5**depth, relu=0.8, brighter=0.05, count=8):
    """Rows of a sweep over layers: how much is kept, relu's share of the loss, its brightness."""

    def rows(options):
        (layer,) = json.loads(options["model.target.layers"])
        depth, is_relu = DEPTHS.index(layer[4:]), layer.startswith("relu")
        for i, picture in enumerate(pictures(8)[:count]):
            kept = keep(depth)
            result = 0.5 + kept * (picture - 0.5) + (1 - kept) * 0.1 * noise(depth)
            loss = (1 + depth + 0.01 * i) * (relu if is_relu else 1)
            yield {
                "images": {"target": NAMES[i]}, "weights": {"target": 2.0}, "psnr": 40.0 * kept + 0.1 * i,
                "term_target": 2 * loss, "energy_target": 4.0,
            }, result + brighter * is_relu + 0.001 * i * is_relu  # fmt: skip

    return rows


def test_inversion_page_finds_what_was_put_in(show):
    text, verdicts, lines = show("inversion", f"model.target.layers: {LAYERS}", inverted())
    assert verdicts == ["holds", "does not hold", "holds", "holds", "holds"]
    assert "relu / conv = 0.800" in text
    assert text.count("<td>relu</td>") == len(DEPTHS)
    assert len(lines) == 2 * len(DEPTHS) * 8
    assert [float(lines[0][key]) for key in ("normalised_target", "raw_target")] == [1.0, 4.0]
    gains = [float(line["brightness_gain"]) for line in lines if line["model.target.layers"] == "relu1_1"]
    assert gains == pytest.approx([0.05 + 0.001 * i for i in range(8)], abs=2e-3)


def test_inversion_page_finds_the_opposite(show):
    rows = inverted(keep=lambda depth: 0.4 + 0.2 * depth, relu=1.3, brighter=-0.05)
    _, verdicts, _ = show("inversion", f"model.target.layers: {LAYERS}", rows)
    assert verdicts == ["does not hold"] * 5


def test_content_vanishes_where_results_are_noise(show):
    rows = inverted(keep=lambda depth: float(depth == 0), relu=0.1)
    _, verdicts, _ = show("inversion", f"model.target.layers: {LAYERS}", rows)
    assert verdicts == ["holds", "holds", "does not hold", "does not hold", "holds"]


def test_few_pictures_decide_nothing(show):
    text, verdicts, _ = show("inversion", f"model.target.layers: {LAYERS}", inverted(count=3))
    assert set(verdicts) == {"not decided"}
    assert "Fewer than six" in text


def textured(best=2, relu_onset=1, conv_onset=3):
    def rows(options):
        (layer,) = json.loads(options["model.style.layers"])
        depth = DEPTHS.index(layer[4:])
        noisy = depth >= (relu_onset if layer.startswith("relu") else conv_onset)
        for i, picture in enumerate(pictures(8)):
            distance = (1 + abs(depth - best)) * (1 + 0.01 * i)
            row = {"images": {"style": NAMES[i]}, "weights": {"style": 1.0}, "style_distance": distance}
            yield row, picture + (0.5 * noise(i) if noisy else 0)

    return rows


DEEP = LAYERS.replace("2_1", "2_2").replace("4_1", "3_2")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ["holds", "holds", "holds"]),
        ({"best": 0}, ["does not hold", "does not hold", "holds"]),
        ({"relu_onset": 3, "conv_onset": 1}, ["holds", "holds", "does not hold"]),
        ({"relu_onset": 4, "conv_onset": 4}, ["holds", "holds", "not decided"]),
    ],
)
def test_texture_page(show, monkeypatch, settings, expected):
    # Depths 1, 4, 5 and 6.
    monkeypatch.setattr("tests.sweep.test_pages.DEPTHS", ["1_1", "2_2", "3_1", "3_2"])
    text, verdicts, lines = show("texture", f"model.style.layers: {DEEP}", textured(**settings))
    assert verdicts == expected
    assert {"high_frequency_share", "high_frequency_gain"} <= set(lines[0])
    assert ("never" in text) == (settings.get("conv_onset") == 4)


def transferred(gram=0.2, means=0.1, farther=1.2):
    """Rows of contents × styles × weights whose results spread over weights and styles."""

    def rows(options):
        size = means if "MeanVar" in options["model.style"] else gram
        for c in range(3):
            for s in range(2):
                for number, weight in enumerate(json.loads(options.get("model.style.weight", "[3]"))):
                    row = {
                        "images": {"content": NAMES[c], "style": NAMES[s + 3]},
                        "weights": {"style": weight},
                        "style_distance": (1 + 0.1 * c) * (1 if size == gram else farther),
                        "content_distance": 0.5 + 0.01 * s,
                    }
                    shift = size * (1 + 0.01 * c) * (s + number)
                    yield row, pictures(8)[c] * 0.5 + shift * noise(7)

    return rows


STATISTICS = "{model.style: [GramLoss, MeanVarLoss], model.style.weight: [1, 10, 100]}"


def test_statistics_page(show):
    text, verdicts, lines = show("statistics", STATISTICS, transferred())
    # Three contents are too few for what differs over styles.
    assert verdicts == ["holds", "not decided"]
    assert len(lines) == 2 * 3 * 2 * 3
    assert {line["model.style.weight"] for line in lines} == {"1", "10", "100"}
    assert "Pairs that share a picture" in text
    _, verdicts, _ = show("statistics", STATISTICS.replace("1,", "2,"), transferred(0.1, 0.2))
    assert verdicts == ["does not hold", "not decided"]


def test_gallery_page(show):
    text, verdicts, _ = show("gallery", "model.style: [GramLoss, MeanVarLoss, WassersteinLoss]", transferred())
    assert verdicts == ["holds"]
    assert "1.20 [1.20, 1.20]" in text
    assert text.count("contents down, styles across.</figcaption>") == 3


def test_gallery_page_finds_the_opposite(show):
    _, verdicts, _ = show("gallery", "model.style: [GramLoss, MeanVarLoss]", transferred(farther=1.6))
    assert verdicts == ["does not hold"]


def test_generic_page(show):
    vary = yaml.safe_dump({"model.style": ["A"], "data.size": list(range(13))})
    text, verdicts, _ = show("generic", vary, transferred())
    assert verdicts == []
    assert "values 13 to 13" in text
    assert "<h1>Sweep r</h1>" in text


@pytest.mark.parametrize(
    ("page", "vary", "words"),
    [
        ("nothing", "{a: [1]}", ["nothing", "inversion, texture, statistics, gallery, restoration, guidance, generic"]),
        ("inversion", "{a: [1]}", ["inversion", "model.target.layers"]),
        ("inversion", "{model.target.layers: [[conv1_1, conv1_2]]}", ["model.target.layers", "single"]),
        ("inversion", "{model.target.layers: [[pool1]]}", ["pool1"]),
        ("texture", "{model.style.layers: [[conv1_1], [relu1_2]]}", ["model.style.layers", "both"]),
        ("statistics", "{model.style: [GramLoss], model.style.weight: [1, 2]}", ["model.style", "MeanVarLoss"]),
        ("statistics", "{model.style: [GramLoss, MeanVarLoss], model.style.weight: [1]}", ["model.style.weight"]),
        ("gallery", "{model.style.weight: [1]}", ["gallery", "model.style"]),
    ],
)
def test_page_that_cannot_show_the_plan_is_refused_before_anything_runs(show, page, vary, words):
    def never(options):
        raise AssertionError

    with pytest.raises(InputError) as caught:
        show(page, vary, never)
    for word in words:
        assert word in str(caught.value)
    assert not Path("logs").exists()


def test_recipes_of_the_project_have_pages(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lit_nst.report.curves.DPI", 40)
    for name, cells in (("inversion", 26), ("texture", 26), ("statistics", 2), ("gallery", 7)):
        plan = read_command(["--config", f"sweeps/{name}.yaml"], CONFIGS)
        assert (plan.page, len(plan.cells())) == (name, cells)
        check_page(plan)


def test_ratio_and_between():
    found = parts.ratio([2.0] * 6, [1.0, 1.0, 1.0, 4.0, 4.0, 4.0])
    assert found.mean == pytest.approx(1)
    assert found.low < 1 < found.high
    assert str(parts.ratio([1.0, 0.0], [1.0, 1.0])) == "–"
    inside, outside, across = (Interval(1, low, high, 9) for low, high in ((0.6, 0.9), (1.1, 1.2), (0.9, 1.1)))
    assert [parts.between(i, 0.5, 1) for i in (inside, outside, across)] == [1, -1, 0]
