"""Several fits of some rows against one of all."""

import copy
import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from lit_nst.callbacks import Degrade, History, Part, Results, Trajectory, compose, merge_history, write_part
from lit_nst.data import Images, write_png
from lit_nst.degradations import Downsample, Mask, Noise
from lit_nst.errors import InputError
from lit_nst.features import VGG16
from lit_nst.losses import PixelLoss
from lit_nst.tasks import Inversion, Search
from tests.fitting import fit, inversion, save_images, save_pictures, smooth, style_transfer
from tests.tasks.test_base import FailsAt

STEPS = 4
CUTS = [[1, 4], [2, 3], [1, 1, 1, 1, 1]]


def judge():
    return VGG16("random", ["relu1_2", "relu2_1"], width=0.1, seed=3)


class Problem:
    """A task and its callbacks, made anew for each fit."""

    def __init__(self, task, images, *degradations, samples=0):
        self.task, self.images, self.degradations, self.samples = task, images, degradations, samples

    def results(self, whole):
        results = Results(judge(), samples=self.samples, summary=False)
        results.whole = whole
        return results

    def fit(self, folder, rows=None, whole=False, unreadable=None):
        """The part that a fit of some rows leaves."""
        own = [self.results(whole), History(), Trajectory(0, rows=3)]
        for callback in own:
            callback.whole = whole
        own[0].unreadable = unreadable or {}
        task = self.task()
        task.choose(rows)
        fit(task, self.images, folder, STEPS, callbacks=[*map(Degrade, self.degradations), *own])
        return folder / "part.safetensors"

    def join(self, folder, parts):
        homes = [part.parent for part in parts]
        merge_history(folder, [home / "metrics.csv" for home in homes if (home / "metrics.csv").exists()])
        compose(folder, homes)
        task = self.task()
        return self.results(True).consolidate(task, self.images, folder, parts)


def targets(tmp_path, count):
    return save_images(torch.stack([smooth(16, 16, "target", i) for i in range(count)]), tmp_path / "targets")


def restored(generator, tmp_path):
    images = Images(target=targets(tmp_path, 5))
    return Problem(lambda: inversion(generator), images, Downsample(2), Noise(0.1), samples=8)


def inpainted(generator, tmp_path):
    holes = tmp_path / "masks"
    for i in range(5):
        hole = torch.zeros(3, 16, 16)
        hole[:, 2 + i : 9 + i, 3:10] = 1
        write_png(hole, holes / f"{i}.png")
    images = Images(target=targets(tmp_path, 5), mask=str(holes))
    return Problem(lambda: inversion(generator, search=Search(candidates=8)), images, Mask())


def styled(generator, tmp_path):
    sizes = [(16, 16), (18, 16), (16, 20), (16, 16), (22, 18)]
    contents = save_pictures(tmp_path, "content", (16, 16))
    images = Images(content=contents, style=save_pictures(tmp_path, "style", *sizes), style_scale=2.0)
    return Problem(style_transfer, images)


def best(generator, tmp_path):
    """Of restarts whose names meet: one of ``a_1`` is kept as ``a_1``, which is also the first one of ``a``."""
    folder = tmp_path / "targets"
    for i, name in enumerate(("a", "a_1", "comparison")):
        write_png(smooth(16, 16, "target", i), folder / f"{name}.png")
    images = Images(target=[str(folder / f"{name}.png") for name in ("a_1", "a", "comparison")])
    search = Search(restarts=2, spread=0.5, keep="best")
    return Problem(lambda: inversion(generator, search=search), images, Mask(box=[0, 0, 0.5, 0.5]))


def files(folder):
    """Name → bytes, but for the figures and what a fit has besides its results."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: data for name, data in found.items() if not name.startswith("batches") and name != "metrics.json"}


def record(folder):
    found = json.loads((folder / "metrics.json").read_text())
    assert found.pop("seconds") > 0
    assert found.pop("steps_per_second") > 0
    return found


@pytest.mark.parametrize("make", [restored, inpainted, styled, best])
def test_parts_give_what_one_fit_gives(make, tiny_generator, tmp_path):
    problem, whole = make(tiny_generator, tmp_path), tmp_path / "whole"
    problem.fit(whole, whole=True)
    names = {path for path in files(whole) if path.endswith(".png") and "trajectory" not in path}
    assert len(names) >= 3
    total = 6 if make is best else 5
    fitted = {}
    for cut in [[total], *([*own[:-1], own[-1] + total - 5] for own in CUTS)]:
        folder, parts, start = tmp_path / "-".join(map(str, cut)), [], 0
        for count in cut:
            rows, start = range(start, start + count), start + count
            if rows not in fitted:
                fitted[rows] = tmp_path / f"fitted{rows.start}-{rows.stop}"
                problem.fit(fitted[rows], list(rows))
            home = folder / "batches" / str(rows.start)
            shutil.copytree(fitted[rows], home)
            parts.append(home / "part.safetensors")
        assert problem.join(folder, parts[::-1]) == []
        assert record(folder) == record(whole)
        assert files(folder) == files(whole)
        assert not list(folder.rglob("batches/*/results/*.png"))


@pytest.fixture
def problem(tiny_generator, tmp_path):
    return best(tiny_generator, tmp_path)


@pytest.fixture
def parts(problem, tmp_path):
    return [problem.fit(tmp_path / "batches" / str(i), rows) for i, rows in enumerate(([0], [1, 2, 3], [4, 5]))]


def test_one_that_was_cut_short_is_made_again(problem, parts, tmp_path, monkeypatch):
    whole, moved, replace = tmp_path / "whole", [], os.replace
    shutil.copytree(tmp_path / "batches", whole / "batches")
    problem.join(whole, sorted(whole.glob("batches/*/part.safetensors")))

    def killed(source, target):
        if "restarts" in str(source):
            moved.append(source)
            if len(moved) > moves:
                raise KeyboardInterrupt
        replace(source, target)

    for moves in (0, 1, 4):
        moved.clear()
        shutil.copytree(tmp_path / "batches", (folder := tmp_path / str(moves)) / "batches")
        own = sorted(folder.glob("batches/*/part.safetensors"))
        monkeypatch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            problem.join(folder, own)
        monkeypatch.undo()
        assert len(moved) == moves + 1
        assert not (folder / "metrics.json").exists()
        for _ in range(2):
            problem.join(folder, own)
            assert (record(folder), files(folder)) == (record(whole), files(whole))


def test_figures_come_last(problem, parts, tmp_path, monkeypatch):
    monkeypatch.setattr("lit_nst.callbacks.results.write_latents", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        problem.join(tmp_path, parts)
    assert (tmp_path / "results" / "comparison.png").exists()
    assert not (tmp_path / "metrics.json").exists()


def test_rows_that_could_not_be_read(tiny_generator, tmp_path):
    problem = restored(tiny_generator, tmp_path)
    first = problem.fit(tmp_path / "batches" / "0", [0, 2], unreadable={1: "01.png is no image"})
    write_part(other := tmp_path / "batches" / "1" / "part.safetensors", Part.empty({3: "gone", 4: "cut short"}))
    told = [
        {"name": "01", "reason": "01.png is no image"},
        {"name": "03", "reason": "gone"},
        {"name": "04", "reason": "cut short"},
    ]
    lines = []
    results = Results(judge())
    assert results.consolidate(problem.task(), problem.images, tmp_path, [other, first], lines.append) == told
    figures = record(tmp_path)
    assert figures["unreadable"] == told
    assert [row["name"] for row in figures["rows"]] == ["00", "02"]
    assert figures["mean"]["psnr"] == pytest.approx(sum(row["psnr"] for row in figures["rows"]) / 2)
    assert {path.stem for path in (tmp_path / "results").glob("*.png")} == {"00", "02", "comparison"}
    assert "3 left out, since a picture cannot be read:\n  01: 01.png is no image\n" in lines[0]


def test_run_of_which_nothing_could_be_read(tiny_generator, tmp_path):
    problem = restored(tiny_generator, tmp_path)
    write_part(tmp_path / "part.safetensors", Part.empty(dict.fromkeys(range(5), "gone")))
    problem.join(tmp_path, [tmp_path / "part.safetensors"])
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert (found["rows"], found["mean"], len(found["unreadable"])) == ([], {}, 5)


def test_restart_that_is_missing_does_not_win(problem, tmp_path):
    rows, told = [0, 1, 2, 3, 5], {4: "gone"}
    problem.join(tmp_path, [problem.fit(tmp_path / "batches" / "0", rows, unreadable=told)])
    last = record(tmp_path)["rows"][-1]
    assert (last["name"], last["restart"], last["restart_losses"][0]) == ("comparison_", 1, None)


def test_a_restart_that_failed_does_not_win(tiny_generator, tmp_path):
    problem = best(tiny_generator, tmp_path)
    search = problem.task().search

    def task():
        generator = problem.task().generator
        return Inversion(generator, PixelLoss(), regulariser=FailsAt(row=0, call=0), search=search)

    broken = copy.copy(problem)
    broken.task = task
    problem.join(tmp_path, [broken.fit(tmp_path / "0", [2]), problem.fit(tmp_path / "1", [0, 1, 3, 4, 5])])
    row = next(row for row in record(tmp_path)["rows"] if row["name"] == "a")
    assert (row["restart"], row["restart_losses"]) == (1, [None, row["loss"]])


def test_rows_that_are_missing_or_twice(problem, parts, tmp_path):
    with pytest.raises(InputError, match=r"^3 of 6 rows were not computed \(a_1_2, a_1, a_2\); go on with the run$"):
        problem.join(tmp_path, [parts[0], parts[2]])
    with pytest.raises(InputError, match=r"part\.safetensors: row 4 is in .*batches/2 too; remove one of the two$"):
        problem.join(tmp_path, [*parts, parts[2]])


def test_picture_that_is_gone(problem, parts, tmp_path):
    for path in tmp_path.glob("batches/2/results/restarts/*.png"):
        path.unlink()
    with pytest.raises(InputError, match=r"comparison_\d\.png is missing; remove .*batches/2 to have its rows"):
        problem.join(tmp_path, parts)
    assert not (tmp_path / "metrics.json").exists()


def test_fit_of_some_rows_of_a_lone_run_leaves_its_part(problem, tmp_path):
    part = problem.fit(tmp_path / "run", [2, 3], whole=True)
    assert part.exists()
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert not Path(problem.fit(tmp_path / "all", whole=True)).exists()
