import math

import pytest
import torch
from torchvision.transforms.functional import gaussian_blur

from lit_nst.degradations import GaussianBlur
from lit_nst.errors import InputError
from tests.contracts_degradation import DegradationContract, images, near


class TestGaussianBlur(DegradationContract):
    kind = GaussianBlur
    options = {"sigma": 1.2}  # noqa: RUF012


@pytest.mark.parametrize("sigma", [0.2, 1.0, 2.0, 3.5])
def test_equals_torchvision(sigma):
    x = images(2, 24, 32)
    side = 2 * max(1, math.ceil(3 * sigma)) + 1
    near(GaussianBlur(sigma)(x), gaussian_blur(x, [side, side], [sigma, sigma]), 1e-6)


def test_impulse_by_hand():
    x = torch.zeros(1, 3, 9, 9)
    x[..., 4, 4] = 1
    taps = [math.exp(-i * i / 2) for i in range(-3, 4)]
    kernel = torch.tensor(taps) / sum(taps)
    near(GaussianBlur(1.0)(x)[0, 1, 1:8, 1:8], torch.outer(kernel, kernel), 1e-7)


def test_constant_stays():
    near(GaussianBlur(2.0)(torch.full((1, 3, 16, 16), 0.7)), torch.full((1, 3, 16, 16), 0.7), 1e-6)


def test_kernel_larger_than_the_image():
    assert GaussianBlur(2.0)(images(1, 7, 16)).shape == (1, 3, 7, 16)
    with pytest.raises(InputError, match=r"sigma 2\.0 reaches 6 pixels, the image has 6"):
        GaussianBlur(2.0)(images(1, 16, 6))


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.inf, math.nan])
def test_sigma_must_be_positive(sigma):
    with pytest.raises(InputError, match="sigma"):
        GaussianBlur(sigma)
