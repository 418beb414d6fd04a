"""The command line, in this process on a 16×16 generator; a few real processes at the end."""

import csv
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from lightning.pytorch import Callback
from PIL import Image
from safetensors import safe_open
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lit_nst.cli import CLI, main
from lit_nst.data import list_images, read_image
from lit_nst.degradations import Downsample, GaussianBlur
from lit_nst.files import sha256
from lit_nst.functional.random import generator as keyed
from lit_nst.generators import StyleGAN2
from lit_nst.losses import PixelLoss
from tests.fitting import save_images

ENTRY = Path(__file__).resolve().parents[1] / "cli.py"
STEPS = 12
NAMES = ["00", "01", "02"]
TINY = """
model:
  class_path: Inversion
  init_args:
    generator:
      class_path: StyleGAN2
      init_args: {weights: tiny.safetensors, samples: 200}
    target:
      class_path: PixelLoss
    regulariser:
      class_path: LatentDistance
      init_args: {weight: 0.01}
    search: {jitter: 0.1}
    optimizer:
      class_path: torch.optim.Adam
      init_args: {lr: 0.1}
data:
  target: targets
trainer:
  accelerator: cpu
  max_steps: 12
  log_every_n_steps: 4
checkpoint:
  every_n_train_steps: 5
"""

OVERLAY = """
trainer:
  callbacks+:
    - class_path: Degrade
      init_args:
        operator:
          class_path: GaussianBlur
          init_args: {sigma: 0.5}
"""


class Crash(Callback):
    """Ends the process's run after a step, as an error would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == self.step:
            raise RuntimeError("crashed")


def fit(*args, config="tiny.yaml"):
    main(["fit", "--config", config, *args])


def build(*args, config="tiny.yaml"):
    """A run, and all that it was made of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CLI(["fit", "--config", config, *args])


def crash(step):
    with pytest.raises(RuntimeError, match="crashed"):
        fit(
            *("--trainer.callbacks+", "tests.test_cli.Crash", "--trainer.callbacks.step", str(step)),
            *("--trainer.enable_progress_bar", "false"),
        )


def furnish(folder, generator):
    """Generator, pictures and config."""
    shutil.copy(generator, folder / "tiny.safetensors")
    coarse = torch.rand(3, 3, 4, 4, generator=keyed(0, "pictures"))
    smooth = torch.nn.functional.interpolate(coarse, size=16, mode="bilinear")
    save_images(smooth, folder / "targets")
    (folder / "tiny.yaml").write_text(TINY)
    return folder


@pytest.fixture
def here(tiny_generator, tmp_path, monkeypatch):
    """A fresh working folder."""
    monkeypatch.chdir(furnish(tmp_path, tiny_generator))
    return tmp_path


@pytest.fixture(scope="module")
def run(tiny_generator, tmp_path_factory):
    """The folder of one whole run, looked at by many tests."""
    folder = furnish(tmp_path_factory.mktemp("run"), tiny_generator)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        fit()
    return folder / "logs" / "tiny" / "version_0"


def lines(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.reader(file))


def results(folder):
    """Name → SHA-256 of what a run found; latent.safetensors has its metadata in any order."""
    kept = ("latent.npz", *(f"{name}.png" for name in NAMES))
    return {name: sha256(folder / "results" / name) for name in kept}


def saved(folder):
    return yaml.safe_load((folder / "config.yaml").read_text())


def test_run_folder(run):
    assert [path.name for path in run.parent.iterdir()] == ["version_0"]
    files = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    pictures = {name for name in files if name.startswith("results/trajectory/step_")}
    events = {name for name in files if name.startswith("events.out.tfevents.")}
    assert pictures == {
        f"results/trajectory/step_{step:06d}_{row:02d}.png" for step in (0, 1, 2, 4, 8, 12) for row in range(3)
    }
    assert len(events) == 1
    assert files - pictures - events == {
        *("config.yaml", "hparams.yaml", "checkpoints/last.ckpt", "metrics.csv", "metrics.json"),
        *("results/comparison.png", "results/trajectory.gif", "results/trajectory.png"),
        *("results/latent.npz", "results/latent.safetensors", *(f"results/{name}.png" for name in NAMES)),
    }


def test_pictures_of_the_run_open(run):
    for path in run.rglob("*.png"):
        with Image.open(path) as picture:
            picture.load()
    with Image.open(run / "results" / "trajectory.gif") as picture:
        assert picture.n_frames == 6


def test_metrics_csv_has_a_line_per_step_with_every_term(run):
    head, *rest = lines(run)
    assert head == ["step", "loss", "target", "regulariser", "rows"]
    assert [line[0] for line in rest] == [str(step) for step in range(1, STEPS + 1)]
    values = np.array(rest, float)
    assert np.isfinite(values).all()
    assert values[:, 1] == pytest.approx(values[:, 2] + values[:, 3], rel=1e-4)
    assert (values[:, 4] == 3).all()
    assert values[-1, 1] < values[0, 1]


def test_metrics_json_has_a_record_per_row(run):
    record = json.loads((run / "metrics.json").read_text())
    assert [row["name"] for row in record["rows"]] == NAMES
    assert record["steps"] == STEPS
    assert {"loss", "psnr", "ssim", "perceptual", "latent_distance"} <= set(record["rows"][0])


def test_events_hold_terms_and_pictures(run):
    events = EventAccumulator(str(run))
    events.Reload()
    assert {"loss", "target", "regulariser"} <= set(events.Tags()["scalars"])
    assert {"images/target", "images/current"} == set(events.Tags()["images"])


def test_checkpoint_is_that_of_the_last_step(run):
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == STEPS
    assert torch.equal(
        checkpoint["state_dict"]["best"], torch.from_numpy(np.load(run / "results/latent.npz")["latent"])
    )


@torch.no_grad()
def test_latent_renders_the_picture_again(run):
    file = run.parents[2] / "tiny.safetensors"
    generator = StyleGAN2.load(file)
    latent = torch.from_numpy(np.load(run / "results" / "latent.npz")["latent"])
    assert latent.shape == (3, generator.num_ws, 8)
    made = (generator.synthesis(latent) + 1) / 2
    for name, image in zip(NAMES, made, strict=True):
        assert (read_image(run / "results" / f"{name}.png")[0] - image.clamp(0, 1)).abs().max() <= 1 / 255
    with safe_open(run / "results" / "latent.safetensors", framework="pt") as stored:
        assert torch.equal(stored.get_tensor("latent"), latent)
        assert stored.metadata()["generator_sha256"] == sha256(file)


def test_saved_config_runs_again_with_the_same_bits(run, monkeypatch):
    monkeypatch.chdir(run.parents[2])
    before = results(run)
    fit(config="logs/tiny/version_0/config.yaml")
    again = run.with_name("version_1")
    try:
        assert results(again) == before == results(run)
        assert lines(again) == lines(run)
        assert saved(again) == saved(run)
    finally:
        shutil.rmtree(again)


def test_jitter_has_its_own_seed(run, here):
    fit("--model.search.seed", "7")
    assert results(here / "logs/tiny/version_0") != results(run)


@pytest.mark.parametrize("step", [5, 7])
def test_crashed_run_goes_on_in_its_folder_to_the_same_bits(run, here, step):
    crash(step)
    folder = here / "logs/tiny/version_0"
    assert not (folder / "results" / "latent.npz").exists()
    fit("--ckpt_path", "logs/tiny/version_0/checkpoints/last.ckpt")
    assert [path.name for path in folder.parent.iterdir()] == ["version_0"]
    assert results(folder) == results(run)
    assert (folder / "metrics.csv").read_bytes() == (run / "metrics.csv").read_bytes()
    record, whole = (json.loads((path / "metrics.json").read_text()) for path in (folder, run))
    assert record["rows"] == whole["rows"]


def test_finished_run_that_goes_on_stays_as_it_is(run, here):
    folder = here / "logs/tiny/version_0"
    shutil.copytree(run, folder)
    fit("--ckpt_path", "logs/tiny/version_0/checkpoints/last.ckpt")
    assert results(folder) == results(run)
    assert lines(folder) == lines(run)
    assert [path.name for path in folder.parent.iterdir()] == ["version_0"]


def test_config_of_a_run_that_went_on_begins_a_new_one(run, here):
    crash(5)
    fit("--ckpt_path", "logs/tiny/version_0/checkpoints/last.ckpt")
    fit(config="logs/tiny/version_0/config.yaml")
    assert results(here / "logs/tiny/version_1") == results(run)
    assert [line[0] for line in lines(here / "logs/tiny/version_1")[1:]] == [str(step) for step in range(1, STEPS + 1)]


@pytest.mark.parametrize("overlays", [["deblur.yaml"], ["deblur.yaml", "superres.yaml"], ["superres.yaml", "own.yaml"]])
def test_overlays_compose_from_left_to_right(here, overlays):
    (here / "own.yaml").write_text(OVERLAY)
    args = [arg for overlay in overlays for arg in ("--config", overlay)]
    cli = build(*args, "--trainer.max_steps", "1")
    folder = here / "logs/tiny/version_0"
    operators = [entry["init_args"]["operator"]["class_path"] for entry in saved(folder)["trainer"]["callbacks"]]
    names = {"deblur.yaml": "GaussianBlur", "superres.yaml": "Downsample", "own.yaml": "GaussianBlur"}
    assert [operator.split(".")[-1] for operator in operators] == [names[overlay] for overlay in overlays]
    measured = torch.stack([read_image(path)[0] for path in list_images("targets")])
    known = {"deblur.yaml": GaussianBlur(3.0), "superres.yaml": Downsample(4), "own.yaml": GaussianBlur(0.5)}
    for overlay in overlays:
        measured = known[overlay](measured)
    torch.testing.assert_close(cli.model.target[:3], measured)


def test_project_config_with_other_parts_by_short_names(here):
    args = ["--model.generator.weights", "tiny.safetensors", "--model.generator.samples", "10"]
    args += ["--model.features", "null", "--model.target", "PixelLoss", "--model.pixel", "null"]
    args += ["--data.target", "targets/00.png", "--trainer.max_steps", "2", "--model.target.power", "1"]
    cli = build(*args, config="inversion.yaml")
    assert isinstance(cli.model.compared["target"], PixelLoss)
    assert cli.model.compared["target"].power == 1
    assert set(cli.model.compared) == {"target"}
    assert (here / "logs/inversion/version_0/results/00.png").is_file()


def test_own_file_comes_before_the_project_s(here):
    (here / "inversion.yaml").write_text(TINY)
    build("--trainer.max_steps", "1", config="inversion.yaml")
    assert saved(here / "logs/inversion/version_0")["model"]["init_args"]["generator"]["init_args"]["samples"] == 200


def test_later_settings_win(here):
    (here / "more.yaml").write_text(
        "model: {init_args: {regulariser: {init_args: {weight: 0.5}}}}\ntrainer: {max_steps: 3}"
    )
    cli = build("--config", "more.yaml", "--trainer.max_steps", "1", "--model.target.weight", "7")
    assert (cli.model.regulariser.weight, cli.model.compared["target"].weight, cli.trainer.max_steps) == (0.5, 7, 1)
    written = saved(here / "logs/tiny/version_0")["model"]["init_args"]
    assert (written["regulariser"]["init_args"]["weight"], written["target"]["init_args"]["weight"]) == (0.5, 7)
    assert written["generator"]["init_args"]["weights"] == "tiny.safetensors"
    # Twice the weight is twice the term.
    fit("--trainer.max_steps", "1", "--model.target.weight", "14")
    first, second = (float(lines(here / f"logs/tiny/version_{n}")[1][2]) for n in (0, 1))
    assert second == pytest.approx(2 * first, rel=1e-5)


def test_several_files_a_folder_and_a_pattern_are_rows(here):
    sources = {"targets": 3, "targets/0[01].png": 2, '["targets/02.png", "targets/00.png"]': 2, "targets/01.png": 1}
    for source, count in sources.items():
        cli = build("--data.target", source, "--trainer.max_steps", "1")
        assert len(cli.model.w) == count
    assert (here / "logs/tiny/version_2/results/02.png").is_file()


def test_switches_of_the_trainer_leave_out_their_callbacks(here, capfd):
    fit("--trainer.enable_progress_bar", "false", "--trainer.enable_checkpointing", "false", "--trainer.max_steps", "1")
    assert "Inversion:" not in "".join(capfd.readouterr())
    assert not (here / "logs/tiny/version_0/checkpoints").exists()
    assert (here / "logs/tiny/version_0/results/00.png").is_file()


def test_print_config(here, capsys):
    with pytest.raises(SystemExit) as caught:
        fit("--model.target.weight", "7", "--print_config")
    assert caught.value.code == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["model"]["class_path"] == "lit_nst.tasks.Inversion"
    assert printed["model"]["init_args"]["target"]["init_args"]["weight"] == 7
    assert not (here / "logs").exists()


def test_printed_config_runs(run, here, capsys):
    with pytest.raises(SystemExit):
        fit("--print_config")
    (here / "tiny.yaml").write_text(capsys.readouterr().out)
    fit()
    assert results(here / "logs/tiny/version_0") == results(run)


def refused(capsys, *args):
    """The one line in which the command line refuses arguments."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main(list(args))
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(r"error: [^\n]+\n", printed.err), printed.err
    assert "Namespace" not in printed.err
    assert not Path("logs").exists() or not list(Path("logs").iterdir())
    return printed.err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--trainer.max_step", "3"], ["--trainer.max_step"]),
        (["--data.traget", "targets"], ["--data.traget"]),
        (["--model.targett", "PixelLoss"], ["model", "Inversion", "'targett'"]),
        (["--model.target.wieght", "3"], ["model.target", "PixelLoss", "'wieght'"]),
        (["--model.regulariser.wieght", "3"], ["model.regulariser", "LatentDistance", "'wieght'"]),
        (["--config", "misspelt.yaml"], ["misspelt.yaml", "model.generator", "StyleGAN2", "'sampels'"]),
        (["--config", "misspelt_overlay.yaml"], ["misspelt_overlay.yaml", "GaussianBlur", "'sigmma'"]),
        (["--config", "nowhere.yaml"], ["nowhere.yaml", "inversion.yaml"]),
        (["--config", "cut.yaml"], ["cut.yaml"]),
        (["--config", "empty.yaml"], ["empty.yaml"]),
        (["--config", "list.yaml"], ["list.yaml"]),
        (["--trainer.max_steps", "many"], ["trainer.max_steps", "int", "many"]),
        (["--model.target.weight", "heavy"], ["model.target.weight", "float", "heavy"]),
        (["--model.optimizer.lr", "fast"], ["model.optimizer.lr", "float", "fast"]),
        (["--model.generator.space", "v"], ["generator.space is v;", "w+, w++"]),
        (["--data.fit", "cover"], ["data.fit", "'crop'", "cover"]),
        (["--model.target", "NoLoss"], ["model.target", "NoLoss"]),
        (["--model.target", "LatentDistance"], ["model.target", "LatentDistance"]),
        (["--trainer.callbacks+", "NoCallback"], ["trainer.callbacks", "NoCallback"]),
        (["--data.target", "nowhere.png"], ["--data.target", "nowhere.png"]),
        (["--data.target", "embedded:nothing"], ["--data.target", "embedded:nothing"]),
        (["--data.target", "null"], ["Inversion", "--data.target"]),
        (["--data.target", "corrupt.png"], ["corrupt.png"]),
        (["--data.target", "empty.png"], ["empty.png"]),
        (["--data.target", "tiny.yaml"], ["tiny.yaml", "not an image"]),
        (["--data.truth", "targets/00.png"], ["--data.truth", "1", "3"]),
        (["--data.truth", '["targets/00.png", "targets/01.png", "corrupt.png"]'], ["corrupt.png"]),
        (["--data.mask", "mask8.png", "--config", "inpaint.yaml"], ["mask8.png", "8×8", "16×16"]),
        (["--data.mask", "nowhere.png", "--config", "inpaint.yaml"], ["--data.mask", "nowhere.png"]),
        (["--ckpt_path", "logs/tiny/version_0/checkpoints/last.ckpt"], ["--ckpt_path", "last.ckpt"]),
        (["--model.generator.weights", "nowhere.safetensors"], ["generator weights", "nowhere.safetensors"]),
        (["--model.generator.weights", "corrupt.safetensors"], ["corrupt.safetensors"]),
        (["--model.target.power", "3"], ["model.target.power", "3"]),
        (["--config", "superres.yaml", "--config", "deblur.yaml"], ["GaussianBlur", "sigma"]),
        (["--trainer.strategy", "bananas"], ["bananas"]),
        (["--trainer.max_steps", "-5"], ["max_steps", "-5"]),
    ],
    ids=lambda value: " ".join(value).removeprefix("--") if isinstance(value, list) and value[0][:2] == "--" else "",
)
def test_bad_input_ends_with_one_line(here, capsys, args, words):
    (here / "misspelt.yaml").write_text(TINY.replace("samples", "sampels"))
    (here / "misspelt_overlay.yaml").write_text(OVERLAY.replace("sigma", "sigmma"))
    (here / "cut.yaml").write_text("model: [1, 2\n")
    (here / "empty.yaml").write_text("")
    (here / "list.yaml").write_text("- 1\n- 2\n")
    (here / "corrupt.png").write_bytes((here / "targets/00.png").read_bytes()[:100])
    (here / "corrupt.safetensors").write_bytes(b"\x00" * 5)
    (here / "empty.png").touch()
    Image.new("RGB", (8, 8)).save(here / "mask8.png")
    line = refused(capsys, "fit", "--config", "tiny.yaml", *args)
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("args", "word"),
    [
        ([], "fit"),
        (["train"], "'train'"),
        (["fit"], "model"),
        (["fit", "--model", "Inversion", "--model.generator", "Pixels"], "target"),
        (["fit", "--config", "deblur.yaml"], "model"),
    ],
)
def test_incomplete_command_ends_with_one_line(here, capsys, args, word):
    assert word in refused(capsys, *args)


def test_checkpoint_of_other_images_is_refused(run, here, capsys):
    shutil.copy(run / "checkpoints" / "last.ckpt", "three.ckpt")
    args = ["fit", "--config", "tiny.yaml", "--ckpt_path", "three.ckpt", "--data.target", "targets/00.png"]
    assert "(3, 6, 8)" in refused(capsys, *args)


def test_bad_input_leaves_what_was_there(run, here, capsys):
    kept = here / "logs" / "tiny" / "version_0"
    shutil.copytree(run, kept)
    before = sorted(path for path in (here / "logs").rglob("*"))
    with pytest.raises(SystemExit):
        fit("--data.target", "tiny.yaml")
    assert sorted(path for path in (here / "logs").rglob("*")) == before


def test_error_of_the_program_is_not_taken_for_bad_input(here):
    crash(1)
    assert (here / "logs/tiny/version_0/config.yaml").is_file()


def command(*args):
    return [sys.executable, str(ENTRY), "fit", *args]


def test_help_of_the_entry_script(tmp_path):
    done = subprocess.run(command("--help"), cwd=tmp_path, capture_output=True, text=True, timeout=150)
    assert (done.returncode, done.stderr) == (0, "")
    for word in (
        "--config inversion.yaml",
        "--data.target",
        "--model",
        "--ckpt_path",
        "--checkpoint.every_n_train_steps",
    ):
        assert word in done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_print_config_of_the_entry_script(tmp_path):
    args = command("--config", "inversion.yaml", "--config", "deblur.yaml", "--print_config")
    done = subprocess.run(args, cwd=tmp_path, capture_output=True, text=True, timeout=150)
    assert (done.returncode, done.stderr) == (0, "")
    printed = yaml.safe_load(done.stdout)
    assert printed["model"]["class_path"] == "lit_nst.tasks.Inversion"
    assert printed["trainer"]["callbacks"][0]["class_path"] == "lit_nst.callbacks.Degrade"
    assert not list(tmp_path.iterdir())


LONG = ["--config", "tiny.yaml", "--trainer.max_steps", "200", "--checkpoint.every_n_train_steps", "5"]


@pytest.fixture(scope="module")
def long_run(tiny_generator, tmp_path_factory):
    """The folder of an uninterrupted run of 200 steps in a process of its own."""
    folder = furnish(tmp_path_factory.mktemp("long"), tiny_generator)
    subprocess.run(command(*LONG), cwd=folder, capture_output=True, timeout=150, check=True)
    return folder / "logs" / "tiny" / "version_0"


def step_of(checkpoint):
    return torch.load(checkpoint, weights_only=True)["global_step"] if checkpoint.is_file() else 0


@pytest.mark.slow
@pytest.mark.parametrize("step", [5, 60, 140])
def test_killed_process_goes_on_to_the_same_bits(long_run, here, step):
    process = subprocess.Popen(command(*LONG), cwd=here, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder = here / "logs" / "tiny" / "version_0"
    checkpoint = folder / "checkpoints" / "last.ckpt"
    end = time.monotonic() + 120
    while step_of(checkpoint) < step and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert step <= step_of(checkpoint) < 200
    assert not (folder / "results" / "latent.npz").exists()
    again = [*LONG, "--ckpt_path", str(checkpoint)]
    subprocess.run(command(*again), cwd=here, capture_output=True, timeout=150, check=True)
    assert [path.name for path in folder.parent.iterdir()] == ["version_0"]
    assert results(folder) == results(long_run)
    digests = [hashlib.sha256((path / "metrics.csv").read_bytes()).hexdigest() for path in (folder, long_run)]
    assert digests[0] == digests[1]
