import math

import pytest
import torch
from torch.nn import functional as F

from lit_nst.degradations import MotionBlur
from lit_nst.errors import InputError
from tests.contracts_degradation import DegradationContract, images, near


class TestStraight(DegradationContract):
    kind = MotionBlur
    options = {"length": 5.0, "angle": 30.0}  # noqa: RUF012


class TestWinding(DegradationContract):
    kind = MotionBlur
    options = {"intensity": 0.5, "size": 11, "seed": 3}  # noqa: RUF012


def moments(kernel):
    """Mean (x, y) and covariance of a kernel as a distribution over its pixels."""
    radius = kernel.shape[-1] // 2
    axis = torch.arange(-radius, radius + 1, dtype=torch.float64)
    points = torch.stack((axis.expand(len(axis), -1), axis[:, None].expand(-1, len(axis))), -1).flatten(0, 1)
    weights = kernel.double().flatten() / kernel.double().sum()
    mean = weights @ points
    return mean, (points - mean).T @ ((points - mean) * weights[:, None])


@pytest.mark.parametrize("options", [{"length": 7.3, "angle": 25.0}, {"intensity": 0.7, "size": 21, "seed": 1}])
def test_equals_a_convolution(options):
    operator, x = MotionBlur(**options), images(2, 24, 37).double()
    kernel = operator.kernel.double()
    radius = len(kernel) // 2
    padded = F.pad(x, (radius,) * 4, mode="reflect")
    # conv2d is a correlation.
    expected = F.conv2d(padded, kernel.flip(0, 1).expand(3, 1, -1, -1), groups=3)
    near(operator(x), expected, 1e-12)
    near(operator(x.float()), expected.float(), 1e-6)


def test_line_by_hand():
    # Integrals of the tent functions over ±1.5.
    taps = torch.tensor([0.125, 0.875, 1.0, 0.875, 0.125]) / 3
    near(MotionBlur(length=3.0).kernel, torch.diag(torch.eye(5)[2]) @ taps.expand(5, -1), 1e-7)
    near(MotionBlur(length=3.0, angle=90.0).kernel, MotionBlur(length=3.0).kernel.mT, 1e-7)


def test_angles_go_counter_clockwise():
    kernel = MotionBlur(length=9.0, angle=45.0).kernel
    assert kernel[0, -1] + kernel[-1, 0] > 0
    assert kernel[0, 0] + kernel[-1, -1] == 0
    near(MotionBlur(length=9.0, angle=225.0).kernel, kernel, 1e-7)


@pytest.mark.parametrize("angle", [0.0, 17.0, 90.0, 135.0])
@pytest.mark.parametrize("length", [1.0, 8.5, 40.0])
def test_length_and_direction_are_those_of_the_line(length, angle):
    kernel = MotionBlur(length=length, angle=angle).kernel
    mean, covariance = moments(kernel)
    direction = torch.tensor([math.cos(math.radians(angle)), -math.sin(math.radians(angle))]).double()
    assert float(kernel.double().sum()) == pytest.approx(1, abs=1e-6)
    near(mean, torch.zeros(2).double(), 1e-6)
    # Variance of a uniform line, plus that of the interpolation, at most a quarter of a pixel along each axis.
    assert 0 <= float(direction @ covariance @ direction) - length**2 / 12 < 0.26
    across = torch.stack((-direction[1], direction[0]))
    assert 0 <= float(across @ covariance @ across) < 0.26


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("intensity", "size"), [(0.1, 31), (0.5, 61), (1.0, 15)])
def test_random_path(intensity, size, seed):
    kernel = MotionBlur(intensity=intensity, size=size, seed=seed).kernel
    assert len(kernel) <= size
    assert (kernel >= 0).all()
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-5)
    mean, covariance = moments(kernel)
    near(mean, torch.zeros(2).double(), 0.01)
    # It moves: by at least a twentieth of the kernel in some direction.
    assert torch.linalg.eigvalsh(covariance)[-1].sqrt() > size / 20
    # The path is in one piece: no empty row between two others.
    filled = kernel.any(1).nonzero().flatten()
    assert len(filled) == filled[-1] - filled[0] + 1


def test_seed_and_intensity_choose_the_path():
    first = MotionBlur(intensity=0.5, size=61, seed=4).kernel
    assert torch.equal(MotionBlur(intensity=0.5, size=61, seed=4).kernel, first)
    others = [MotionBlur(intensity=0.5, size=61, seed=5), MotionBlur(intensity=0.6, size=61, seed=4)]
    assert all(other.kernel.shape != first.shape or not torch.equal(other.kernel, first) for other in others)


def test_more_intensity_winds_more():
    def straightness(intensity):
        spreads = [torch.linalg.eigvalsh(moments(MotionBlur(intensity=intensity, seed=s).kernel)[1]) for s in range(30)]
        return sum(float((small / large).sqrt()) for small, large in spreads) / 30

    assert straightness(0.1) < 0.6 * straightness(0.5) < 0.6 * straightness(1.0) + 0.2


def test_constant_stays():
    for level in (0.0, 0.4, 1.0):
        x = torch.full((1, 3, 40, 48), level)
        near(MotionBlur(intensity=0.5, size=61)(x), x, 1e-6)


def test_path_larger_than_the_image():
    blur = MotionBlur(length=14.0)
    assert blur(images(1, 8, 16)).shape == (1, 3, 8, 16)
    with pytest.raises(InputError, match="the path reaches 7 pixels, the image has 7; give less length or size"):
        blur(images(1, 16, 7))


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"length": 0.0}, "length is 0.0"),
        ({"length": math.inf}, "length"),
        ({"angle": math.nan}, "angle"),
        ({"intensity": -0.1}, "intensity"),
        ({"intensity": 1.1}, "intensity"),
        ({"size": 60}, "size is 60"),
        ({"size": 1}, "size"),
    ],
)
def test_bad_options(options, name):
    with pytest.raises(InputError, match=name):
        MotionBlur(**options)
