"""Every task in units of one row and of two, and over two processes: what one unit finds."""

import json

import pytest
import torch

from lit_nst.files import sha256
from tests.fitting import save_pictures
from tests.queue.forked import Forked
from tests.queue.test_processes import cluster
from tests.queue.test_run import CALM
from tests.tasks.sampling import write_model

COMMON = """
trainer: {accelerator: cpu, max_steps: 4, log_every_n_steps: 1}
checkpoint: {every_n_train_steps: 2}
trajectory: {every: 2}
"""
DIFFUSION = """
model:
  class_path: GuidedDiffusion
  init_args:
    generator: {class_path: LatentDiffusion, init_args: {weights: model, checkpointing: false}}
    features: {class_path: VGG19, init_args: {weights: random, width: 0.0625}}
    style: {class_path: GramLoss, init_args: {layers: [relu1_1], weight: 0.3}}
    prompt: [red circle, blue]
    samples: 2
    sampler: {name: dpm++_sde}
    cfg: {scale: 3.0}
    guidance: {path: unet, inject: model_output, scale: cfg}
data: {style: styles}
"""
TRANSFER = """
model:
  class_path: StyleTransfer
  init_args:
    generator: {class_path: Pixels}
    features: {class_path: VGG19, init_args: {weights: random, width: 0.0625}}
    content: {class_path: ContentLoss, init_args: {layers: [relu2_1]}}
    style: {class_path: GramLoss, init_args: {layers: [relu1_1, relu2_1], weight: 10.0}}
    optimizer: {class_path: RowLBFGS}
data: {content: contents, style: styles, size: 16}
"""
TEXTURE = """
model:
  class_path: TextureSynthesis
  init_args:
    generator: {class_path: Pixels}
    features: {class_path: VGG19, init_args: {weights: random, width: 0.0625}}
    style: {class_path: GramLoss, init_args: {layers: [relu1_1, relu2_1], weight: 10.0}}
    search: {spread: 0.2, restarts: 2}
    optimizer: {class_path: torch.optim.Adam, init_args: {lr: 0.05}}
data: {style: styles, size: 16}
"""
TASKS = {"guided-diffusion": DIFFUSION, "style-transfer": TRANSFER, "texture-synthesis": TEXTURE}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Pictures and a model."""
    folder = tmp_path_factory.mktemp("source")
    for name, sizes in (("styles", ((16, 16), (12, 20))), ("contents", ((16, 16), (16, 16), (16, 20)))):
        (folder / name).mkdir()
        save_pictures(folder / name, name, *sizes)
    write_model(folder / "model")
    return folder


@pytest.fixture(
    scope="module",
    params=["guided-diffusion", *(pytest.param(name, marks=pytest.mark.slow) for name in list(TASKS)[1:])],
)
def task(request, source, tmp_path_factory):
    """A folder with a config, where one unit has been computed."""
    folder = tmp_path_factory.mktemp(request.param)
    for path in source.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "task.yaml").write_text(TASKS[request.param] + COMMON)
    process = Forked(arguments("one"), folder)
    assert process.wait() == 0, process.said
    return folder


def found(folder):
    """All that a run has found, but for the time it took."""
    metrics = json.loads((folder / "metrics.json").read_text())
    state = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)
    return {
        "files": {path.name: sha256(path) for path in sorted((folder / "results").rglob("*.*"))},
        "figures": {key: metrics[key] for key in ("task", "steps", "rows", "mean")},
        "curves": (folder / "metrics.csv").read_text(),
        "state": {name: value.numpy().tobytes() for name, value in state["state_dict"].items()},
        "rows": state["rows"],
    }


def arguments(name, *args):
    return ["fit", "--config", "task.yaml", *CALM, "--trainer.logger.init_args.version", name, *args]


@pytest.mark.parametrize("batch", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_units_find_the_same(task, batch):
    process = Forked(arguments(f"units_{batch}", "--queue.batch", str(batch)), task)
    assert process.wait() == 0, process.said
    assert found(task / f"logs/task/units_{batch}") == found(task / "logs/task/one")


@pytest.mark.slow
def test_two_processes_find_the_same(task):
    args = arguments("two", "--trainer.devices", "2")
    processes = [Forked(args, task, env=env) for env in cluster("started", 2)]
    assert [process.wait() for process in processes] == [0, 0], [process.said for process in processes]
    assert found(task / "logs/task/two") == found(task / "logs/task/one")
