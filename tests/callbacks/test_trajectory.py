import io

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from torchvision.transforms.functional import pil_to_tensor

from lit_nst.callbacks import Degrade, Trajectory, compose
from lit_nst.data import Images, read_image
from lit_nst.degradations import Downsample
from lit_nst.errors import InputError
from lit_nst.functional.random import generator as keyed
from tests.fitting import fit, inversion, save_images

STEPS = 12
LEVEL = 1.01 / 255


@pytest.fixture
def images(smooth_images, tmp_path):
    return Images(target=save_images(smooth_images, tmp_path / "targets"))


class Predictions(Callback):
    """The images at the start and after every step."""

    def __init__(self):
        self.images = {}

    def on_train_start(self, trainer, task):
        self.keep(trainer, task)

    def on_train_batch_end(self, trainer, task, *_):
        self.keep(trainer, task)

    def keep(self, trainer, task):
        with torch.no_grad():
            self.images[trainer.global_step] = task(task.w)


def recorded(folder):
    """Step → its files."""
    found = {}
    for path in sorted((folder / "results" / "trajectory").iterdir()):
        _, step, row = path.stem.split("_")
        found.setdefault(int(step), []).append((int(row), path))
    return found


@pytest.mark.parametrize(
    ("every", "steps"), [(0, [0, 1, 2, 4, 8, 12]), (5, [0, 1, 2, 4, 5, 8, 10, 12]), (1, list(range(13)))]
)
def test_records_powers_of_two_multiples_and_the_ends(tiny_generator, images, tmp_path, every, steps):
    predictions = Predictions()
    fit(inversion(tiny_generator), images, tmp_path, STEPS, callbacks=[Trajectory(every, rows=2), predictions])
    files = recorded(tmp_path)
    assert list(files) == steps
    for step, rows in files.items():
        assert [row for row, _ in rows] == [0, 1]
        for row, path in rows:
            assert (read_image(path)[0] - predictions.images[step][row]).abs().max() <= LEVEL
    with Image.open(tmp_path / "results" / "trajectory.gif") as picture:
        assert picture.n_frames == len(steps)
    with Image.open(tmp_path / "results" / "trajectory.png") as picture:
        picture.verify()


def test_resumed_run_goes_on_with_the_earlier_pictures(tiny_generator, images, tmp_path):
    class Save(Callback):
        def on_train_batch_end(self, trainer, *_):
            if trainer.global_step == 5:
                trainer.save_checkpoint(tmp_path / "5.ckpt")
                raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fit(inversion(tiny_generator), images, tmp_path, STEPS, callbacks=[Trajectory(0), Save()])
    assert not (tmp_path / "results" / "trajectory.gif").exists()
    first = (tmp_path / "results" / "trajectory" / "step_000000_00.png").read_bytes()
    fit(inversion(tiny_generator), images, tmp_path, STEPS, tmp_path / "5.ckpt", callbacks=[Trajectory(0)])
    assert list(recorded(tmp_path)) == [0, 1, 2, 4, 8, 12]
    assert (tmp_path / "results" / "trajectory" / "step_000000_00.png").read_bytes() == first
    with Image.open(tmp_path / "results" / "trajectory.gif") as picture:
        assert picture.n_frames == 6


def test_pictures_of_a_longer_run_are_not_shown(tiny_generator, images, tmp_path):
    for steps in (STEPS, 3):
        fit(inversion(tiny_generator), images, tmp_path, steps, callbacks=[Trajectory(0)])
    with Image.open(tmp_path / "results" / "trajectory.gif") as picture:
        assert picture.n_frames == len([0, 1, 2, 3])


def test_pictures_of_steps_after_the_checkpoint_are_made_again(tiny_generator, images, tmp_path):
    class Save(Callback):
        def on_train_batch_end(self, trainer, *_):
            if trainer.global_step == 5:
                trainer.save_checkpoint(tmp_path / "5.ckpt")

    fit(inversion(tiny_generator), images, tmp_path, STEPS, callbacks=[Trajectory(0), Save()])
    fit(inversion(tiny_generator), images, tmp_path, 7, tmp_path / "5.ckpt", callbacks=[Trajectory(0)])
    assert list(recorded(tmp_path)) == [0, 1, 2, 4, 7]


@pytest.fixture(scope="module")
def logged(tiny_generator, tmp_path_factory):
    """The events of a run with four times smaller targets, its predictions, targets, measurements and folder."""
    tmp_path = tmp_path_factory.mktemp("logged")
    coarse = torch.rand(4, 3, 4, 4, generator=keyed(1, "pictures"))
    images = Images(target=save_images(torch.nn.functional.interpolate(coarse, size=16), tmp_path / "targets"))
    logger = TensorBoardLogger(str(tmp_path), name="run", version="one")
    predictions = Predictions()
    callbacks = [Degrade(Downsample(4)), Trajectory(5, rows=3), predictions]
    task = inversion(tiny_generator)
    fit(task, images, tmp_path, STEPS, callbacks=callbacks, logger=logger)
    events = EventAccumulator(logger.log_dir, size_guidance={"images": 0})
    events.Reload()
    return events, predictions.images, images.load("target", range(4)), task.target, logger.log_dir


def pictures(events, tag):
    """Step → 3×H×W, the rows side by side."""
    found = {}
    for event in events.Images(tag):
        image = Image.open(io.BytesIO(event.encoded_image_string)).convert("RGB")
        found[event.step] = pil_to_tensor(image).float() / 255
    return found


def beside(images):
    return torch.cat(list(images), 2)


def test_tensorboard_has_the_pictures(logged):
    events, predictions, targets, measurements, _ = logged
    assert set(events.Tags()["images"]) == {"images/target", "images/measurement", "images/current"}
    current = pictures(events, "images/current")
    assert sorted(current) == [0, 1, 2, 4, 5, 8, 10, 12]
    for step, picture in current.items():
        assert (picture - beside(predictions[step][:3])).abs().max() <= LEVEL
    truth = pictures(events, "images/target")
    assert list(truth) == [0]
    assert (truth[0] - beside(targets[:3])).abs().max() <= LEVEL
    measurement = pictures(events, "images/measurement")
    assert list(measurement) == [0]
    assert (measurement[0] - beside(measurements[:3]).clamp(0, 1)).abs().max() <= LEVEL


def test_tensorboard_has_every_term(logged):
    events, *_ = logged
    for name in ("loss", "target", "regulariser"):
        scalars = events.Scalars(name)
        assert [scalar.step for scalar in scalars] == [3, 7, 11], name
        assert all(0 < scalar.value < 100 for scalar in scalars)


def test_no_picture_hides_a_term_in_tensorboard(logged):
    runs = EventMultiplexer()
    runs.AddRun(logged[-1], "run")
    runs.Reload()
    assert {"loss", "target", "regulariser"} <= set(runs.PluginRunToTagToContent("scalars")["run"])
    assert set(runs.PluginRunToTagToContent("images")["run"]) == {
        "images/target",
        "images/measurement",
        "images/current",
    }


def test_without_degradation_there_is_no_measurement(tiny_generator, images, tmp_path):
    logger = TensorBoardLogger(str(tmp_path), name="run", version="one")
    fit(inversion(tiny_generator), images, tmp_path, 1, callbacks=[Trajectory()], logger=logger)
    events = EventAccumulator(logger.log_dir)
    events.Reload()
    assert set(events.Tags()["images"]) == {"images/target", "images/current"}


@pytest.mark.parametrize("settings", [{"every": -1}, {"rows": 0}])
def test_settings_that_show_nothing_are_refused(settings):
    with pytest.raises(InputError, match="trajectory: every is"):
        Trajectory(**settings)


class Part(Trajectory):
    """That of a fit of some rows."""

    whole = False


def test_fit_of_some_rows_records_those_among_the_first(tiny_generator, images, tmp_path):
    fit(inversion(tiny_generator), images, tmp_path / "whole", 4, callbacks=[Trajectory(0, rows=3)])
    for name, rows in (("a", [0]), ("b", [1, 2, 3])):
        task = inversion(tiny_generator)
        task.choose(rows)
        fit(task, images, tmp_path / name, 4, callbacks=[Part(0, rows=3)])
        assert not (tmp_path / name / "results" / "trajectory.gif").exists()
    assert [row for row, _ in recorded(tmp_path / "b")[4]] == [1, 2]
    for _ in range(2):
        compose(tmp_path, [tmp_path / "b", tmp_path, tmp_path / "a"])
        for path in (tmp_path / "whole" / "results").rglob("*.*"):
            assert (tmp_path / path.relative_to(tmp_path / "whole")).read_bytes() == path.read_bytes()
    assert not list((tmp_path / "a").rglob("*.png"))


def test_fit_of_other_rows_records_nothing(tiny_generator, images, tmp_path):
    logger = TensorBoardLogger(str(tmp_path), name="run", version="one")
    task = inversion(tiny_generator)
    task.choose([2, 3])
    callback = Trajectory(0, rows=2)
    fit(inversion(tiny_generator), images, tmp_path / "first", 1, callbacks=[callback])
    fit(task, images, tmp_path, 2, callbacks=[callback], logger=logger)
    assert not (tmp_path / "run" / "one" / "results").exists()
    events = EventAccumulator(logger.log_dir).Reload()
    assert events.Tags()["images"] == []


def test_rows_that_were_not_recorded_at_every_step_are_not_shown(tiny_generator, images, tmp_path):
    fit(inversion(tiny_generator), images, tmp_path, 4, callbacks=[Part(0, rows=2)])
    (tmp_path / "results" / "trajectory" / "step_000002_00.png").unlink()
    compose(tmp_path)
    with Image.open(tmp_path / "results" / "trajectory.gif") as picture:
        wide = picture.size
    compose(tmp_path / "nothing")
    fit(inversion(tiny_generator), images, tmp_path, 4, callbacks=[Part(0, rows=1)])
    compose(tmp_path)
    with Image.open(tmp_path / "results" / "trajectory.gif") as picture:
        assert picture.size == wide
    assert not (tmp_path / "nothing").exists()
