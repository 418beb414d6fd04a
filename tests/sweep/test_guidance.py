"""The page of guided diffusion, of runs whose pictures and figures are made up."""

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
from lit_nst.features import attributes
from lit_nst.functional.random import generator as keyed
from lit_nst.sweep import main
from lit_nst.sweep.options import read_command
from lit_nst.sweep.pages import check_page, guidance_figures, guidance_judges
from lit_nst.sweep.pages.guidance_rows import PRESETS, TEXT
from lit_nst.sweep.records import collect
from tests.sweep.test_pages import blank, save

PROMPTS = ("a red ring on a blue background", "a green star on a white background")
STYLES = ("mosaic", "waves")
SEEDS, SIDE = (10, 11, 12, 13), 16
WEIGHTS = {"guided": [0.5, 1, 2], "guided_all": [1]}
# How far towards the style an arm goes at weight 1, in colours and in strokes.
REACH = {"plain": (0, 0), "prompt": (0.1, 0.05), "guided": (0.6, 0.02), "guided_all": (0.65, 0.05), "both": (0.6, 0.1),
         "transfer": (0.7, 0.7), **dict.fromkeys(PRESETS, (0.5, 0.1))}  # fmt: skip


def noise(*key):
    return torch.rand(3, SIDE, SIDE, generator=keyed("guidance", *key))


def strokes(style):
    place = torch.arange(SIDE)
    line = (place % 4 < 2).float() if style == "mosaic" else (place % 8 < 4).float()
    return (line[:, None] - 0.5).expand(SIDE, SIDE) if style == "mosaic" else (line - 0.5).expand(SIDE, SIDE)


def colour(style):
    return torch.tensor([0.8, 0.6, 0.1] if style == "mosaic" else [0.1, 0.5, 0.8]).view(3, 1, 1)


def style_picture(style):
    return (colour(style) + 0.3 * strokes(style)).clamp(0, 1)


def drawn(prompt, seed):
    base = torch.full((3, SIDE, SIDE), 0.5)
    base[:, 4:12, 4:12] = torch.tensor([0.8, 0.2, 0.2] if prompt == 0 else [0.2, 0.6, 0.3]).view(3, 1, 1)
    return base + 0.1 * (noise(prompt, seed) - 0.5)


class Runs:
    """What the run of each arm would leave behind."""

    def __init__(self, reach=REACH, prompts=PROMPTS, seeds=SEEDS, passes=None):
        self.reach, self.prompts, self.seeds, self.passes = reach, prompts, seeds, passes or {}
        self.calls = []

    def __call__(self, args):
        options = dict(arg[2:].split("=", 1) for arg in args if arg.startswith("--") and "=" in arg)
        cell = options["trainer.logger.init_args.name"]
        self.calls.append(cell)
        home = Path(options["trainer.logger.init_args.save_dir"]) / cell
        arm = cell.removeprefix("arm-")
        data = {"style": "styles", "size": SIDE}
        if arm == "transfer":
            data["content"] = options["data.content"]
            rows = list(self.transferred(home))
        else:
            rows = list(self.sampled(arm, arm.partition("-")[0]))
        for row, picture in rows:
            save(picture, home / "results" / f"{row['name']}.png")
        save(torch.zeros(3, 8, 8), home / "results" / "comparison.png")
        (home / "config.yaml").write_text(yaml.safe_dump({"data": data, "model": {}}))
        record = {"steps": 5, "seconds": 2.0 * len(rows), "rows": [row for row, _ in rows]}
        (home / "metrics.json").write_text(json.dumps(record))

    def sampled(self, arm, root):
        own = arm.partition("-")[2]
        styles = [own] if own else ["mosaic"] if root == "plain" else STYLES
        for p, prompt in enumerate(self.prompts):
            for style in styles:
                for weight in WEIGHTS.get(root, [0.0 if root in ("plain", "prompt") else 1.0]):
                    for k, seed in enumerate(self.seeds):
                        row = {
                            "name": f"{p}+{style}_style-{weight:g}_{k + 1}",
                            "images": {"prompt": f"prompt{p}", "style": style}, "weights": {"style": weight},
                            "restart": k, "seed": seed, "skipped": 0, "passes": self.passes.get(arm, 100),
                            "prompt": f"{prompt} in {style} style" if own else prompt, "style_distance": 1.0,
                        }  # fmt: skip
                        yield row, self.styled(root, weight, style, p, seed)

    def transferred(self, home):
        for p in range(len(self.prompts)):
            for style in STYLES:
                for k, seed in enumerate(self.seeds):
                    content = f"{p}+mosaic_style-0_{k + 1}"
                    assert (home.parent / "arm-plain" / "results" / f"{content}.png").is_file()
                    row = {
                        "name": f"{content}+{style}", "images": {"content": content, "style": style}, "restart": 0,
                        "weights": {"content": 1.0, "style": 3.0}, "style_distance": 1.0,
                    }  # fmt: skip
                    yield row, self.styled("transfer", 1.0, style, p, seed)

    def styled(self, root, weight, style, prompt, seed):
        colours, textures = (min(0.95, share * max(weight, root in ("plain", "prompt"))) for share in self.reach[root])
        picture = drawn(prompt, seed) + 0.01 * (noise(root, weight, prompt, seed) - 0.5)
        mean = picture.mean((1, 2), keepdim=True)
        return picture + colours * (colour(style) - mean) + 0.3 * textures * strokes(style)


class Reader:
    """A judge of text: the nearer a picture is to its plain one, the more it reads."""

    def adherence(self, images, captions):
        prompt = PROMPTS.index(captions[0]) if captions[0] in PROMPTS else None
        if prompt is None:
            return torch.tensor([float("nan")])
        far = (images[0] - drawn(prompt, 10)).mean((1, 2)).abs().max()
        return torch.tensor([1.0 if far < 0.24 else 0.0])


def recipe(*arms):
    named = {name: {"options": {"model.tag": name}} for name in arms}
    if "transfer" in named:
        named["transfer"] = {
            "base": ["transfer.yaml"],
            "options": {"data.content": "{arm:plain}/*+*.png"},
        }
    return {"configs": ["base.yaml"], "arms": named, "page": "guidance"}


ARMS = ("plain", "prompt-mosaic", "prompt-waves", "guided", "guided_all", "both", "transfer", *PRESETS)


def make(folder, patch, content, runs, *args):
    """Makes the page of a recipe in a folder; gives its text and its verdicts in order."""
    patch.chdir(folder)
    patch.setattr("lit_nst.report.curves.DPI", 20)
    patch.setattr(guidance_judges, "WIDTH", 0.0625)
    for style in STYLES:
        save(style_picture(style), folder / "styles" / f"{style}.png")
    for name in ("base", "transfer"):
        (folder / f"{name}.yaml").write_text("{}")
    (folder / "r.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    main(["--config", "r.yaml", *args], runs, folder)
    text = (max((folder / "logs" / "r").iterdir()) / "index.html").read_text()
    return re.sub(r"\s+", " ", text), re.findall(r"</span> ([a-z ]+)</dd>", text)


@pytest.fixture
def show(tmp_path, monkeypatch):
    monkeypatch.setattr(attributes, "AttributeClassifier", Reader)
    monkeypatch.setattr(guidance_figures, "LINES", 2)
    blank(monkeypatch)
    return lambda *args: make(tmp_path, monkeypatch, *args)


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guidance")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attributes, "AttributeClassifier", Reader)
        return *make(folder, patch, recipe(*ARMS), Runs()), folder / "logs" / "r" / "version_0"


def lines_of(folder=Path("logs/r/version_0")):
    with (folder / "table.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def figures(folder=Path("logs/r/version_0")):
    return sorted(path.stem for path in folder.glob("figures/*.png"))


def test_page_finds_what_was_put_in(usual):
    text, verdicts, folder = usual
    assert verdicts == ["holds"] * 4
    assert figures(folder) == ["arms", "colour_texture", "presets", "style", "style_against_text", "text", "weights"]
    assert "8 pairs of prompt and noise (2 prompts" in text
    assert "the 2 styles of one pair (mosaic, waves) count as one" in text
    # At weight 1 some of the text is lost.
    assert "at weight 0.5, the largest that keeps 90%" in text
    assert "Each made as many passes" in text
    assert "Left out" not in text


def test_a_line_per_arm_and_weight_with_its_cost(usual):
    text, _, _ = usual
    names = re.findall(r'<th scope="row"[^>]*>([^<]+)</th>', text)
    assert names == ["plain, 0", "prompt, 0", "guided, 0.5", "guided, 1", "guided, 2", "all steps, 1", "both, 1",
                     "transfer, 3", *PRESETS]  # fmt: skip
    costs = re.findall(r'<td class="number">([^<]+)</td><td class="number">([^<]+)</td></tr>', text)
    assert costs[0] == ("2.00", "100")
    assert costs[7] == ("2.00", "–")


def test_figures_of_the_judges_are_in_the_table(usual):
    lines = [line for line in lines_of(usual[2]) if line["name"].startswith("0+mosaic")]
    by_arm = {line["arm"]: line for line in lines if line["weights.style"] in ("0.0", "1.0", "1", "3.0")}
    plain, guided = by_arm["plain"], by_arm["guided"]
    assert plain["prompt"] == guided["prompt"] == PROMPTS[0]
    assert float(plain["plain_distance"]) == 0 < float(guided["plain_distance"])
    for figure in ("judged_style", "colour_distance"):
        assert float(guided[figure]) < 0.8 * float(plain[figure])
    assert float(plain["text_adherence"]) == 1
    assert {"saturation_share", "hsv_saturation", "texture_distance", "passes", "skipped", "seed"} <= set(plain)


def test_collage_has_the_arms_side_by_side(usual):
    with Image.open(usual[2] / "figures" / "arms.png") as image:
        # Style and six arms; two prompts, two styles and two noises each.
        assert image.width / image.height == pytest.approx(7 / 8, rel=0.35)
    with Image.open(usual[2] / "figures" / "presets.png") as image:
        assert image.width / image.height == pytest.approx(1, rel=0.35)


def test_page_finds_the_opposite(show):
    reach = REACH | {"prompt": (0.9, 0.9), "guided": (0.1, 0.8), "guided_all": (0.02, 0.01)}
    _, verdicts = show(recipe(*ARMS[:5]), Runs(reach))
    assert verdicts == ["does not hold", "does not hold", "does not hold", "not decided"]
    assert "presets" not in figures()


def test_style_that_costs_the_text_is_no_transfer(show):
    reach = REACH | {"guided": (1.9, 0.1), "guided_all": (0.3, 0.1)}
    text, verdicts = show(recipe(*ARMS[:5]), Runs(reach))
    assert verdicts[0] == "does not hold"
    assert "at weight 0.5, the smallest, as none keeps 90% of the text" in text
    assert verdicts[3] == "does not hold"


def test_few_pairs_decide_nothing(show):
    text, verdicts = show(recipe(*ARMS[:5]), Runs(seeds=SEEDS[:2]))
    assert set(verdicts) == {"not decided"}
    assert "Fewer than six" in text


def test_prompts_of_another_kind_have_no_figures_of_the_text(show):
    text, verdicts = show(recipe(*ARMS[:5]), Runs(prompts=("a ballerina", "a lighthouse"), seeds=SEEDS[:3]))
    assert "no judge reads these prompts" in text
    assert len(verdicts) == 3
    assert verdicts[0] == "not decided"
    assert not {"text", "style_against_text"} & set(figures())
    assert set(lines_of()[0]) & {TEXT} == set() or lines_of()[0][TEXT] == ""


def test_no_weights_of_the_judge(show, monkeypatch):
    def none():
        raise InputError("there are no weights")

    monkeypatch.setattr(attributes, "AttributeClassifier", none)
    # The fixture has set another one before.
    text, _ = show(recipe("plain", "guided"), Runs(seeds=SEEDS[:1]))
    assert "no judge reads these prompts" in text
    assert "Without arm prompt" in text
    assert TEXT not in lines_of()[0]


def test_presets_of_unequal_cost_are_said_to_be(show):
    text, _ = show(recipe("plain", "guided", "report", "dsg"), Runs(seeds=SEEDS[:1], passes={"dsg": 120}))
    assert "not make equally many passes through the U-Net (report 100, dsg 120)" in text


def test_arm_with_prompts_of_its_own_is_left_out(show):
    class Others(Runs):
        def sampled(self, arm, root):
            for row, picture in super().sampled(arm, root):
                if arm == "both":
                    row["prompt"] = f"{row['prompt']}, {row['seed']}"
                yield row, picture

    text, _ = show(recipe("plain", "guided", "both"), Others(seeds=SEEDS[:2]))
    assert "Left out, since its prompts are not those of plain: both." in text


def test_pairs_have_the_same_noise_whatever_their_order(show):
    class Turned(Runs):
        def sampled(self, arm, root):
            rows = list(super().sampled(arm, root))
            return reversed(rows) if root == "guided" else iter(rows)

    show(recipe("plain", "guided"), Turned(seeds=SEEDS[:2]))
    turned = [line["plain_distance"] for line in lines_of() if line["arm"] == "guided"]
    show(recipe("plain", "guided", "both"), Runs(seeds=SEEDS[:2]))
    usual = [line["plain_distance"] for line in lines_of(Path("logs/r/version_1")) if line["arm"] == "guided"]
    assert turned == usual[::-1]
    assert len(set(usual)) == len(usual)


def test_plain_pictures_of_one_style_are_compared_with_every_style(show):
    text, _ = show(recipe("plain", "guided"), Runs(REACH | {"guided": (0, 0)}, seeds=SEEDS[:2]))
    line = re.search(r">guided, 1</th>(.*?)</tr>", text)[1]
    shares = [float(cell.split(" [")[0]) for cell in re.findall(r">([^<]+)</td>", line)[:3]]
    assert shares == pytest.approx([1, 1, 1], abs=0.03)


@pytest.mark.parametrize(
    ("content", "args", "words"),
    [
        (recipe("plain", "both"), [], ["guidance", "no arm guided"]),
        (recipe("guided", "both"), [], ["guidance", "no arm plain"]),
        (recipe("plain", "guided"), ["--vary", "data.size=[8, 16]"], ["data.size", "into the arms"]),
        ({"configs": ["base.yaml"], "vary": {"arm": ["plain", "guided"]}, "page": "guidance"}, [], ["no arm plain"]),
    ],
)
def test_plan_that_the_page_cannot_show_is_refused_before_anything_runs(show, content, args, words):
    def never(options):
        raise AssertionError

    with pytest.raises(InputError) as caught:
        show(content, never, *args)
    for word in words:
        assert word in str(caught.value)
    assert not Path("logs").exists()


def test_prompt_is_no_picture(show):
    show({**recipe("plain", "guided"), "page": "generic"}, Runs())
    assert lines_of()[0]["images.prompt"] == "prompt0"
    assert "collage_1" in figures()
    plan = read_command(["--config", "r.yaml"], Path())
    row = collect(plan, Path("logs/r/version_0/cells"))[0]
    assert row.reference("prompt") is None
    assert row.reference("style") is not None


def test_recipe_of_the_project(monkeypatch, tmp_path):
    for name in ("guided_diffusion", *(f"guidance/{preset}" for preset in PRESETS)):
        (tmp_path / f"{name}.yaml").parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.yaml").write_text("{}")
    monkeypatch.chdir(tmp_path)
    plan = read_command(["--config", "sweeps/guidance.yaml"], CONFIGS)
    check_page(plan)
    cells = {cell.labels["arm"]: cell for cell in plan.cells()}
    assert set(PRESETS) < set(cells)
    assert [path.name for path in cells["mpgd"].configs] == ["guided_diffusion.yaml", "mpgd.yaml"]
    assert [path.name for path in cells["transfer"].configs] == ["style_transfer.yaml"]
    assert cells["transfer"].sources == {"plain": "arm-plain"}
    prompts = len(yaml.safe_load(dict(plan.options)["model.prompt"]))
    assert prompts * int(dict(plan.options)["model.samples"]) >= 32
    assert len(yaml.safe_load(dict(cells["guided"].options)["model.style.weight"])) == 4
