import pytest
import torch

from lit_nst.callbacks import Degrade, Results
from lit_nst.callbacks.truth import load_truth
from lit_nst.data import Images
from lit_nst.degradations import Downsample, Grayscale
from lit_nst.errors import InputError
from tests.fitting import fit, inversion, save_images


@pytest.fixture
def targets(smooth_images, tmp_path):
    return save_images(smooth_images, tmp_path / "targets")


class Truth(Degrade):
    """Keeps what is found while the operator is in its place."""

    def on_train_start(self, trainer, task):
        self.found = load_truth(trainer, task, [2, 0])


def found(generator, images, folder, operator, observed=False):
    truth = Truth(operator, observed)
    fit(inversion(generator), images, folder, 1, callbacks=[truth])
    return truth.found


def test_it_is_the_target_where_the_task_degrades_it(tiny_generator, targets, tmp_path):
    images = Images(target=targets)
    assert torch.equal(found(tiny_generator, images, tmp_path, Downsample(4)), images.load("target", [2, 0]))


def test_there_is_none_where_the_target_is_a_measurement(tiny_generator, targets, tmp_path):
    assert found(tiny_generator, Images(target=targets), tmp_path, Grayscale(), observed=True) is None


@pytest.mark.parametrize("observed", [False, True])
def test_its_own_role_comes_first(tiny_generator, targets, smooth_images, tmp_path, observed):
    truth = save_images(smooth_images.flip(0), tmp_path / "truth")
    images = Images(target=targets, truth=truth)
    assert torch.equal(found(tiny_generator, images, tmp_path, Grayscale(), observed), images.load("target", [1, 3]))


def test_one_for_each_target(tiny_generator, targets, tmp_path):
    images = Images(target=targets, truth=f"{targets}/00.png")
    with pytest.raises(InputError, match=r"^--data\.truth: 1 pictures for 4 targets; give one each$"):
        fit(inversion(tiny_generator), images, tmp_path, 1, callbacks=[Results()])


def test_broken_file_ends_the_run_before_its_first_step(tiny_generator, targets, smooth_images, tmp_path):
    truth = save_images(smooth_images, tmp_path / "truth")
    (tmp_path / "truth" / "03.png").write_bytes(b"no picture")
    task = inversion(tiny_generator)
    with pytest.raises(InputError, match=r"03\.png is not an image"):
        fit(task, Images(target=targets, truth=truth), tmp_path, 1, callbacks=[Results()])
    assert task.best_loss.isinf().all()
