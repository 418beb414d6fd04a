"""Runs in units, in this process: the same results whatever the units, and whatever happens on the way."""

import json
import re
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.loggers.logger import DummyLogger
from safetensors import safe_open

from lit_nst.cli import main
from lit_nst.data import write_png
from lit_nst.files import sha256
from lit_nst.queue import folder as folders
from tests.fitting import smooth
from tests.test_cli import TINY, furnish

ROWS, STEPS = 5, 6
NAMES = [f"{row:02d}" for row in range(ROWS)]
CALM = ("--trainer.enable_progress_bar", "false", "--results.summary", "false")

TOLD = ("--results.summary", "true")


@pytest.fixture
def here(tiny_generator, tmp_path, monkeypatch):
    """A fresh working folder with five targets."""
    monkeypatch.chdir(targets(furnish(tmp_path, tiny_generator)))
    return tmp_path


@pytest.fixture(scope="module")
def one(tiny_generator, tmp_path_factory):
    """The run of one unit."""
    folder = targets(furnish(tmp_path_factory.mktemp("one"), tiny_generator))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        fit()
    return folder / "logs/tiny/version_0"


def targets(folder: Path) -> Path:
    for row in range(ROWS):
        write_png(smooth(16, 16, "target", row), folder / f"targets/{row:02d}.png")
    (folder / "tiny.yaml").write_text(
        TINY.replace("max_steps: 12", f"max_steps: {STEPS}").replace("steps: 5", "steps: 2")
    )
    return folder


def fit(*args: str) -> None:
    main(["fit", "--config", "tiny.yaml", *CALM, *args])


def found(folder: Path) -> dict:
    """All that a run has found; the metadata of safetensors come in any order."""
    results = folder / "results"
    files = {path.relative_to(results).as_posix(): sha256(path) for path in sorted(results.rglob("*.*"))}
    del files["latent.safetensors"]
    with safe_open(results / "latent.safetensors", "pt") as file:
        files["latent"] = file.get_tensor("latent").numpy().tobytes(), json.loads(file.metadata()["names"])
    metrics = json.loads((folder / "metrics.json").read_text())
    state = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)
    tensors = {**state["state_dict"], **state["optimizer_states"][0]["state"][0]}
    return {
        "files": files,
        "figures": {key: metrics[key] for key in ("task", "steps", "generator_sha256", "rows", "mean")},
        "curves": (folder / "metrics.csv").read_text(),
        "state": {name: value.numpy().tobytes() for name, value in tensors.items()},
        "rows": state["rows"],
    }


@pytest.mark.parametrize("batch", [1, 2, 3, 4])
def test_units_of_any_size_find_the_same(one, here, batch):
    fit("--queue.batch", str(batch))
    run = here / "logs/tiny/version_0"
    assert found(run) == found(one)
    assert not (run / "batches").exists()
    assert len(list((run / "tensorboard").iterdir())) == -(-ROWS // (batch if batch < 3 else batch // 2 * 2))


class Stop(Callback):
    """Ends a process in a unit, as an error would."""

    def __init__(self, row: int, step: int) -> None:
        self.row, self.step = row, step

    def on_train_batch_start(self, trainer, task, *_):
        if self.row in task.shard.rows and trainer.global_step == self.step:
            raise RuntimeError("stopped")


def stop(row: int, step: int, *args: str) -> None:
    own = ("--trainer.callbacks+", "tests.queue.test_run.Stop", f"--trainer.callbacks.row={row}")
    with pytest.raises(RuntimeError, match="stopped"):
        fit(*own, f"--trainer.callbacks.step={step}", *args)


@pytest.mark.parametrize(
    ("first", "then"), [("2", "2"), ("2", "4"), ("4", "1"), ("64", "2"), ("64", "64"), ("1", "64")]
)
@pytest.mark.parametrize(("row", "step"), [pytest.param(0, 1, marks=pytest.mark.slow), (3, 5)])
def test_a_run_that_was_stopped_goes_on_with_other_batches(one, here, first, then, row, step):
    stop(row, step, "--queue.batch", first)
    run = here / "logs/tiny/version_0"
    fit("--ckpt_path", str(run), "--queue.batch", then)
    assert found(run) == found(one)
    assert [path.name for path in (here / "logs/tiny").iterdir()] == ["version_0"]


def test_a_finished_run_stays_as_it_is_and_goes_on_for_more_steps(one, here, capsys):
    fit("--queue.batch", "2", "--trainer.max_steps", "3")
    run = here / "logs/tiny/version_0"
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    fit("--ckpt_path", str(run), "--queue.batch", "2", "--trainer.max_steps", "3")
    assert f"{run.relative_to(here)} is finished" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    fit("--ckpt_path", "logs/tiny/version_0/checkpoints/last.ckpt", "--queue.batch", "4")
    assert json.loads((run / "metrics.json").read_text())["steps"] == STEPS
    assert len((run / "metrics.csv").read_text().splitlines()) == STEPS + 1


def test_out_of_memory_halves_the_batch_and_says_so(one, here, monkeypatch, capsys):
    from lit_nst.tasks import Inversion

    terms = Inversion.terms

    def limited(task, w):
        if len(w) > 2 and task.global_step == 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 EiB")
        return terms(task, w)

    monkeypatch.setattr(Inversion, "terms", limited)
    fit()
    assert found(here / "logs/tiny/version_0") == found(one)
    assert re.search(r"out of memory with 5 rows at a time; going on with \d", capsys.readouterr().err)


def test_a_row_that_does_not_fit_alone_is_told(here, monkeypatch, capsys):
    from lit_nst.tasks import Inversion

    monkeypatch.setattr(Inversion, "terms", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA")))
    with pytest.raises(SystemExit) as caught:
        fit("--queue.batch", "1")
    assert caught.value.code == 2
    assert "does not fit in the memory" in capsys.readouterr().err


@pytest.mark.parametrize("batch", ["1", "64"])
def test_an_unreadable_picture_is_skipped_or_ends_the_run(one, here, batch, capsys):
    (here / "targets/02.png").write_bytes(b"no picture")
    with pytest.raises(SystemExit) as caught:
        fit("--queue.batch", batch)
    assert caught.value.code == 2
    assert re.fullmatch(r"error: .*02\.png.*\n", capsys.readouterr().err)
    with pytest.raises(SystemExit) as caught:
        fit("--queue.batch", batch, "--data.unreadable", "skip")
    assert caught.value.code == 3
    run = sorted((here / "logs/tiny").iterdir())[-1]
    metrics, whole = (json.loads((path / "metrics.json").read_text()) for path in (run, one))
    assert [entry["name"] for entry in metrics["unreadable"]] == ["02"]
    assert "02.png is not an image" in metrics["unreadable"][0]["reason"]
    assert metrics["rows"] == [row for row in whole["rows"] if row["name"] != "02"]
    assert not (run / "results/02.png").exists()
    with pytest.raises(SystemExit) as caught:
        fit("--ckpt_path", str(run), "--data.unreadable", "skip")
    assert caught.value.code == 3
    assert "its 4 rows are in" in capsys.readouterr().out
    assert sha256(run / "results/03.png") == sha256(one / "results/03.png")


def test_a_folder_with_a_run_is_never_overwritten(here, capsys):
    fixed = ("--trainer.logger.init_args.version", "search")
    fit(*fixed)
    run = here / "logs/tiny/search"
    before = sha256(run / "metrics.json")
    with pytest.raises(SystemExit) as caught:
        fit(*fixed)
    assert caught.value.code == 2
    assert "holds a run already" in capsys.readouterr().err
    fit(*fixed, "--ckpt_path", "last")
    assert sha256(run / "metrics.json") == before


def test_last_begins_where_there_is_nothing(one, here):
    fit("--trainer.logger.init_args.version", "search", "--ckpt_path", "last", "--queue.batch", "2")
    assert found(here / "logs/tiny/search") == found(one)


def test_bad_input_leaves_nothing(here, capsys):
    for extra in ((), ("--queue.batch", "2")):
        with pytest.raises(SystemExit):
            fit("--trainer.callbacks+", "Degrade", "--trainer.callbacks.operator", "Mask", *extra)
        assert not (here / "logs").exists()


def test_a_consolidation_that_was_stopped_is_done_again(one, here, monkeypatch):
    from lit_nst.callbacks import Results

    consolidate = Results.consolidate

    def broken(self, *args):
        consolidate(self, *args)
        args[2].joinpath("metrics.json").unlink()
        raise OSError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Results, "consolidate", broken)
        with pytest.raises(SystemExit):
            fit("--queue.batch", "2")
    run = here / "logs/tiny/version_0"
    assert (run / folders.BATCHES).is_dir()
    fit("--queue.batch", "2", "--ckpt_path", str(run))
    assert found(run) == found(one)


def begun(monkeypatch):
    """The steps that fits begin at, as they come."""
    from lit_nst.tasks import Inversion

    steps, start = [], Inversion.on_train_start

    def noting(task):
        # A rehearsal is none.
        steps.extend([task.global_step] if task.trainer.limit_train_batches != 2 else [])
        start(task)

    monkeypatch.setattr(Inversion, "on_train_start", noting)
    return steps


@pytest.mark.parametrize("batch", ["2", "64"])
def test_what_a_longer_run_has_done_before_it_was_stopped_stays(here, batch, monkeypatch):
    run = here / "logs/tiny/version_0"
    fit("--trainer.max_steps", "3")
    again = ("--ckpt_path", str(run), "--queue.batch", batch)
    stop(0, 5, *again)
    steps = begun(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr("lit_nst.callbacks.Results.consolidate", lambda *_: (_ for _ in ()).throw(OSError("killed")))
        with pytest.raises(SystemExit):
            fit(*again)
    assert steps == ([4, 3, 3] if batch == "2" else [4])
    steps.clear()
    fit(*again)
    assert not steps
    assert json.loads((run / "metrics.json").read_text())["steps"] == STEPS
    assert not list(run.glob("*batches"))


def test_a_unit_that_was_stopped_before_it_was_marked_is_not_computed_again(one, here, monkeypatch):
    run = here / "logs/tiny/version_0"
    with monkeypatch.context() as patch:
        patch.setattr(folders.RunFolder, "finish", lambda *_: (_ for _ in ()).throw(OSError("killed")))
        with pytest.raises(SystemExit):
            fit()
    steps = begun(monkeypatch)
    fit("--ckpt_path", str(run), "--queue.batch", "2")
    assert not steps
    assert found(run) == found(one)
    assert not list(run.glob("*.safetensors"))


@pytest.mark.parametrize("batch", ["2", "64"])
def test_a_run_that_went_on_says_how_many_steps_it_took(here, batch, capsys):
    fit("--queue.batch", batch)
    fit("--queue.batch", batch, "--ckpt_path", "logs/tiny/version_0", "--trainer.max_steps", "8", *TOLD)
    assert f"{8 - STEPS} steps in" in capsys.readouterr().out


def test_the_bar_says_which_rows_and_how_many_are_done(here, capfd):
    fit("--queue.batch", "2", "--trainer.enable_progress_bar", "true")
    shown = "".join(capfd.readouterr())
    for text in ("rows 0-1 of 5, 0 done", "rows 2-3 of 5, 2 done", "row 4 of 5, 4 done"):
        assert f"Inversion, {text}" in shown


@pytest.mark.slow
def test_a_longer_run_without_checkpoints_begins_its_units_again(here):
    never = ("--queue.batch", "2", "--trainer.enable_checkpointing", "false", "--model.search.jitter", "0")
    stop(3, 1, "--trainer.max_steps", "3", *never)
    run = here / "logs/tiny/version_0"
    fit("--ckpt_path", str(run), *never)
    fit(*never)
    metrics = [json.loads((path / "metrics.json").read_text())["rows"] for path in (run, run.with_name("version_1"))]
    assert metrics[0] == metrics[1]


class Elsewhere(DummyLogger):
    """A logger with one place for all runs."""

    save_dir = "elsewhere"


def test_units_lie_in_their_folders_whatever_the_logger(one, here):
    fit("--queue.batch", "2", "--trainer.logger", "tests.queue.test_run.Elsewhere")
    assert found(here / "elsewhere") == found(one)


@pytest.mark.parametrize(
    ("option", "value"),
    [("trainer.max_time", "00:00:00:01"), ("checkpoint.dirpath", "elsewhere"), ("trainer.logger", "CSVLogger")],
)
def test_what_units_could_not_do_is_refused(here, option, value, capsys):
    extra = ["--trainer.logger.save_dir", "logs"] if value == "CSVLogger" else []
    with pytest.raises(SystemExit) as end:
        fit(f"--{option}", value, *extra)
    assert end.value.code == 2
    assert re.fullmatch(rf"error: --{option}: [^\n]+\n", capsys.readouterr().err)
    assert not (here / "logs").exists()


def test_what_all_rows_decide_is_looked_up_once_for_all_units(here, monkeypatch):
    from lit_nst.data import images
    from lit_nst.tasks import Inversion

    looked, read, make = [], images.image_size, Inversion._make_grid
    monkeypatch.setattr(images, "image_size", lambda path: (looked.append(path), read(path))[1])
    monkeypatch.setattr(Inversion, "_make_grid", lambda task, data: (looked.append(task), make(task, data))[1])
    pixels = ("--model.generator", "Pixels", "--model.search.jitter", "0", "--model.regulariser", "null")
    fit("--queue.batch", "1", "--trainer.max_steps", "1", *pixels)
    # The grid: before the folder is chosen, and in the process that computes.
    assert len(looked) == ROWS + 2


def test_the_memory_decides_how_many_rows_come_at_a_time(one, here, monkeypatch):
    sizes = []
    from lit_nst.tasks import Inversion

    start = Inversion.on_train_start
    monkeypatch.setattr(Inversion, "on_train_start", lambda task: (sizes.append(task.shard.total), start(task)))
    with pytest.raises(SystemExit):
        fit("--queue.memory", "1e-9")
    sizes.clear()
    fit("--queue.memory", "1000")
    assert sizes == [2, 4, ROWS]


def test_a_run_goes_on_as_the_same_problem_alone(here, capsys):
    fit("--trainer.max_steps", "2")
    run = here / "logs/tiny/version_0"
    for extra in (("--model.target.weight", "7"), ("--data.target", "targets/00.png"), ("--seed_everything", "3")):
        with pytest.raises(SystemExit) as end:
            fit("--ckpt_path", str(run), *extra)
        assert end.value.code == 2
        assert re.search(
            rf"error: --ckpt_path: .* differ in {extra[0].strip('-').split('.')[0]}", capsys.readouterr().err
        )
    (run / "config.yaml").write_bytes(b"\xff{")
    with pytest.raises(SystemExit):
        fit("--ckpt_path", str(run))
    assert "config.yaml is not the config of a run" in capsys.readouterr().err
