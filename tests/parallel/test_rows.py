"""Two real processes against one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.fitting import save_images, save_pictures
from tests.parallel.run_rows import draw, run


def fork(settings: dict, function: str = "run") -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tests.parallel.run_rows", function, json.dumps(settings)]
    root = Path(__file__).resolve().parents[2]
    # A pool of threads does not survive a fork; the run in this process has one, and must give the same bits.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=200)


@pytest.fixture
def settings(tiny_generator, smooth_images, tmp_path):
    targets = save_images(smooth_images[:3], tmp_path / "targets")
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = {
        "generator": str(tiny_generator),
        "targets": targets,
        "out": str(tmp_path / "one"),
        "devices": 1,
        "strategy": "rows",
    }
    return one, {**one, "out": str(tmp_path / "two"), "devices": 2, "strategy": "rows_fork"}


def state(folder: str, step: int = 8) -> dict[str, torch.Tensor]:
    checkpoint = torch.load(Path(folder) / f"{step}.ckpt", weights_only=True)
    return {**checkpoint["state_dict"], **checkpoint["optimizer_states"][0]["state"][0]}


def assert_equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def test_two_processes_give_the_same_bits_as_one_and_runs_move_between_them(settings, tmp_path):
    one, two = settings
    run(**one)
    done = fork(two)
    assert done.returncode == 0, done.stderr
    assert state(one["out"])["w"].shape == (3, 6, 8)
    assert_equal(state(one["out"]), state(two["out"]))
    half = str(tmp_path / "half.ckpt")
    Path(two["out"], "4.ckpt").rename(half)
    Path(one["out"], "8.ckpt").unlink()
    run(**one, ckpt_path=half)
    assert_equal(state(one["out"]), state(two["out"]))


@pytest.mark.slow
def test_a_run_of_one_process_goes_on_in_two(settings, tmp_path):
    one, two = settings
    run(**one)
    half = str(tmp_path / "half.ckpt")
    Path(one["out"], "4.ckpt").rename(half)
    assert fork({**two, "ckpt_path": half}).returncode == 0
    assert_equal(state(one["out"]), state(two["out"]))


@pytest.mark.slow
def test_line_searches_give_the_same_bits_on_two_processes_and_go_on_on_one(tmp_path):
    one = {
        "content": save_pictures(tmp_path, "content", (16, 16))[0],
        "style": save_pictures(tmp_path, "style", (16, 16), (12, 18), (20, 16)),
        "out": str(tmp_path / "one"),
        "devices": 1,
        "strategy": "rows",
    }
    two = {**one, "out": str(tmp_path / "two"), "devices": 2, "strategy": "rows_fork"}
    for settings in (one, two):
        Path(settings["out"]).mkdir()
    draw(**one)
    done = fork(two, "draw")
    assert done.returncode == 0, done.stderr
    assert {"average", "pairs", "gram", "point"} < state(two["out"]).keys()
    assert all(len(value) == 3 for value in state(two["out"]).values())
    assert_equal(state(one["out"], 4), state(two["out"], 4))
    assert_equal(state(one["out"]), state(two["out"]))
    Path(one["out"], "8.ckpt").unlink()
    draw(**one, ckpt_path=str(Path(two["out"], "4.ckpt")))
    assert_equal(state(one["out"]), state(two["out"]))


@pytest.mark.slow
def test_plain_ddp_is_refused(settings):
    done = fork({**settings[1], "strategy": "ddp_fork"})
    assert done.returncode != 0
    assert "would average the gradients of different problems; use --trainer.strategy rows" in done.stderr
