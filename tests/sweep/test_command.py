"""Real sweeps of 16×16 pictures; the runs are those of the command line."""

import csv
import json
import re
import shutil
import warnings
from pathlib import Path

import pytest
import torch
import yaml
from lightning.pytorch import Callback

from lit_nst import cli
from lit_nst.files import sha256
from lit_nst.functional.random import generator as keyed
from tests.fitting import save_images

TINY = """
model:
  class_path: Inversion
  init_args:
    generator: Pixels
    features: {class_path: VGG19, init_args: {weights: random, width: 0.0625}}
    target:
      class_path: ContentLoss
      init_args: {layers: [conv1_1], normalization: energy}
    regulariser: {class_path: TotalVariation, init_args: {weight: 0.1}}
    search: {spread: 0.1, restarts: 2}
    optimizer: {class_path: torch.optim.Adam, init_args: {lr: 0.1}}
data: {target: targets}
trainer: {accelerator: cpu, max_steps: 2}
checkpoint: {every_n_train_steps: 1}
results:
  judge: {class_path: VGG16, init_args: {weights: random, layers: [relu1_2], width: 0.0625}}
"""
LAYERS = "model.target.layers=[[conv1_1], [relu1_2]]"
WEIGHTS = "model.regulariser.weight=[0.1, 2]"


class Stop(Callback):
    """Ends a run before its last step, as Ctrl-C does."""

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == 1:
            raise KeyboardInterrupt


def furnish(folder):
    coarse = torch.rand(2, 3, 4, 4, generator=keyed(0, "pictures"))
    save_images(torch.nn.functional.interpolate(coarse, size=16, mode="bilinear"), folder / "targets")
    (folder / "tiny.yaml").write_text(TINY)


def sweep(*args):
    cli.main(["sweep", "--config", "tiny.yaml", *args])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The place of one whole sweep: 2 layers as cells; 2 pictures, 2 weights and 2 starts as rows."""
    folder = tmp_path_factory.mktemp("sweep")
    furnish(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        sweep("--vary", LAYERS, "--vary", WEIGHTS)
    return folder


@pytest.fixture
def here(whole, tmp_path, monkeypatch):
    """A copy of it."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def calls(monkeypatch):
    """The names of the cells that are run; those that go on from a checkpoint end in +."""
    names, run = list[str](), cli.CLI

    def counted(args):
        name = next(arg for arg in args if "logger.init_args.name=" in arg).partition("=")[2]
        names.append(name + "+" * any(arg.startswith("--ckpt_path=") for arg in args))
        return run(args)

    monkeypatch.setattr(cli, "CLI", counted)
    return names


def home(folder, version=0):
    return folder / "logs" / "tiny" / f"version_{version}"


def table(folder):
    with (folder / "table.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def pictures(folder):
    return {p.relative_to(folder).as_posix(): sha256(p) for p in sorted(folder.glob("cells/*/results/*.png"))}


def test_folder_of_a_sweep(whole):
    folder = home(whole)
    assert sorted(path.name for path in folder.iterdir()) == [
        "cells",
        "figures",
        "index.html",
        "sweep.json",
        "table.csv",
    ]
    assert sorted(path.name for path in (folder / "cells").iterdir()) == ["layers-conv1_1", "layers-relu1_2"]
    for cell in (folder / "cells").iterdir():
        names = {path.name for path in cell.iterdir()}
        assert {"config.yaml", "metrics.csv", "metrics.json", "results", "checkpoints"} <= names
    assert [path.name for path in (whole / "logs").iterdir()] == ["tiny"]
    plan = json.loads((folder / "sweep.json").read_text())
    assert plan["plan"]["configs"] == [yaml.safe_load(TINY)]
    assert plan["plan"]["vary"] == {
        "model.target.layers": [["conv1_1"], ["relu1_2"]],
        "model.regulariser.weight": [0.1, 2],
    }
    assert plan["cells"] == ["layers-conv1_1", "layers-relu1_2"]


def test_pictures_starts_and_weights_share_a_run(whole):
    for cell in (home(whole) / "cells").iterdir():
        rows = json.loads((cell / "metrics.json").read_text())["rows"]
        assert [(row["images"]["target"], row["weights"]["regulariser"], row["restart"]) for row in rows] == [
            (name, weight, restart) for name in ("00", "01") for weight in (0.1, 2.0) for restart in (0, 1)
        ]


def test_table_has_a_line_per_row(whole):
    rows = table(home(whole))
    assert len(rows) == 2 * 2 * 2 * 2
    assert list(rows[0])[:9] == [
        "cell", "model.target.layers", "model.regulariser.weight", "name", "images.target", "weights.target",
        "weights.regulariser", "restart", "loss",
    ]  # fmt: skip
    assert {"psnr", "energy_target", "normalised_target", "raw_target", "brightness_gain", "seconds"} <= set(rows[0])
    assert [row["model.target.layers"] for row in rows] == ["conv1_1"] * 8 + ["relu1_2"] * 8
    assert [row["model.regulariser.weight"] for row in rows[:4]] == ["0.1", "0.1", "2", "2"]
    for row in rows:
        record = json.loads((home(whole) / "cells" / row["cell"] / "metrics.json").read_text())
        own = next(one for one in record["rows"] if one["name"] == row["name"])
        assert float(row["psnr"]) == own["psnr"]
        assert float(row["normalised_target"]) == own["term_target"]
        assert float(row["raw_target"]) == pytest.approx(own["term_target"] * own["energy_target"])


def test_cell_is_the_run_that_fit_makes(whole, tmp_path, monkeypatch):
    shutil.copytree(whole / "targets", tmp_path / "targets")
    (tmp_path / "tiny.yaml").write_text(TINY)
    monkeypatch.chdir(tmp_path)
    options = ["--model.target.layers", "[relu1_2]", "--model.regulariser.weight", "[0.1, 2]"]
    cli.main(["fit", "--config", "tiny.yaml", "--trainer.enable_progress_bar", "false", *options])
    cell = home(whole) / "cells" / "layers-relu1_2"
    # It ran after another cell, which left nothing behind.
    for name in ("00_regulariser-0.1_1", "01_regulariser-2_2"):
        assert sha256(cell / "results" / f"{name}.png") == sha256(home(tmp_path) / "results" / f"{name}.png")


def test_saved_config_of_a_cell_runs_in_a_folder_of_its_own(here):
    cell = home(here) / "cells" / "layers-conv1_1"
    before = (cell / "metrics.json").read_bytes()
    cli.main(["fit", "--config", str(cell / "config.yaml"), "--trainer.max_steps", "1"])
    assert (cell / "metrics.json").read_bytes() == before
    assert json.loads((cell / "version_0" / "metrics.json").read_text())["steps"] == 1


def test_page_needs_nothing_but_itself(whole):
    text = (home(whole) / "index.html").read_text()
    assert not re.search(r'(src|href)="(?!data:|#)', text)
    assert "url(" not in text
    assert "<script" not in text
    assert text.count("data:image/") == len(list((home(whole) / "figures").glob("*.png"))) >= 1


def test_same_command_runs_nothing_again_but_makes_the_page(here, calls, capsys):
    before = pictures(home(here))
    for name in ("index.html", "table.csv"):
        (home(here) / name).unlink()
    sweep("--vary", LAYERS, "--vary", WEIGHTS)
    assert calls == []
    assert "2 of 2 cells were finished before" in capsys.readouterr().out
    assert (home(here) / "index.html").is_file()
    assert len(table(home(here))) == 16
    assert pictures(home(here)) == before
    assert [path.name for path in home(here).parent.iterdir()] == ["version_0"]


def test_missing_cell_alone_is_run_again(here, calls):
    before = pictures(home(here))
    shutil.rmtree(home(here) / "cells" / "layers-conv1_1")
    sweep("--vary", LAYERS, "--vary", WEIGHTS)
    assert calls == ["layers-conv1_1"]
    assert pictures(home(here)) == before


def test_other_plan_is_another_version_and_the_first_one_is_found_again(here, calls):
    sweep("--vary", "model.target.layers=[[conv1_1]]", "--trainer.max_steps", "1")
    assert (home(here, 1) / "cells" / "layers-conv1_1" / "metrics.json").is_file()
    (here / "tiny.yaml").write_text(TINY.replace("lr: 0.1", "lr: 0.2"))
    sweep("--vary", "model.target.layers=[[conv1_1]]", "--trainer.max_steps", "1")
    assert (home(here, 2) / "index.html").is_file()
    (here / "tiny.yaml").write_text(TINY)
    sweep("--vary", LAYERS, "--vary", WEIGHTS)
    assert calls == ["layers-conv1_1"] * 2
    assert not home(here, 3).exists()


def test_interrupted_cell_goes_on_from_its_checkpoint(here, calls, capsys):
    before, name = pictures(home(here)), "layers-conv1_1"
    with pytest.raises(SystemExit) as caught:
        sweep("--vary", LAYERS, "--vary", WEIGHTS, "--trainer.callbacks+", "tests.sweep.test_command.Stop")
    assert caught.value.code == 130
    assert f"stopped in cell {name}" in capsys.readouterr().err
    stopped = home(here, 1) / "cells" / name
    assert not (stopped / "metrics.json").exists()
    shutil.rmtree(home(here) / "cells" / name)
    shutil.move(stopped, home(here) / "cells" / name)
    with warnings.catch_warnings():
        # The checkpoint comes from the other folder.
        warnings.simplefilter("ignore")
        sweep("--vary", LAYERS, "--vary", WEIGHTS)
    assert calls == [name, f"{name}+"]
    assert pictures(home(here)) == before
    steps = (home(here) / "cells" / name / "metrics.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in steps] == ["step", "1", "2"]


def test_cell_that_was_stopped_between_its_last_step_and_its_figures(here, calls):
    before = pictures(home(here))
    (home(here) / "cells" / "layers-conv1_1" / "metrics.json").unlink()
    sweep("--vary", LAYERS, "--vary", WEIGHTS)
    assert calls == ["layers-conv1_1+"]
    assert pictures(home(here)) == before


def test_cell_that_is_refused_is_named_and_the_finished_stay(here, capsys):
    with pytest.raises(SystemExit) as caught:
        sweep("--vary", "model.target.layers=[[conv1_1], [conv9_9]]", "--trainer.max_steps", "1")
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert re.fullmatch(r"error: cell layers-conv9_9: [^\n]*conv9_9[^\n]*\n", printed.err), printed.err
    assert re.search(r"1 of 2 +layers-conv1_1 .* left\n", printed.out)
    assert (home(here, 1) / "cells" / "layers-conv1_1" / "metrics.json").is_file()
    assert not (home(here, 1) / "index.html").exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--vary", "model.targett.layers=[[conv1_1]]"], ["cell layers-conv1_1", "targett"]),
        (["--vary", LAYERS, "--trainer.max_steps", "many"], ["cell layers-conv1_1", "trainer.max_steps", "many"]),
        (["--vary", "layers"], ["--vary layers"]),
    ],
)
def test_bad_input_ends_with_one_line(here, capsys, args, words):
    with pytest.raises(SystemExit) as caught:
        sweep(*args)
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert re.fullmatch(r"error: [^\n]+\n", printed.err), printed.err
    for word in words:
        assert word in printed.err


def test_run_shows_nothing_of_its_own(here, capsys):
    sweep("--vary", "model.target.layers=[[conv1_1]]", "--trainer.max_steps", "1")
    printed = capsys.readouterr()
    assert printed.err == ""
    assert len(printed.out.splitlines()) == 5


@pytest.mark.parametrize("args", [["--help"], []])
def test_help(capsys, args, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cli.main(["sweep", *args])
    printed = capsys.readouterr().out
    assert "--vary" in printed
    assert len(printed.splitlines()) < 15
    assert not list(Path().iterdir())


@pytest.fixture
def armed(tmp_path, monkeypatch):
    """A sweep over arms, the last of which reads the pictures of the first."""
    furnish(tmp_path)
    (tmp_path / "longer.yaml").write_text("trainer: {max_steps: 3}")
    arms = {
        "plain": {"options": {"model.regulariser.weight": 0}},
        "longer": {"configs": ["longer.yaml"]},
        "again": {
            "base": ["tiny.yaml"],
            "options": {"data.target": "{arm:plain}/0*_2.png", "model.search.restarts": 1},
        },
    }
    recipe = {"configs": ["tiny.yaml"], "options": {"model.target.weight": 2}, "arms": arms}
    (tmp_path / "armed.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    monkeypatch.chdir(tmp_path)
    return lambda *args: cli.main(["sweep", "--config", "armed.yaml", *args])


def test_arms_have_configs_of_their_own_read_each_other_and_go_on(armed, calls, tmp_path):
    armed()
    folder = tmp_path / "logs" / "armed" / "version_0"
    assert calls == ["arm-plain", "arm-longer", "arm-again"]
    rows = table(folder)
    assert [row["arm"] for row in rows] == ["plain"] * 4 + ["longer"] * 4 + ["again"] * 2
    assert [row["weights.regulariser"] for row in rows[3:5]] == ["0.0", "0.1"]
    assert [row["steps"] for row in rows[3:5]] == ["2", "3"]
    # Neither the recipe's options nor pictures of the report.
    assert [row["weights.target"] for row in rows[7:9]] == ["2.0", "1.0"]
    assert [row["images.target"] for row in rows[8:]] == ["00_2", "01_2"]
    record = json.loads((folder / "sweep.json").read_text())
    assert record["files"] == ["tiny.yaml", "longer.yaml"]
    assert len(list((folder / "figures").glob("collage_*.png"))) == 1
    before = pictures(folder)
    for name in ("arm-plain", "arm-again"):
        shutil.rmtree(folder / "cells" / name)
    armed()
    assert calls[3:] == ["arm-plain", "arm-again"]
    assert pictures(folder) == before
    (tmp_path / "longer.yaml").write_text("trainer: {max_steps: 1}")
    armed("--vary", "arm=[longer]")
    assert calls[5:] == ["arm-longer"]
    assert (tmp_path / "logs" / "armed" / "version_1").is_dir()
