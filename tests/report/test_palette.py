import itertools
import math

import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.functional.random import generator as keyed
from lit_nst.report.palette import equal_grey, hsv_saturation, palette_distance


def picture(*key, size=8):
    return torch.rand(1, 3, size, size, generator=keyed("palette", *key))


def test_palette_is_that_of_any_arrangement():
    image = picture(0)
    moved = image.flatten(2)[..., torch.randperm(64, generator=keyed(1))].view_as(image)
    assert float(palette_distance(image, moved)) == pytest.approx(0, abs=1e-6)
    assert float(palette_distance(image, image.repeat(1, 1, 2, 3))) == pytest.approx(0, abs=1e-6)


def test_palette_distance_of_a_shift_is_its_mean_projection():
    image = 0.5 * picture(0)
    # The mean of |u·1| over the sphere is √3/2; over 48 directions it is near.
    assert float(palette_distance(image, image + 0.2)) == pytest.approx(0.2 * math.sqrt(3) / 2, rel=0.05)


def test_palette_sees_which_channels_go_together():
    plain = torch.zeros(1, 3, 1, 2)
    plain[..., 1] = 1
    crossed = plain.clone()
    crossed[:, 0] = crossed[:, 0].flip(-1)
    assert float(palette_distance(plain, crossed)) > 0.1


def test_palette_distance_is_that_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    a, b = picture(0), picture(1, size=6)
    random = torch.randn(3, 4000, generator=keyed(2)).double()
    found = [
        stats.wasserstein_distance((a.double().flatten(2)[0].mT @ u).numpy(), (b.double().flatten(2)[0].mT @ u).numpy())
        for u in itertools.islice((random / random.norm(dim=0)).mT, 400)
    ]
    assert float(palette_distance(a, b)) == pytest.approx(sum(found) / len(found), rel=0.1)


def test_grey_has_equal_brightness_and_contrast_and_no_colour():
    grey = equal_grey(torch.cat([picture(0), 0.1 + 0.2 * picture(1)]))
    assert torch.equal(grey[:, 0], grey[:, 2])
    assert torch.allclose(grey.mean((1, 2, 3)), torch.tensor(0.5), atol=1e-5)
    assert torch.allclose(grey[:, 0].flatten(1).std(1, correction=0), torch.tensor(0.2), atol=1e-5)


def test_grey_of_a_flat_picture_is_not_its_noise():
    flat = 0.5 + 0.002 * (picture(0) - 0.5)
    assert float((equal_grey(flat) - 0.5).abs().max()) < 0.02


def test_saturation_is_that_of_hsv():
    colours = torch.tensor([[1.0, 0.0, 0.0], [0.2, 0.2, 0.2], [0.0, 0.0, 0.0], [0.4, 0.8, 0.6]])
    assert float(hsv_saturation(colours.mT.reshape(1, 3, 2, 2))) == pytest.approx((1 + 0 + 0 + 0.5) / 4)


@pytest.mark.parametrize("figure", [equal_grey, hsv_saturation, lambda x: palette_distance(x, x)])
@pytest.mark.parametrize("image", [torch.rand(3, 4, 4), torch.rand(1, 1, 4, 4), torch.zeros(1, 3, 4, 4).long()])
def test_refused(figure, image):
    with pytest.raises(InputError):
        figure(image)
