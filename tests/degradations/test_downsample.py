import numpy as np
import pytest
import torch
from PIL import Image

from lit_nst.degradations import Degradation, Downsample
from lit_nst.errors import InputError
from tests.contracts_degradation import DegradationContract, images, natural, near


class TestBicubic(DegradationContract):
    kind = Downsample
    options = {"factor": 4}  # noqa: RUF012
    shrinks = 4
    overshoot = 0.2


class TestArea(DegradationContract):
    kind = Downsample
    options = {"factor": 2, "filter": "area"}  # noqa: RUF012
    shrinks = 2


class TestUnknown(DegradationContract):
    kind = Downsample
    options = {"factor": 2, "filter": "unknown"}  # noqa: RUF012
    shrinks = 2
    random = True

    def observe_near_forward(self, operator: Degradation) -> None:
        x = natural(6)
        y = operator.observe(x, range(6))
        near(y, operator(x), 0.06)
        assert (y - operator(x)).flatten(1).any(1).all()


def test_unknown_filters_are_the_three_of_pillow():
    x = images(1, 32, 48)
    names = ("BILINEAR", "BICUBIC", "LANCZOS")
    planes = [[Image.fromarray(c).resize((12, 8), Image.Resampling[name]) for c in x[0].numpy()] for name in names]
    known = torch.from_numpy(np.array([[np.array(plane) for plane in three] for three in planes]))
    operator = Downsample(4, "unknown", seed=2)
    observed = operator.observe(x.expand(60, -1, -1, -1), range(60))
    distance = (observed[:, None] - known).abs().amax((2, 3, 4))
    assert distance.amin(1).max() < 1e-5
    # A fair draw: each about twenty times.
    counts = distance.argmin(1).bincount(minlength=3).tolist()
    assert min(counts) > 10, counts


def test_unknown_predicts_by_area():
    assert torch.equal(Downsample(4, "unknown")(images()), Downsample(4, "area")(images()))


def test_area_is_the_mean_of_blocks():
    x = images(1, 4, 8)
    expected = torch.stack([x[..., i : i + 4].mean((-1, -2)) for i in (0, 4)], -1)[:, :, None]
    near(Downsample(4, "area")(x), expected, 1e-6)


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_bicubic_equals_pillow(factor):
    plane = images(1, 48, 24)[0, 0]
    picture = Image.fromarray(plane.numpy()).resize((24 // factor, 48 // factor), Image.Resampling.BICUBIC)
    small = Downsample(factor)(plane.expand(1, 3, -1, -1))
    near(small[0, 2], torch.from_numpy(np.array(picture)), 1e-5)


def test_overshoot_is_kept():
    x = torch.zeros(1, 3, 16, 16)
    x[..., 8:] = 1
    assert Downsample(2)(x).max() > 1.001


def test_factor_one_is_the_identity():
    x = images()
    near(Downsample(1)(x), x, 1e-6)


def test_side_not_divisible():
    with pytest.raises(InputError, match="factor 4 does not divide the image's 16x18"):
        Downsample(4)(images(1, 16, 18))
    with pytest.raises(InputError, match="18x16"):
        Downsample(4, "area")(images(1, 18, 16))
    with pytest.raises(InputError, match="18x16"):
        Downsample(4, "unknown").observe(images(1, 18, 16), [0])


def test_bad_options():
    with pytest.raises(InputError, match="factor is 0"):
        Downsample(0)
    with pytest.raises(InputError, match="filter is 'nearest'"):
        Downsample(2, "nearest")
