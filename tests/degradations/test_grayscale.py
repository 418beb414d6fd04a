import colorsys

import pytest
import torch

from lit_nst.degradations import Grayscale
from tests.contracts_degradation import DegradationContract, images, near


class TestGrayscale(DegradationContract):
    kind = Grayscale


@pytest.mark.parametrize(("channel", "weight"), [(0, 0.299), (1, 0.587), (2, 0.114)])
def test_weight_of_a_channel(channel, weight):
    x = torch.zeros(1, 3, 2, 2)
    x[:, channel] = 1
    near(Grayscale()(x), torch.full((1, 3, 2, 2), weight), 1e-7)


def test_white_and_grey_stay():
    for level in (0.0, 0.4, 1.0):
        near(Grayscale()(torch.full((1, 3, 2, 2), level)), torch.full((1, 3, 2, 2), level), 1e-6)


def test_is_the_luminance_of_yiq():
    x = images(1, 4, 4)
    expected = [colorsys.rgb_to_yiq(*rgb)[0] for rgb in x[0].flatten(1).T.tolist()]
    # The standard library rounds the row to 0.30, 0.59, 0.11.
    near(Grayscale()(x)[0, 0].flatten(), torch.tensor(expected), 0.005)


def test_twice_is_once():
    x = images()
    near(Grayscale()(Grayscale()(x)), Grayscale()(x), 1e-6)
