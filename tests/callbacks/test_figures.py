import json

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lit_nst.callbacks import Results, Trajectory
from lit_nst.callbacks.figures import Pictures, row_figures
from lit_nst.callbacks.judge import Judge
from lit_nst.callbacks.truth import load_content, load_truth, styles_of
from lit_nst.data import Images, read_image
from lit_nst.features import VGG16
from lit_nst.losses import ContentLoss, GramLoss
from lit_nst.report import feature_distance, style_distance
from lit_nst.tasks import Search
from tests.fitting import fit, save_pictures, smooth, style_transfer, texture_synthesis


@pytest.fixture(scope="module")
def judge():
    return Judge(VGG16("random", ["relu1_2", "relu2_1"], width=0.1, seed=3))


@pytest.fixture
def images(tmp_path):
    contents = save_pictures(tmp_path, "content", (16, 16), (16, 16))
    return Images(content=contents, style=save_pictures(tmp_path, "style", (16, 22), (20, 16)), style_scale=2.0)


def found(*results):
    rows = len(results)
    return {
        "result": torch.stack(results), "loss": torch.arange(float(rows)), "distance": torch.zeros(rows),
        "stopped": torch.tensor([-1, 3][:rows]), "term_style": torch.ones(rows), "energy_content": torch.ones(rows),
    }  # fmt: skip


def test_distances_are_zero_to_the_picture_itself(judge):
    a, b = smooth(16, 16, "a"), smooth(16, 16, "b")
    pictures = Pictures(content=torch.stack([a, a]), styles=[[(1.0, a)], [(1.0, b)]])
    first, second = row_figures(["x", "y"], found(a, b), pictures, judge)
    assert first["content_distance"] == 0
    assert first["style_distance"] == second["style_distance"] == 0
    assert second["content_distance"] > 0.01
    assert (first["name"], first["loss"], second["loss"]) == ("x", 0.0, 1.0)
    assert (first["stopped_at_step"], second["stopped_at_step"]) == (None, 3)
    assert {"term_style", "energy_content", "latent_distance"} < set(first)


def test_figures_are_those_of_the_report(judge):
    a, b, style = smooth(16, 16, "a"), smooth(16, 16, "b"), smooth(20, 33, "style")
    pictures = Pictures(content=b[None], styles=[[(1.0, style)]])
    (row,) = row_figures(["x"], found(a), pictures, judge)
    assert row["content_distance"] == pytest.approx(float(feature_distance(judge.maps(a[None]), judge.maps(b[None]))))
    assert row["style_distance"] == pytest.approx(float(style_distance(judge.maps(a[None]), judge.maps(style[None]))))


def test_distance_of_a_blend_is_the_weighted_mean(judge):
    a, b, c = smooth(16, 16, "a"), smooth(16, 16, "b"), smooth(24, 16, "c")
    values = [row_figures(["x"], found(a), Pictures(styles=[[(1.0, p)]]), judge)[0]["style_distance"] for p in (b, c)]
    (row,) = row_figures(["x"], found(a), Pictures(styles=[[(0.25, b), (0.75, c)]]), judge)
    assert row["style_distance"] == pytest.approx(0.25 * values[0] + 0.75 * values[1])


def test_pictures_too_small_for_the_judge(judge):
    a, b = smooth(1, 3, "a"), smooth(1, 30, "b")
    (row,) = row_figures(["x"], found(a), Pictures(content=a[None], styles=[[(1.0, b)]]), judge)
    assert row["content_distance"] == 0
    assert row["style_distance"] > 0


@pytest.mark.parametrize("side", [16, 40])
def test_figures_of_a_row_do_not_depend_on_the_others(side):
    judge = Judge(VGG16("random", ["relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_3"], width=0.5, seed=3))
    judge.samples = judge.maps(torch.stack([smooth(side, side, "sample", i) for i in range(9)]))
    results, truth, content, measurement = (
        torch.stack([smooth(side, side, kind, i) for i in range(11)]) for kind in ("a", "b", "c", "d")
    )
    styles = [[(0.5, smooth(20, 24, "style", i % 2)), (0.5, smooth(side, side, "style"))] for i in range(11)]
    values = {"loss": torch.arange(11.0), "distance": torch.arange(11.0), "stopped": torch.full((11,), -1)}
    known = {"result": results, "measurement": measurement, "predicted": results, **values}
    pictures, names = Pictures(truth, content, styles), [str(i) for i in range(11)]
    rows = row_figures(names, known, pictures, judge)
    for start, end in ((0, 1), (1, 6), (6, 9), (9, 11)):
        part = {name: value[start:end] for name, value in known.items()}
        own = row_figures(names[start:end], part, pictures.chosen(range(start, end)), judge)
        assert own == rows[start:end]


class Look(Callback):
    """What rows are compared with."""

    def on_train_start(self, trainer, task):
        rows = range(task.shard.total)
        self.content, self.truth = load_content(trainer, task, rows), load_truth(trainer, task, rows)
        self.styles = styles_of(task, rows)


def test_rows_are_compared_with_their_own_pictures(images, tmp_path):
    fit(task := style_transfer(), images, tmp_path, 1, callbacks=[look := Look()])
    assert torch.equal(look.content, images.load("content", [0, 0, 1, 1]))
    assert look.truth is None
    styles = [read_image(path)[0] for path in images.files("style")]
    for row, own in enumerate(look.styles):
        ((share, picture),) = own
        assert share == 1
        assert torch.equal(picture, styles[row % 2])
    fit(task := style_transfer(blend=[1.0, 3.0]), images, tmp_path, 1, callbacks=[look := Look()])
    assert [[share for share, _ in own] for own in look.styles] == [[0.25, 0.75]] * len(task.names)
    fit(style_transfer(blend=[0.0, 3.0]), images, tmp_path, 1, callbacks=[look := Look()])
    assert [len(own) for own in look.styles] == [1, 1]
    fit(texture_synthesis(), Images(style=images.sources["style"], size=16), tmp_path, 1, callbacks=[look := Look()])
    assert look.content is None
    assert len(look.styles) == 2


def test_run_that_stays_at_the_content(images, judge, tmp_path):
    task = style_transfer(
        GramLoss(["relu1_1"], weight=[1.0, 2.0]), content=ContentLoss(["relu2_1"], normalization="energy"),
        search=Search(start="content", restarts=2), optimizer=lambda w: torch.optim.SGD(w, lr=1e-12),
    )  # fmt: skip
    fit(task, images, tmp_path, 2, callbacks=[Results(judge.network)])
    record = json.loads((tmp_path / "metrics.json").read_text())
    assert [row["name"] for row in record["rows"]] == task.names
    last = record["rows"][-1]
    assert last["images"] == {"content": "content1", "style": "style1"}
    assert (last["weights"]["style"], last["restart"]) == (2.0, 1)
    style = read_image(images.files("style")[1])[0]
    result = read_image(tmp_path / "results" / f"{last['name']}.png")[0]
    assert last["content_distance"] == pytest.approx(0, abs=1e-5)
    assert last["style_distance"] == pytest.approx(
        float(style_distance(judge.maps(result[None]), judge.maps(style[None]))), 1e-3
    )
    assert last["term_style"] == pytest.approx(2 * record["rows"][-3]["term_style"], rel=1e-5)
    energy = task.features(images.load("content", [1]))["relu2_1"].square().mean()
    assert last["energy_content"] == pytest.approx(float(energy), rel=1e-4)


@pytest.mark.parametrize("make", [style_transfer, texture_synthesis])
@pytest.mark.parametrize("blend", [None, [1.0, 1.0]])
def test_comparison_has_a_line_for_every_row(images, judge, tmp_path, make, blend):
    images.size, task = (16, 16), make(blend=blend)
    images.sources |= {"content": images.sources["content"] if "content" in task.roles else None}
    fit(task, images, tmp_path, 1, callbacks=[Results(judge.network)])
    with Image.open(tmp_path / "results" / "comparison.png") as sheet:
        assert sheet.height > 16 * len(task.names)
        assert sheet.width > 16 * (len(task.roles) + 1)
    assert sorted(path.stem for path in (tmp_path / "results").glob("*.png")) == sorted([*task.names, "comparison"])


def test_pictures_in_tensorboard(images, tmp_path):
    logger = TensorBoardLogger(tmp_path, name=None)
    fit(style_transfer(), images, tmp_path, 2, logger=logger, callbacks=[Trajectory(0, rows=3)])
    events = EventAccumulator(logger.log_dir, size_guidance={"images": 0}).Reload()
    tags = set(events.Tags()["images"])
    assert tags == {"images/content", "images/style/0", "images/style/1", "images/current"}
    assert len(events.Images("images/current")) == 3
    assert {image.width for image in events.Images("images/style/0")} == {22}
