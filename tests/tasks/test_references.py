import pytest
import torch

from lit_nst.data import Images
from lit_nst.errors import InputError
from lit_nst.losses import (
    ContentLoss,
    CovarianceLoss,
    GramLoss,
    HistogramLoss,
    MeanVarLoss,
    NearestNeighbourLoss,
    PerceptualLoss,
    SlicedWassersteinLoss,
    WassersteinLoss,
)  # fmt: skip
from lit_nst.tasks import Search
from lit_nst.tasks.references import check_blend
from tests.fitting import fit, save_pictures, style_transfer

LAYERS = ["relu1_1", "relu2_1"]
STYLES = [
    GramLoss, MeanVarLoss, CovarianceLoss, WassersteinLoss, SlicedWassersteinLoss, HistogramLoss, NearestNeighbourLoss,
]  # fmt: skip
SIZES = (16, 26), (30, 16), (9, 12)


@pytest.fixture
def images(tmp_path):
    return Images(content=save_pictures(tmp_path, "content", (16, 16)), style=save_pictures(tmp_path, "style", *SIZES))


def run(images, folder, task, steps=4):
    fit(task, images, folder, steps)
    return task


def test_every_style_is_measured_at_its_own_size(images, tmp_path):
    images.style_scale = 2.0
    task = run(images, tmp_path, style_transfer(), 1)
    assert [tuple(picture.shape) for picture in task.pictures["style"].values()] == [(3, *size) for size in SIZES]
    for row, picture in task.pictures["style"].items():
        alone = task.compared["style"].measure(task.features(picture[None]))
        for layer in LAYERS:
            assert torch.equal(task.references["style"][layer][row : row + 1], alone[layer])


@pytest.mark.parametrize("loss", STYLES, ids=lambda loss: loss.__name__)
def test_styles_of_several_sizes_are_rows_that_do_not_see_each_other(images, tmp_path, loss):
    options = {"search": Search(start="content", spread=0.1)}
    together = run(images, tmp_path, style_transfer(loss(LAYERS), **options))
    assert together.best_loss.isfinite().all()
    for row, path in enumerate(images.sources["style"]):
        # The same style twice, since a lone picture rounds otherwise than two.
        own = Images(content=images.sources["content"], style=[path, path])
        alone = run(own, tmp_path, style_transfer(loss(LAYERS), **options))
        assert torch.equal(alone.best[0], together.best[row])
        assert torch.equal(alone.best_loss[0], together.best_loss[row])


@pytest.mark.parametrize("loss", STYLES, ids=lambda loss: loss.__name__)
def test_palette_of_pixels_by_every_loss(images, tmp_path, loss):
    task = run(images, tmp_path, style_transfer(palette=loss(["image"])))
    assert task.best_loss.isfinite().all()
    assert set(task.terms(task.best)) == {"content", "style", "palette"}


@pytest.mark.parametrize("loss", [ContentLoss, PerceptualLoss])
def test_maps_of_several_sizes_cannot_be_compared(images, tmp_path, loss):
    with pytest.raises(InputError, match=f"^{loss.__name__}: pictures of several sizes cannot be compared; give one"):
        run(images, tmp_path, style_transfer(loss(LAYERS)))


def test_style_below_the_network_s_least_size(images, tmp_path):
    images.sources["style"] = save_pictures(tmp_path, "thin", (40, 2))
    with pytest.raises(InputError, match=r"^--data\.style: VGG19: the image is 1×3×16×1; up to relu2_1 .* 2×2 pixels$"):
        run(images, tmp_path, style_transfer())


def test_content_below_the_network_s_least_size(images, tmp_path):
    images.size = (16, 1)
    with pytest.raises(InputError, match=r"^--data\.content: VGG19: the image is 4×3×16×1; .* 2×2 pixels$"):
        run(images, tmp_path, style_transfer())


@pytest.mark.parametrize("loss", STYLES, ids=lambda loss: loss.__name__)
@pytest.mark.parametrize("other", [1, 2], ids=["one size", "several sizes"])
def test_blend_of_one_style_is_that_style(images, tmp_path, loss, other):
    first, paths = images.sources["content"], images.sources["style"]
    paths = [paths[0], paths[0] if other == 1 else paths[other]]
    alone = run(Images(content=first, style=paths[:1]), tmp_path, style_transfer(loss(LAYERS)))
    blended = run(Images(content=first, style=paths), tmp_path, style_transfer(loss(LAYERS), blend=[2.0, 0.0]))
    assert blended.names == ["content0+style0-style2" if other == 2 else "content0+style0-style0-2"]
    assert torch.equal(alone.best, blended.best)
    assert torch.equal(alone.best_loss, blended.best_loss)


@pytest.mark.parametrize("loss", STYLES, ids=lambda loss: loss.__name__)
def test_blend_of_a_style_with_itself_is_the_style(images, tmp_path, loss):
    first, path = images.sources["content"], images.sources["style"][0]
    alone = run(Images(content=first, style=[path]), tmp_path, style_transfer(loss(LAYERS)))
    blended = run(Images(content=first, style=[path, path]), tmp_path, style_transfer(loss(LAYERS), blend=[1.0, 3.0]))
    torch.testing.assert_close(alone.best_loss, blended.best_loss, rtol=1e-4, atol=0)
    torch.testing.assert_close(alone.best, blended.best, rtol=0, atol=1e-3)


def test_blend_lies_between(images, tmp_path):
    images.style_scale = 2.0
    task = run(images, tmp_path, style_transfer(blend=[1.0, 2.0, 1.0]), 1)
    for layer in LAYERS:
        parts = [task.compared["style"].measure(task.features(p[None]))[layer] for p in task.pictures["style"].values()]
        expected = 0.25 * parts[0] + 0.5 * parts[1] + 0.25 * parts[2]
        torch.testing.assert_close(task.references["style"][layer], expected)


@pytest.mark.parametrize(
    ("blend", "message"),
    [
        ([1.0], r"1 weights for 3 styles; give one each"),
        ([1.0, 1.0, -0.5], r"\[1\.0, 1\.0, -0\.5\]; give no weight below 0 and one above"),
        ([0.0, 0.0, 0.0], r"\[0\.0, 0\.0, 0\.0\]; give no weight below 0 and one above"),
        ([float("nan"), 1.0, 1.0], r"\[nan, 1\.0, 1\.0\]; give no weight below 0 and one above"),
    ],
)
def test_bad_blend(images, tmp_path, blend, message):
    with pytest.raises(InputError, match=rf"^--model\.blend: {message}$"):
        check_blend(blend, 3)
    with pytest.raises(InputError, match=rf"^--model\.blend: {message}$"):
        run(images, tmp_path, style_transfer(blend=blend))
