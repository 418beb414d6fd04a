"""Every config runs as it stands, for a few steps, on what comes with the package."""

import json
import math
import warnings

import numpy as np
import pytest
import torch
import yaml
from jsonargparse import ArgumentParser
from lightning.pytorch import Callback

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
PRESETS = sorted(f"guidance/{path.name}" for path in (CONFIGS / "guidance").iterdir())
BASES = [name for name in NAMES if "class_path" in read(name).get("model", {})]
OVERLAYS = [name for name in NAMES if name not in BASES]


def base_of(overlay):
    """The config that an overlay names in its first line; else inversion.yaml."""
    first = (CONFIGS / overlay).read_text().partition("\n")[0]
    return next((name for name in BASES if name in first), "inversion.yaml")


# Their operators are tested by themselves, and run with others or with their like.
RUN_WITH_OTHERS = {"denoise.yaml", "jpeg.yaml", "motion_deblur.yaml", "guided_restoration.yaml"}
CALLS = [[base] for base in BASES]
CALLS += [
    pytest.param([base_of(overlay), overlay], marks=[pytest.mark.slow] if overlay in RUN_WITH_OTHERS else [])
    for overlay in OVERLAYS
]
CALLS.append(["inversion.yaml", "motion_deblur.yaml", "denoise.yaml", "jpeg.yaml"])
CALLS.append(["guided_diffusion.yaml", "guided_restoration.yaml", "superres.yaml"])
CALLS += [pytest.param(["guided_diffusion.yaml", preset], marks=pytest.mark.slow) for preset in PRESETS]
KINDS = ("superres", "denoise", "jpeg", "inpaint")
LADDER = {kind: [f"severity/{kind}_{level}.yaml" for level in ("xs", "s", "m", "l", "xl")] for kind in KINDS}
STEPPED = [
    pytest.param(["severity/superres_xl.yaml"], marks=pytest.mark.slow),
    [steps[2] for steps in LADDER.values()],
]
DEGRADING = [name for name in OVERLAYS if "class_path: Degrade" in (CONFIGS / name).read_text()]


def quick(names):
    """Options that make a run of a base config and its overlays short, and need no network."""
    config = read(names[0])
    options = ["--trainer.max_steps", str(STEPS), "--trainer.enable_progress_bar", "false"]
    for role, source in config.get("data", {}).items():
        if source == PORTRAITS:
            options += [f"--data.{role}", TWO]
    if "stable_diffusion.yaml" in names:
        options += ["--model.generator.weights", "embedded", "--model.generator.precision", "float32"]
        options += ["--model.features.weights", "random", "--model.features.width", "0.125"]
    elif any("weights: imagenet" in (CONFIGS / name).read_text() for name in names):
        # Of full width, as the downloaded ones.
        options += ["--model.features.weights", "random"]
    elif config["model"]["init_args"]["features"]["init_args"]["weights"] == "random":
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
            (folder := place / key.replace(" ", "+").replace("/", "-")).mkdir()
            args = [arg for name in names for arg in ("--config", name)]
            with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                patch.chdir(folder)
                cli = CLI(["fit", *args, *quick(names)])
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


@pytest.mark.parametrize(
    "overlay",
    [pytest.param(name, marks=[pytest.mark.slow] if name in RUN_WITH_OTHERS else []) for name in DEGRADING],
)
def test_overlay_degrades_the_target(runs, overlay):
    cli, folder = runs(["inversion.yaml", overlay])
    rows = json.loads((folder / "metrics.json").read_text())["rows"]
    assert all(10 < row["measurement_psnr"] < 45 for row in rows)
    assert cli.model.target.shape[:2] == (2, 3)


@pytest.mark.parametrize("overlay", DEGRADING)
def test_operators_of_an_overlay_degrade_a_portrait(overlay):
    portraits = torch.stack([read_image(path)[0] for path in list_images(TWO)])
    measurement = portraits
    for operator in operators(overlay):
        measurement = operator.observe(measurement, [0, 1])
    assert measurement.shape[:2] == (2, 3)
    large = torch.nn.functional.interpolate(measurement, portraits.shape[-2:])
    assert all(10 < -10 * error.log10() < 45 for error in (large - portraits).square().mean((1, 2, 3)))


def test_superres_measures_at_a_quarter_of_the_side(runs):
    cli, _ = runs(["inversion.yaml", "superres.yaml"])
    assert cli.model.target.shape == (2, 3, 16, 16)
    portraits = torch.stack([read_image(path)[0] for path in list_images(TWO)])
    torch.testing.assert_close(cli.model.target, Downsample(4)(portraits))


def test_colorize_measures_gray(runs):
    cli, _ = runs(["inversion.yaml", "colorize.yaml"])
    assert (cli.model.target - cli.model.target[:, :1]).abs().max() < 1e-6


def operators(name):
    """The operators of an overlay, built as the command line does."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--callbacks", type=list[Callback])
    config = parser.parse_object({"callbacks": read(name)["trainer"]["callbacks+"]})
    return [callback.operator for callback in parser.instantiate(config).callbacks]


@pytest.mark.filterwarnings("ignore:LightningCLI's args")
def test_severity_ladder_is_complete_and_composes(capsys):
    names = [name for steps in LADDER.values() for name in steps]
    assert {f"severity/{path.name}" for path in (CONFIGS / "severity").iterdir()} == set(names)
    # Only callbacks: one set of weights serves them all.
    assert all(set(read(name)) == {"trainer"} and set(read(name)["trainer"]) == {"callbacks+"} for name in names)
    args = [arg for name in names for arg in ("--config", name)]
    with pytest.raises(SystemExit):
        CLI(["fit", "--config", "inversion.yaml", *args, "--print_config"])
    callbacks = yaml.safe_load(capsys.readouterr().out)["trainer"]["callbacks"]
    printed = [callback["init_args"]["operator"]["class_path"].rpartition(".")[2] for callback in callbacks]
    assert printed == [type(operator).__name__ for name in names for operator in operators(name)]


@pytest.mark.parametrize("kind", LADDER)
def test_each_level_is_harder_than_the_last(kind):
    portraits = torch.stack([read_image(path)[0] for path in list_images(TWO)])
    quality = []
    for name in LADDER[kind]:
        measurement, predicted = portraits, portraits
        for operator in operators(name):
            measurement, predicted = operator.observe(measurement, [0, 1]), operator(predicted)
        assert predicted.shape == measurement.shape
        # A measurement is a picture file.
        torch.testing.assert_close((measurement * 255).round() / 255, measurement)
        large = torch.nn.functional.interpolate(measurement, portraits.shape[-2:])
        quality.append(float(-10 * (large - portraits).square().mean().log10()))
    assert quality == sorted(quality, reverse=True)
    assert quality[0] > quality[-1] + 2, quality


@pytest.mark.parametrize("names", STEPPED, ids="+".join)
def test_severity_runs(runs, names):
    cli, folder = runs(["inversion.yaml", *names])
    record = json.loads((folder / "metrics.json").read_text(), parse_constant=refuse)
    assert record["steps"] == STEPS
    assert cli.model.target.shape[-1] == 64 // operators(names[0])[0].factor
    torch.testing.assert_close((cli.model.target * 255).round() / 255, cli.model.target)
    assert cli.model.best.isfinite().all()
