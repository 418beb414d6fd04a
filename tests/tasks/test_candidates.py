import pytest
import torch

from lit_nst.callbacks import Degrade
from lit_nst.data import Images
from lit_nst.degradations import Grayscale, Mask
from lit_nst.errors import InputError
from lit_nst.generators import Pixels, StyleGAN2
from lit_nst.tasks import Search
from tests.fitting import fit, inversion, save_images, texture_synthesis


def own_samples(path, count=6):
    """Pictures of some of the samples that a search with the seed 0 looks at."""
    net = StyleGAN2(str(path), samples=200)
    w = net.sample(count, 0)
    return w, net(w).clamp(0, 1)


@pytest.mark.parametrize("operator", [None, Grayscale(), Mask(box=[0, 0, 0.5, 0.5])], ids=str)
def test_a_sample_is_found_again(tiny_generator, tmp_path, operator):
    w, pictures = own_samples(tiny_generator)
    images = Images(target=save_images(pictures[[4, 1, 5]], tmp_path / "targets"))
    task = inversion(tiny_generator, search=Search(candidates=6, seed=0))
    begin = []
    from lightning.pytorch import Callback

    class First(Callback):
        def on_train_start(self, trainer, task):
            begin.append(task.w.detach().clone())

    fit(task, images, tmp_path, 1, callbacks=[First(), *([Degrade(operator)] if operator else [])])
    assert torch.equal(begin[0], w[[4, 1, 5]])


def test_restarts_take_the_next_best(tiny_generator, tmp_path):
    w, pictures = own_samples(tiny_generator)
    images = Images(target=save_images(pictures[:1], tmp_path / "targets"))
    task = inversion(tiny_generator, search=Search(candidates=6, restarts=3, seed=0))
    fit(task, images, tmp_path, 1)
    distance = (pictures - images.load("target", [0])).square().mean((1, 2, 3))
    assert torch.allclose(task.best, w[distance.argsort()[:3]], atol=1)
    nearest = (task.best[:, None] - w).flatten(2).square().mean(2).argmin(1)
    assert nearest.tolist() == distance.argsort()[:3].tolist()


def test_needs_samples_and_a_target(smooth_images, tmp_path):
    images = save_images(smooth_images, tmp_path / "targets")
    with pytest.raises(InputError, match="Pixels has no samples"):
        fit(inversion(None, Pixels(), search=Search(candidates=4)), Images(target=images), tmp_path, 1)
    with pytest.raises(InputError, match="TextureSynthesis has no target"):
        fit(texture_synthesis(search=Search(candidates=4)), Images(style=images), tmp_path, 1)
