import pytest
import torch
from lightning.pytorch import Callback

from lit_nst.callbacks import Degrade
from lit_nst.data import Images
from lit_nst.degradations import JPEG, Downsample, GaussianBlur, Grayscale, Mask, Noise
from tests.fitting import fit, inversion, save_images


@pytest.fixture
def images(smooth_images, tmp_path):
    return Images(target=save_images(smooth_images, tmp_path / "targets"))


@pytest.fixture
def stored(images):
    """The targets as their files hold them."""
    return images.load("target", range(4))


class Look(Callback):
    """Keeps the operators and the target of each fit."""

    def __init__(self):
        self.operators, self.targets = [], []

    def on_train_start(self, trainer, task):
        self.operators.append(list(task.degradation))
        self.targets.append(task.target.clone())


def test_target_and_prediction_go_through_the_operator(tiny_generator, images, stored, tmp_path):
    task = inversion(tiny_generator)
    terms = []

    class Terms(Callback):
        def on_train_start(self, trainer, task):
            with torch.no_grad():
                clean = task.generator(task.w)
                terms.append((task.terms(task.w)["target"], (clean.mean(1) - stored.mean(1)).square().mean((1, 2))))

    class Mean(Grayscale):
        def forward(self, image):
            return image.mean(1, keepdim=True).expand_as(image)

    fit(task, images, tmp_path, steps=1, callbacks=[Degrade(Mean()), Terms()])
    torch.testing.assert_close(*terms[0])
    torch.testing.assert_close(task.target, stored.mean(1, keepdim=True).expand_as(stored))


@pytest.mark.parametrize("reverse", [False, True])
def test_several_compose_in_the_order_of_the_list(tiny_generator, images, stored, tmp_path, reverse):
    operators = [GaussianBlur(0.6), Downsample(4)][:: -1 if reverse else 1]
    task, look = inversion(tiny_generator), Look()
    fit(task, images, tmp_path, steps=1, callbacks=[*(Degrade(operator) for operator in operators), look])
    expected = operators[1](operators[0](stored))
    assert not torch.allclose(expected, operators[0](operators[1](stored)), atol=0.01)
    torch.testing.assert_close(task.target, expected)
    assert look.operators == [operators]


def test_operator_is_gone_after_the_run(tiny_generator, images, tmp_path):
    task, look = inversion(tiny_generator), Look()
    fit(task, images, tmp_path, steps=1, callbacks=[Degrade(Grayscale()), look])
    assert len(look.operators[0]) == 1
    assert len(task.degradation) == 0


@pytest.mark.parametrize("same", [True, False], ids=["same callback", "another callback"])
def test_second_fit_does_not_degrade_twice(tiny_generator, images, stored, tmp_path, same):
    task, look, degrade = inversion(tiny_generator), Look(), Degrade(GaussianBlur(1.0))
    fit(task, images, tmp_path, steps=1, callbacks=[degrade, look])
    fit(task, images, tmp_path, steps=1, callbacks=[degrade if same else Degrade(GaussianBlur(1.0)), look])
    assert [len(operators) for operators in look.operators] == [1, 1]
    for target in look.targets:
        torch.testing.assert_close(target, GaussianBlur(1.0)(stored))


def test_fit_without_the_callback_is_undegraded_again(tiny_generator, images, stored, tmp_path):
    task = inversion(tiny_generator)
    fit(task, images, tmp_path, steps=1, callbacks=[Degrade(Grayscale())])
    assert not torch.equal(task.target, stored)
    fit(task, images, tmp_path, steps=1)
    assert torch.equal(task.target, stored)


def test_checkpoint_holds_nothing_of_the_operators(tiny_generator, images, tmp_path):
    kinds = [Mask(strokes=1), Noise(), JPEG(), Grayscale(), GaussianBlur(0.6), Downsample(4)]

    class Save(Callback):
        def on_train_batch_end(self, trainer, *_):
            trainer.save_checkpoint(tmp_path / "now.ckpt")

    fit(inversion(tiny_generator), images, tmp_path, steps=1, callbacks=[*(Degrade(kind) for kind in kinds), Save()])
    checkpoint = torch.load(tmp_path / "now.ckpt", weights_only=True)
    assert set(checkpoint["state_dict"]) == {"w", "best", "best_loss", "first_loss", "stopped"}
    assert not any("Degrade" in key for key in checkpoint["callbacks"])


def test_observed_target_is_taken_as_it_is(tiny_generator, images, stored, tmp_path):
    task, look = inversion(tiny_generator), Look()
    fit(task, images, tmp_path, steps=1, callbacks=[Degrade(Grayscale(), observed=True), look])
    assert len(look.operators[0]) == 1
    assert torch.equal(task.target, stored)
