import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lit_nst.data.resize import fit_image, fit_inside, fit_mask
from lit_nst.errors import InputError

SIDES = st.integers(1, 40)
FITS = st.sampled_from(["crop", "pad", "stretch"])


def noise(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def lanczos(length, start, stop, n):
    """Row i holds the weights of pixel i of n, of a line of ``length`` pixels cut from start to stop."""
    scale = (stop - start) / n
    stretch = max(scale, 1)
    centres = start + (np.arange(n) + 0.5) * scale
    x = (np.arange(length) + 0.5 - centres[:, None]) / stretch
    weights = np.where(abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)
    return weights / weights.sum(1, keepdims=True)


@settings(deadline=None, max_examples=80)
@given(SIDES, SIDES, SIDES, SIDES, FITS, st.integers(1, 3))
def test_shape_and_range(height, width, h, w, how, channels):
    image = (noise(channels, height, width) > 0.5).float()
    fitted = fit_image(image, (h, w), how)
    assert fitted.shape == (channels, h, w)
    assert fitted.dtype == torch.float32
    assert fitted.min() >= 0
    assert fitted.max() <= 1
    mask = fit_mask(image, (h, w), how)
    assert mask.shape == (channels, h, w)
    assert set(mask.unique().tolist()) <= {0.0, 1.0}


@settings(deadline=None, max_examples=40)
@given(SIDES, SIDES, SIDES, SIDES, FITS, st.floats(0, 1, width=32))
def test_a_constant_stays(height, width, h, w, how, level):
    fitted = fit_image(torch.full((1, height, width), level), (h, w), how)
    torch.testing.assert_close(fitted, torch.full((1, h, w), level))


@pytest.mark.parametrize("fit", [fit_image, fit_mask])
@pytest.mark.parametrize("how", ["crop", "pad", "stretch"])
def test_identity_is_bit_equal(fit, how):
    image = noise(3, 7, 9).double() / 3
    assert torch.equal(fit(image, (7, 9), how), image)


@pytest.mark.parametrize("size", [(5, 4), (30, 40), (9, 21), (40, 7)])
def test_stretch_is_lanczos(size):
    image = noise(3, 20, 16)
    rows, columns = lanczos(20, 0, 20, size[0]), lanczos(16, 0, 16, size[1])
    expected = torch.from_numpy(rows @ image.double().numpy() @ columns.T).clamp(0, 1)
    torch.testing.assert_close(fit_image(image, size, "stretch").double(), expected, rtol=0, atol=1e-6)


def test_crop_is_lanczos_of_the_centre():
    image = noise(1, 20, 35)
    rows, columns = lanczos(20, 0, 20, 8), lanczos(35, 7, 27, 8)
    expected = torch.from_numpy(rows @ image.double().numpy() @ columns.T).clamp(0, 1)
    torch.testing.assert_close(fit_image(image, (8, 8)).double(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [(10, 13), (7, 17), (10, 12), (6, 17)])
def test_crop_without_scale_is_exact(size):
    image = noise(3, 10, 17)
    top, left = (10 - size[0]) // 2, (17 - size[1]) // 2
    expected = image[:, top : top + size[0], left : left + size[1]]
    torch.testing.assert_close(fit_image(image, size, "crop"), expected, rtol=0, atol=1e-7)


def test_pad_repeats_the_edge():
    image = noise(3, 6, 4)
    fitted = fit_image(image, (6, 9), "pad")
    expected = torch.cat([image[..., :1].expand(3, 6, 2), image, image[..., -1:].expand(3, 6, 3)], -1)
    torch.testing.assert_close(fitted, expected, rtol=0, atol=0)
    assert torch.equal(fit_image(image.mT, (9, 6), "pad"), expected.mT)


def test_pad_of_a_line_keeps_a_pixel():
    assert fit_image(noise(1, 2, 40), (8, 8), "pad").shape == (1, 8, 8)


def test_eight_bits_are_not_enough():
    ramp = torch.linspace(0.5, 0.502, 64).expand(1, 64, 64)
    assert len(fit_image(ramp, (32, 32)).unique()) >= 32


def test_ringing_is_clamped():
    step = torch.zeros(1, 8, 8)
    step[..., 4:] = 1
    fitted = fit_image(step, (32, 32))
    assert fitted.min() == 0
    assert fitted.max() == 1


def test_double_precision_stays():
    assert fit_image(noise(3, 8, 8).double(), (4, 4)).dtype == torch.float64


def test_mask_by_nearest():
    mask = torch.zeros(1, 4, 4)
    mask[0, 1, 2] = 1
    assert torch.equal(fit_mask(mask, (8, 8)), mask.repeat_interleave(2, 1).repeat_interleave(2, 2))
    wide = torch.zeros(1, 4, 6)
    wide[0, 1, 3] = 1
    assert fit_mask(wide, (4, 4), "crop").nonzero().tolist() == [[0, 1, 2]]
    assert fit_mask(wide, (6, 6), "pad").nonzero().tolist() == [[0, 2, 3]]


@pytest.mark.parametrize("how", ["crop", "pad", "stretch"])
def test_mask_and_image_share_their_geometry(how):
    picture = torch.zeros(1, 90, 150)
    picture[:, 33:70, 40:101] = 1
    fitted, mask = fit_image(picture, (40, 50), how), fit_mask(picture, (40, 50), how)
    inside, outside = fitted > 0.95, fitted < 0.05
    assert inside.sum() > 200
    assert mask[inside].min() == 1
    assert mask[outside].max() == 0


@pytest.mark.parametrize("fit", [fit_image, fit_mask])
def test_bad_options(fit):
    with pytest.raises(InputError, match="size is 0×4"):
        fit(noise(1, 8, 8), (0, 4))
    with pytest.raises(InputError, match="fit is 'cover'"):
        fit(noise(1, 8, 8), (4, 4), "cover")


@settings(deadline=None, max_examples=80)
@given(SIDES, SIDES, st.integers(1, 40))
def test_inside_keeps_the_aspect_to_a_pixel(height, width, longest):
    fitted = fit_inside(noise(3, height, width), longest)
    scale = min(1, longest / max(height, width))
    assert max(fitted.shape[1:]) == min(longest, max(height, width))
    assert abs(fitted.shape[1] - max(1, height * scale)) <= 0.5
    assert abs(fitted.shape[2] - max(1, width * scale)) <= 0.5


def test_inside_is_the_whole_picture_by_lanczos():
    image = noise(3, 20, 35)
    assert torch.equal(fit_inside(image, 14), fit_image(image, (8, 14), "stretch"))
    assert fit_inside(image, 35) is image
    assert fit_inside(image, 99) is image
