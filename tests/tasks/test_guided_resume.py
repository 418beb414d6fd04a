"""Runs that go on from a file, and runs over two processes, against uninterrupted ones."""

import dataclasses
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lit_nst.data import Images
from lit_nst.errors import InputError
from lit_nst.samplers import Sampler, Schedule, Travel
from lit_nst.tasks.guidance import Guidance
from tests.fitting import fit, save_pictures
from tests.tasks.sampling import Save, gram, guided, model, run

PASSES = 7
GUIDANCE = Guidance(path="decoder", schedule=Schedule(start=0.2), travel=Travel(2, start=0.2, stop=0.6))
# DDIM too draws noise here.
SAMPLERS = {
    name: Sampler(name, eta=1.0 if name == "ddim" else 0.0)
    for name in ("ddim", "ddpm", "pndm", "dpm++", "dpm++_sde", "unipc", "deis", "euler", "euler_a", "heun", "kdpm2")
}  # fmt: skip
# Without a history, with a history and noise, with two passes a step; the others among the slow tests.
KINDS = ("ddim", "dpm++_sde", "kdpm2")
ONE_OF_EACH_KIND = [pytest.param(name, marks=[] if name in KINDS else pytest.mark.slow) for name in SAMPLERS]


@pytest.fixture
def images(tmp_path):
    return Images(style=save_pictures(tmp_path, "style", (32, 32)))


def make(sampler, guidance=GUIDANCE):
    """Latents of 4×16×16, as 64 pixels have them."""
    return guided(gram(), guidance, generator=model(resolution=32), sampler=sampler, samples=2)


def disturb(number):
    """Another state of every global stream."""
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def assert_resumes(images, place, sampler, stops=None, guidance=GUIDANCE):
    """Every end is the uninterrupted run's; returns it, and the stops inside a repeat."""
    disturb(0)
    whole = make(sampler, guidance)
    fit(whole, images, place, PASSES, callbacks=[Save(place)])
    plan = whole.process.plan
    inside = [done for done in range(1, PASSES) if plan[done].repeat > 0]
    for stop in stops or inside[:1]:
        disturb(stop)
        again = make(sampler, guidance)
        fit(again, images, place, PASSES, ckpt_path=place / f"{stop}.ckpt")
        for name in whole.row_state:
            assert torch.equal(getattr(whole, name), getattr(again, name)), (stop, name)
    assert whole.w.shape == (2, 4, 16, 16)
    assert whole.w.isfinite().all()
    return whole, inside


@pytest.mark.parametrize("name", ONE_OF_EACH_KIND)
def test_a_run_resumed_inside_a_repeat_is_the_uninterrupted_one(images, tmp_path, name):
    whole, inside = assert_resumes(images, tmp_path, SAMPLERS[name])
    done = inside[0]
    before, after = whole.process.plan[done - 1], whole.process.plan[done]
    assert (before.index, before.again, before.repeat + 1) == (after.index, True, after.repeat)
    assert any(each.again for each in whole.process.plan[done:])
    path = tmp_path / f"{done}.ckpt"
    assert path.stat().st_size < 100_000
    checkpoint = torch.load(path, weights_only=True)
    assert set(checkpoint["state_dict"]) == set(whole.row_state)
    assert checkpoint["optimizer_states"][0]["state"][0]["position"] == checkpoint["global_step"] == done


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_run_resumes_after_every_pass(images, tmp_path, name):
    assert_resumes(images, tmp_path, SAMPLERS[name], range(1, PASSES + 1))


WAYS = {
    "unet": Guidance(travel=Travel(2)),
    "latent": Guidance(path="latent", inject="post_step", scale="cfg", travel=Travel(3)),
    "adam": Guidance(path="adam", inject="clean", scale="none", inner=2, travel=Travel(3)),
    "tfg": Guidance(path="both", inject="post_step", scale="rms", inner=2, smoothing=0.1, draws=2, travel=Travel(2)),
    "dsg": Guidance(inject="post_step", scale="spherical", travel=Travel(2)),
}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_every_kind_of_guidance_resumes(images, tmp_path, way):
    assert_resumes(images, tmp_path, Sampler("ddpm"), (2, 5), WAYS[way])


def test_a_file_of_another_sampling_is_refused(images, tmp_path):
    fit(make(Sampler("dpm++")), images, tmp_path, 4, callbacks=[Save(tmp_path)])
    with pytest.raises(InputError, match=r"^checkpoint: its sampling had other steps or another sampler; resume with"):
        fit(make(Sampler("unipc")), images, tmp_path, 4, ckpt_path=tmp_path / "2.ckpt")
    with pytest.raises(InputError, match=r"^checkpoint: its sampling had other steps"):
        fit(make(Sampler("dpm++")), images, tmp_path, 5, ckpt_path=tmp_path / "2.ckpt")


def test_a_file_of_other_seeds_is_refused(images, tmp_path):
    fit(make(Sampler("dpm++")), images, tmp_path, 4, callbacks=[Save(tmp_path)])
    task = make(Sampler("dpm++"))
    with pytest.raises(InputError, match=r"^ckpt_path has the seeds .* give the seed it began with$"):
        fit(other_seed(task), images, tmp_path, 4, ckpt_path=tmp_path / "2.ckpt")


def other_seed(task):
    task.search = dataclasses.replace(task.search, seed=task.seed + 1)
    return task


def state(folder, step=8):
    checkpoint = torch.load(Path(folder) / f"{step}.ckpt", weights_only=True)
    return {**checkpoint["state_dict"], **checkpoint["optimizer_states"][0]["state"][0]}


def assert_equal(a, b):
    assert a.keys() == b.keys()
    for name in a:
        same = torch.equal(a[name], b[name]) if torch.is_tensor(a[name]) else a[name] == b[name]
        assert same, name


@pytest.mark.slow
def test_two_processes_give_the_bits_of_one_and_runs_move_between_them(tmp_path):
    (styles := tmp_path / "styles").mkdir()
    one = {"style": save_pictures(styles, "style", (16, 16)), "out": str(tmp_path / "one"), "devices": 1,
           "strategy": "rows"}  # fmt: skip
    two = {**one, "out": str(tmp_path / "two"), "devices": 2, "strategy": "rows_fork"}
    for settings in (one, two):
        Path(settings["out"]).mkdir()

    def fork(settings):
        # A pool of threads does not survive a fork.
        return subprocess.run(
            [sys.executable, "-m", "tests.tasks.sampling", json.dumps(settings)], text=True, timeout=600,
            cwd=Path(__file__).parents[2], env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True,
        )  # fmt: skip

    run(**one)
    done = fork(two)
    assert done.returncode == 0, done.stderr
    assert state(one["out"])["w"].shape == (3, 4, 8, 8)
    for step in (4, 8):
        assert_equal(state(one["out"], step), state(two["out"], step))
    half = tmp_path / "half.ckpt"
    (Path(two["out"]) / "4.ckpt").rename(half)
    (Path(one["out"]) / "8.ckpt").unlink()
    run(**one, ckpt_path=str(half))
    assert_equal(state(one["out"]), state(two["out"]))
    (Path(two["out"]) / "8.ckpt").unlink()
    assert fork({**two, "ckpt_path": str(half)}).returncode == 0
    assert_equal(state(one["out"]), state(two["out"]))
