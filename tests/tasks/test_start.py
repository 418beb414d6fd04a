import pytest
import torch
from lightning.pytorch import Callback

from lit_nst.callbacks import Degrade
from lit_nst.data import Images, read_image
from lit_nst.degradations import Downsample
from lit_nst.errors import InputError
from lit_nst.functional.color import match_colors
from lit_nst.generators import Pixels, StyleGAN2
from lit_nst.tasks import Search
from tests.fitting import fit, inversion, save_images, save_pictures, style_transfer, texture_synthesis


class First(Callback):
    """The first ``w``."""

    def on_train_start(self, trainer, task):
        self.w = task.w.detach().clone()


@pytest.fixture
def pictures(tmp_path):
    paths = save_pictures(tmp_path, "content", (16, 16), (16, 16))
    return Images(content=paths, style=save_pictures(tmp_path, "style", (24, 20), (18, 30)))


def start(pictures, folder, make=style_transfer, **settings):
    first = First()
    settings = {"search": Search(**settings.pop("options")), **settings} if "options" in settings else settings
    fit(make(**settings), pictures, folder, 1, callbacks=[first])
    return first.w


def test_center_is_mid_grey(pictures, tmp_path):
    w = start(pictures, tmp_path, options={})
    assert w.shape == (4, 3, 16, 16)
    assert (w == 0.5).all()


def test_content_is_each_row_s_own(pictures, tmp_path):
    w = start(pictures, tmp_path, options={"start": "content"})
    assert torch.equal(w, pictures.load("content", [0, 0, 1, 1]))


def test_target_is_each_row_s_own(smooth_images, tmp_path):
    images = Images(target=save_images(smooth_images, tmp_path / "targets"))
    first = First()
    task = inversion(None, Pixels(), search=Search(start="target"))
    fit(task, images, tmp_path, 1, callbacks=[first])
    assert torch.equal(first.w, images.load("target", range(4)))


def test_style_has_the_mean_and_covariance_of_its_pixels(tmp_path):
    pictures = Images(style=save_pictures(tmp_path, "style", (40, 64), (64, 40)), size=(64, 64))
    w = start(pictures, tmp_path, texture_synthesis, options={"start": "style"})
    for row in range(2):
        style = read_image(pictures.files("style")[row])[0]
        made, own = w[row].flatten(1), style.flatten(1)
        # Standard errors of 4096 draws: σ/64 and about σ²·√2/64.
        torch.testing.assert_close(made.mean(1), own.mean(1), rtol=0, atol=0.02)
        torch.testing.assert_close(torch.cov(made), torch.cov(own), rtol=0.1, atol=0.004)
        assert torch.cov(own).diagonal().min() > 0.01
        neighbours = torch.corrcoef(torch.stack([w[row, 0, :, 1:].flatten(), w[row, 0, :, :-1].flatten()]))
        assert neighbours[0, 1].abs() < 0.06


def test_style_of_a_blend_is_its_heaviest(pictures, tmp_path):
    blended = start(pictures, tmp_path, options={"start": "style"}, blend=[0.4, 0.6])
    alone = start(pictures, tmp_path, options={"start": "style"}).view(2, 2, 3, 16, 16)
    assert torch.equal(blended, alone[:, 1])


def test_a_file_is_fitted_and_the_same_for_all(pictures, tmp_path):
    (path,) = save_pictures(tmp_path, "own", (16, 16))
    w = start(pictures, tmp_path, options={"start": path})
    assert torch.equal(w, read_image(path)[0].expand(4, -1, -1, -1))
    (path,) = save_pictures(tmp_path, "large", (50, 30))
    assert start(pictures, tmp_path, options={"start": path}).shape == (4, 3, 16, 16)


def test_unknown_name(pictures, tmp_path):
    with pytest.raises(InputError) as caught:
        start(pictures, tmp_path, options={"start": "contents"})
    text = 'search.start: there is no file "contents"; give center, content, style, recolored or the path of a picture'
    assert str(caught.value) == text


def test_style_where_there_is_none(smooth_images, tmp_path):
    images = Images(target=save_images(smooth_images, tmp_path / "targets"))
    with pytest.raises(InputError, match=r'^search\.start is "style", but Inversion has no style; use center$'):
        start(images, tmp_path, lambda **options: inversion(None, Pixels(), **options), options={"start": "style"})


def test_size_of_a_measurement(smooth_images, tmp_path):
    images = Images(target=save_images(Downsample(4)(smooth_images), tmp_path / "small"), size=16)
    task = inversion(None, Pixels(), search=Search(start="target"))
    with pytest.raises(InputError, match=r'^search\.start is "target", but its size is that of a measurement'):
        fit(task, images, tmp_path, 1, callbacks=[Degrade(Downsample(4), observed=True)])


def test_latents_start_from_no_picture(tiny_generator, pictures, tmp_path):
    generator = StyleGAN2(str(tiny_generator), samples=50)
    with pytest.raises(InputError, match=r"^search\.start: StyleGAN2 cannot start from a picture; use center$"):
        start(pictures, tmp_path, options={"start": "content"}, generator=generator)


def test_noise_is_that_of_content_and_restart(pictures, tmp_path):
    style = style_transfer().compared["style"]
    style.weight = [1.0, 10.0]
    w = start(pictures, tmp_path, options={"spread": 0.3, "restarts": 2}, style=style)
    noise = ((w - 0.5) / 0.3).view(2, 2, 2, 2, 3, 16, 16)  # content, style, weight, restart
    assert torch.equal(noise, noise[:, :1, :1].expand_as(noise))
    apart = noise[:, 0, 0].reshape(4, -1)
    assert (torch.corrcoef(apart) - torch.eye(4)).abs().max() < 0.2
    assert apart.std() == pytest.approx(1, abs=0.05)


def test_more_restarts_and_styles_change_no_row(pictures, tmp_path):
    many = start(pictures, tmp_path, options={"spread": 0.3, "restarts": 3})
    few = Images(content=pictures.sources["content"], style=pictures.sources["style"][1:])
    assert torch.equal(many.view(2, 2, 3, 3, 16, 16)[:, 1, 0], start(few, tmp_path, options={"spread": 0.3}))


@pytest.mark.parametrize("name", ["center", "style"])
def test_noise_stays_in_the_box(pictures, tmp_path, name):
    w = start(pictures, tmp_path, options={"start": name, "spread": 2.0}, generator=Pixels("clamp"))
    assert w.min() == 0
    assert w.max() == 1


def test_recolored_is_each_content_in_each_style_s_colours(pictures, tmp_path):
    w = start(pictures, tmp_path, options={"start": "recolored"})
    contents, styles = pictures.load("content", [0, 0, 1, 1]), pictures.load_styles((16, 16))
    for row in range(4):
        expected = match_colors(contents[row], styles[row % 2]).clamp(0, 1)
        torch.testing.assert_close(w[row], expected, atol=1e-6, rtol=0)


def test_recolored_needs_a_content(tmp_path):
    pictures = Images(style=save_pictures(tmp_path, "style", (24, 20)))
    with pytest.raises(InputError, match=r'^search\.start is "recolored", but TextureSynthesis has no content'):
        start(pictures, tmp_path, texture_synthesis, options={"start": "recolored"})
