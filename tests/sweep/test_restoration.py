"""The page of inversion and restoration, of runs whose figures and pictures are made up."""

import csv
import json
import re
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from lit_nst.cli import CONFIGS
from lit_nst.errors import InputError
from lit_nst.sweep import main
from lit_nst.sweep.options import read_command
from lit_nst.sweep.pages import check_page
from lit_nst.sweep.pages.way import _chosen
from tests.sweep.test_pages import blank, pictures, save

WEIGHTS, STEPS = (0, 0.001, 0.1, 0.5), (100, 300, 1000)
RECIPES = ("report_inversion", "report_colorize", "report_inpaint", "report_deblur")


def made_up(weight, steps, picture):
    """A weight of 0.1 is the best; the last steps gain nothing; weight brings realism and costs fidelity."""
    place, own = WEIGHTS.index(weight), 0.01 * picture
    return {
        "consistency_psnr": 30 - 2 * place + own,
        "psnr": 20 + own,
        "perceptual": (1 + abs(place - 2)) * (2 if steps == 100 else 1) + own,
        "latent_distance": 3.0 - 0.5 * place + own,
        "generator_distance": 2.0 - 0.3 * place + own,
    }


class Runs:
    """What a run of each cell would leave behind."""

    def __init__(self, figures=made_up, count=8, without=()):
        self.figures, self.count, self.without = figures, count, without

    def __call__(self, args):
        options = dict(arg[2:].split("=", 1) for arg in args if arg.startswith("--") and "=" in arg)
        home = Path(options["trainer.logger.init_args.save_dir"]) / options["trainer.logger.init_args.name"]
        weight = json.loads(options["model.regulariser"])["init_args"]["weight"]
        steps = int(options["trainer.max_steps"])
        rows = []
        for i, picture in enumerate(pictures(8)[: self.count]):
            figures = {k: v for k, v in self.figures(weight, steps, i).items() if k not in self.without}
            row = {"images": {"target": f"{i:02d}"}, "weights": {"target": 1.0, "regulariser": float(weight)}}
            rows.append({"name": f"{i:02d}", "restart": 0, "stopped_at_step": None, **row, **figures})
            save(picture, home / "results" / f"{i:02d}.png")
        for step in (0, 1, 2, 4, 8, 16, 32, 64, steps):
            save(
                torch.full((3, 16, 16), weight + step / 20_000),
                home / "results" / "trajectory" / f"step_{step:06d}_00.png",
            )
        save(torch.full((3, 30, 40), float(weight)), home / "results" / "comparison.png")
        blur = {"class_path": "lit_nst.degradations.GaussianBlur", "init_args": {"sigma": 3.0, "seed": None}}
        degrade = [{"class_path": "lit_nst.callbacks.Degrade", "init_args": {"operator": blur, "observed": False}}]
        config = {"data": {"target": "in"}, "model": {}, "trainer": {"max_steps": steps, "callbacks": degrade}}
        (home / "config.yaml").write_text(yaml.safe_dump(config))
        (home / "metrics.json").write_text(json.dumps({"steps": steps, "seconds": 1.0, "rows": rows}))
        lines = [f"{step},{500 / step},{400 / step},{weight * step},8" for step in range(1, steps + 1)]
        (home / "metrics.csv").write_text("\n".join(["step,loss,target,regulariser,rows", *lines, ""]))


def recipe(weights=WEIGHTS, main=0.1, steps=STEPS, last=300):
    values = [{"class_path": "LatentDistance", "init_args": {"weight": weight}} for weight in weights]
    options = {"model.regulariser.weight": main, "trainer.max_steps": last}
    vary = {"model.regulariser": values, "trainer.max_steps": list(steps)}
    return {"configs": ["base.yaml"], "options": options, "vary": vary, "page": "restoration"}


def make(folder, patch, content, runs, *args):
    """Makes the page of a recipe in a folder; gives its text and its verdicts in order."""
    patch.chdir(folder)
    patch.setattr("lit_nst.report.curves.DPI", 20)
    for i, picture in enumerate(pictures(8)):
        save(picture, folder / "in" / f"{i:02d}.png")
    (folder / "base.yaml").write_text("{}")
    (folder / "r.yaml").write_text(yaml.safe_dump(content))
    main(["--config", "r.yaml", *args], runs, folder)
    text = (max((folder / "logs" / "r").iterdir()) / "index.html").read_text()
    return re.sub(r"\s+", " ", text), re.findall(r"</span> ([a-z ]+)</dd>", text)


@pytest.fixture
def show(tmp_path, monkeypatch):
    blank(monkeypatch)
    return lambda *args: make(tmp_path, monkeypatch, *args)


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """The page of the made-up figures, its verdicts and its folder."""
    folder = tmp_path_factory.mktemp("usual")
    with pytest.MonkeyPatch.context() as patch:
        return *make(folder, patch, recipe(), Runs()), folder / "logs" / "r" / "version_0"


def drawn(folder=Path("logs/r/version_0")):
    return sorted(path.stem for path in folder.glob("figures/*.png"))


def test_page_finds_what_was_put_in(usual):
    text, verdicts, folder = usual
    assert verdicts == ["holds"] * 7
    assert "(distance from its samples' features)" in text.replace("&#x27;", "'")
    assert "From 2.04 [2.02, 2.05] at 0 to 1.14" in text
    assert "rank correlation with the weight −1.00 [−1.00, −1.00]" in text
    assert "0.1 for 8. Places above" in text
    assert "<code>GaussianBlur</code> (sigma 3)" in text
    assert "--config base.yaml --model.regulariser.weight 0.1 --trainer.max_steps 300" in text
    assert "--model.generator.weights ffhq.pkl" in text
    assert drawn(folder) == ["losses", "main", "steps", "steps_by_weight", "tradeoff_generator_distance",
                         "tradeoff_latent_distance", "truth", "weights"]  # fmt: skip


def test_table_has_a_line_per_setting_and_names_the_main_one(usual):
    text, _, _ = usual
    assert text.count("<tr>") == 1 + len(WEIGHTS) * len(STEPS)
    assert text.count(">0.1 (main)</th>") == 1
    line = re.search(r'>0.1 \(main\)</th>(<td class="number">300.*?)</tr>', text)[1]
    means = [float(cell.split(" [")[0]) for cell in re.findall(r">([^<]+)</td>", line)[1:]]
    assert means == pytest.approx([value + 0.035 for value in (26, 20, 1, 2, 1.4)], rel=5e-3)


def test_page_finds_the_opposite(show):
    def figures(weight, steps, picture):
        place, own = WEIGHTS.index(weight), 0.01 * picture
        return {
            "consistency_psnr": 20 + 2 * place + own,
            "psnr": 20.0,
            "perceptual": 5.0 - abs(place - 2) + own - (steps > 300),
            "latent_distance": 1.0 + place + own,
        }

    text, verdicts = show(recipe(), Runs(figures))
    assert verdicts[:5] == ["does not hold"] * 5
    assert "(distance from its samples" not in text
    assert "tradeoff_generator_distance" not in drawn()


def test_best_weight_below_that_of_inversion(show):
    _, verdicts = show(recipe(), Runs(lambda w, s, i: made_up(w, s, i) | {"perceptual": 1.0 + WEIGHTS.index(w)}))
    assert verdicts[-1] == "does not hold"


def test_setting_that_is_neither_the_best_nor_needed(show):
    _, verdicts = show(recipe(main=0.001, last=1000), Runs())
    # 0.1 is better and 0 worse; 300 steps do as well, 100 do not.
    assert verdicts == ["holds", "holds", "holds", "does not hold", "does not hold", "holds"]


def test_realism_figures_may_disagree(show):
    rows = Runs(lambda w, s, i: made_up(w, s, i) | {"generator_distance": 1.0 + w})
    _, verdicts = show(recipe(), rows)
    assert verdicts[:2] == ["holds", "does not hold"]


def test_plain_inversion_is_not_asked_about_restoration(show):
    text, verdicts = show(recipe(), Runs(without=["consistency_psnr"]))
    assert len(verdicts) == 6
    assert "Restoration wants" not in text
    assert "PSNR from 20.0" in text


def test_pictures_without_a_truth_have_no_claims_about_it(show):
    text, verdicts = show(recipe(), Runs(without=["psnr", "perceptual"]))
    assert len(verdicts) == 3
    assert "judged" not in text
    assert "truth" not in drawn()


def test_one_picture_and_steps_of_the_command_line(show):
    text, verdicts = show(recipe(), Runs(count=1), "--trainer.max_steps", "300")
    assert set(verdicts) == {"not decided"}
    assert "steps are not enough" not in text
    text, _ = show(recipe(), Runs(), "--trainer.max_steps", "100")
    assert "setting, 0.1 and 300 steps, was not run; the main one here is the nearest to it, 0.1 and 100" in text


def test_main_setting_is_drawn(usual):
    text, _, folder = usual
    with Image.open(folder / "figures" / "main.png") as image:
        assert image.size == (40, 30)
        assert image.getpixel((5, 5))[0] == pytest.approx(255 * 0.1, abs=1)
    with Image.open(folder / "figures" / "steps.png") as image:
        # Two lines of five.
        assert image.width < 2.6 * image.height
        assert image.getpixel((100, 100))[0] == pytest.approx(255 * 0.1, abs=1)
    # By step 70 1/70 of the start, by the last one 1/300.
    assert "falls to 1.4% of its start by step 70" in text
    assert "to 0.3% by the last step" in text


def test_steps_that_are_shown():
    powers = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000]
    assert _chosen(powers, 10) == [0, 4, 8, 16, 32, 64, 128, 256, 512, 1000]
    assert _chosen(powers[:3], 10) == [0, 1, 2]


@pytest.mark.parametrize(
    ("vary", "args", "words"),
    [
        ({"trainer.max_steps": [1]}, [], ["weights of the regulariser"]),
        ({"model.regulariser.weight": [0, 1]}, [], ["model.regulariser.weight", "a run per weight"]),
        ({}, ["--vary", "model.regulariser.weight=[0, 1]"], ["a run per weight"]),
        ({}, ["--model.regulariser.weight", "1"], ["a run per weight"]),
        ({"model.regulariser": ["LatentDistance", "TotalVariation"]}, [], ["weight of each"]),
        ({"model.regulariser": [{"class_path": "A", "init_args": {"weight": 1}}]}, [], ["weights of the regulariser"]),
    ],
)
def test_plan_that_the_page_cannot_show_is_refused_before_anything_runs(show, vary, args, words):
    def never(options):
        raise AssertionError

    with pytest.raises(InputError) as caught:
        show({**recipe(), "vary": vary or recipe()["vary"]}, never, *args)
    for word in words:
        assert word in str(caught.value)
    assert not Path("logs").exists()


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_varies_around_the_setting_of_the_report(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    plan = read_command(["--config", f"sweeps/{name}.yaml"], CONFIGS)
    check_page(plan)
    assert plan.page == "restoration"
    options = dict(plan.options)
    weights = [value["init_args"]["weight"] for value in plan.axis("model.regulariser").values]
    assert float(options["model.regulariser.weight"]) in weights
    assert int(options["trainer.max_steps"]) in plan.axis("trainer.max_steps").values
    wanted = {"report_inversion": ("0.001", "500"), "report_colorize": ("0.5", "1000"),
              "report_inpaint": ("0.7", "1000"), "report_deblur": ("0.001", "1000")}[name]  # fmt: skip
    assert (options["model.regulariser.weight"], options["trainer.max_steps"]) == wanted
    overlay = {f"{name.removeprefix('report_')}.yaml"} - {"inversion.yaml"}
    assert {path.name for path in plan.configs} == {"inversion.yaml"} | overlay


def test_table_csv_has_both_realisms(usual):
    with (usual[2] / "table.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(WEIGHTS) * len(STEPS) * 8
    assert {"latent_distance", "generator_distance"} <= set(lines[0])
