"""Every config runs as it stands, for a few steps, on what comes with the package."""

import json
import math
import warnings

import numpy as np
import pytest
import torch
import yaml

from lit_nst.cli import CLI, CONFIGS
from lit_nst.data import list_images, read_image
from lit_nst.degradations import Downsample

STEPS = 3
PORTRAITS = "embedded:portraits"
TWO = "embedded:portraits/0[0-1].png"


def read(name):
    return yaml.safe_load((CONFIGS / name).read_text())


# A base config names its task; an overlay changes another config.
NAMES = sorted(path.name for path in CONFIGS.glob("*.yaml"))
BASES = [name for name in NAMES if "class_path" in read(name).get("model", {})]
OVERLAYS = [name for name in NAMES if name not in BASES]


def base_of(overlay):
    """The config that an overlay names in its first line; else inversion.yaml."""
    first = (CONFIGS / overlay).read_text().partition("\n")[0]
    return next((name for name in BASES if name in first), "inversion.yaml")


CALLS = [*([base] for base in BASES), *([base_of(overlay), overlay] for overlay in OVERLAYS)]
DEGRADING = [overlay for overlay in OVERLAYS if base_of(overlay) == "inversion.yaml"]


def quick(name):
    """Options that make a run of a base config short."""
    config = read(name)
    options = ["--trainer.max_steps", str(STEPS), "--trainer.enable_progress_bar", "false"]
    for role, source in config.get("data", {}).items():
        if source == PORTRAITS:
            options += [f"--data.{role}", TWO]
    if config["model"]["init_args"]["features"]["init_args"]["weights"] == "random":
        options += ["--model.features.width", "0.125"]
    if "size" in config.get("data", {}):
        options += ["--data.size", "32"]
    return options


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Configs → the run's parts and its folder; each call runs once, whichever test asks first."""
    done = {}
    place = tmp_path_factory.mktemp("configs")

    def run(names):
        key = " ".join(names)
        if key not in done:
            (folder := place / key.replace(" ", "+")).mkdir()
            args = [arg for name in names for arg in ("--config", name)]
            with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                patch.chdir(folder)
                cli = CLI(["fit", *args, *quick(names[0])])
            done[key] = cli, folder / "logs" / names[0].removesuffix(".yaml") / "version_0"
        return done[key]

    return run


def numbers(value, name=""):
    """Every figure of a record, by its path."""
    if isinstance(value, dict):
        return [pair for key, item in value.items() for pair in numbers(item, f"{name}.{key}")]
    if isinstance(value, list):
        return [pair for i, item in enumerate(value) for pair in numbers(item, f"{name}[{i}]")]
    return [] if isinstance(value, str | bool) else [(name, value)]


def refuse(name):
    raise AssertionError(f"{name} is no JSON")


def test_the_job_s_configs_are_there():
    assert "inversion.yaml" in BASES
    overlays = ("deblur.yaml", "colorize.yaml", "inpaint.yaml", "superres.yaml", "denoise.yaml", "jpeg.yaml")
    assert set(overlays) <= set(OVERLAYS)
    assert {"style_transfer.yaml", "texture_synthesis.yaml", "feature_inversion.yaml"} <= set(BASES)


@pytest.mark.parametrize("names", CALLS, ids="+".join)
def test_config_runs_and_its_figures_are_finite(runs, names):
    cli, folder = runs(names)
    record = json.loads((folder / "metrics.json").read_text(), parse_constant=refuse)
    assert record["steps"] == STEPS
    for row in record["rows"]:
        assert row.pop("stopped_at_step") is None
    figures = [pair for pair in numbers(record) if pair != (".generator_sha256", None)]
    assert len(figures) > 10
    for name, figure in figures:
        assert isinstance(figure, int | float), name
        assert math.isfinite(figure), name
    for row in record["rows"]:
        image, _ = read_image(folder / "results" / f"{row['name']}.png")
        assert image.shape[1:] == cli.model.size
        assert image.std() > 0
    assert cli.model.best.isfinite().all()
    assert len((folder / "metrics.csv").read_text().splitlines()) == 1 + STEPS


@pytest.mark.parametrize("names", CALLS, ids="+".join)
def test_config_changes_w(runs, names):
    cli, _ = runs(names)
    w = cli.model.w.detach()
    assert ((w - cli.model.generator.center.to(w)).abs().flatten(1).amax(1) > 0).all()


def test_inversion_leaves_a_latent_per_portrait(runs):
    cli, folder = runs(["inversion.yaml"])
    latent = np.load(folder / "results" / "latent.npz")["latent"]
    assert latent.shape == (2, cli.model.generator.num_ws, cli.model.generator.architecture.w_dim)
    assert sorted(path.name for path in (folder / "results").glob("0*.png")) == ["00.png", "01.png"]
    first = [read_image(path)[0] for path in list_images(TWO)]
    assert torch.equal(cli.model.target, torch.stack(first))


@pytest.mark.parametrize("overlay", DEGRADING)
def test_overlay_degrades_the_target(runs, overlay):
    cli, folder = runs(["inversion.yaml", overlay])
    rows = json.loads((folder / "metrics.json").read_text())["rows"]
    assert all(10 < row["measurement_psnr"] < 45 for row in rows)
    assert cli.model.target.shape[:2] == (2, 3)


def test_superres_measures_at_a_quarter_of_the_side(runs):
    cli, _ = runs(["inversion.yaml", "superres.yaml"])
    assert cli.model.target.shape == (2, 3, 16, 16)
    portraits = torch.stack([read_image(path)[0] for path in list_images(TWO)])
    torch.testing.assert_close(cli.model.target, Downsample(4)(portraits))


def test_colorize_measures_gray(runs):
    cli, _ = runs(["inversion.yaml", "colorize.yaml"])
    assert (cli.model.target - cli.model.target[:, :1]).abs().max() < 1e-6
