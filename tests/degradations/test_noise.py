import pytest
import torch

from lit_nst.degradations import Degradation, Noise
from lit_nst.errors import InputError
from tests.contracts_degradation import DegradationContract, images, near

LEVELS = torch.tensor([0.1, 0.5, 0.9])


def levels() -> torch.Tensor:
    """A grey level per image, 128×128."""
    return LEVELS.view(3, 1, 1, 1).expand(3, 3, 128, 128)


class NoiseContract(DegradationContract):
    kind = Noise
    random = True

    def observe_near_forward(self, operator: Degradation) -> None:
        x = images(1).expand(200, -1, -1, -1)
        mean = operator.observe(x, range(200)).mean(0)
        # Three tenths of the noise at least; more at single pixels.
        near(mean, operator(x[:1])[0], 0.15)
        near(mean.mean(), operator(x[:1]).mean(), 0.004)


class TestGaussian(NoiseContract):
    options = {"sigma": 0.1}  # noqa: RUF012


class TestAll(NoiseContract):
    options = {"sigma": 0.05, "photons": 24.0, "drop": 0.16, "seed": 5}  # noqa: RUF012


class TestNone(NoiseContract):
    options = {"sigma": 0.0}  # noqa: RUF012
    random = False


@pytest.mark.parametrize(("sigma", "photons"), [(0.1, 0.0), (0.0, 20.0), (0.05, 50.0)])
def test_mean_and_variance(sigma, photons):
    y = Noise(sigma=sigma, photons=photons).observe(levels(), [0, 1, 2]).flatten(1)
    variance = sigma**2 + (LEVELS / photons if photons else 0 * LEVELS)
    near(y.mean(1), LEVELS, 0.004)
    torch.testing.assert_close(y.var(1), variance, rtol=0.03, atol=0)


def test_shot_noise_counts_photons():
    counts = Noise(sigma=0.0, photons=8.0).observe(levels(), [0, 1, 2]) * 8
    near(counts, counts.round(), 1e-5)


def test_drop_takes_whole_pixels():
    y = Noise(sigma=0.1, drop=0.3).observe(levels(), [0, 1, 2])
    lost = y == 0
    assert torch.equal(lost.any(1), lost.all(1))
    near(lost[:, 0].float().mean((1, 2)), torch.full((3,), 0.3), 0.015)
    assert not torch.equal(lost[0], lost[1])


def test_forward_is_the_mean():
    x = images()
    assert torch.equal(Noise(sigma=0.3, photons=9.0)(x), x)
    near(Noise(drop=0.25)(x), 0.75 * x, 1e-7)


def test_not_clamped():
    y = Noise(sigma=0.3).observe(levels().round(), [0, 1, 2])
    assert y.min() < 0
    assert y.max() > 1


def test_negative_values_have_no_photons():
    assert not Noise(sigma=0.0, photons=9.0).observe(torch.full((1, 3, 4, 4), -0.1), [0]).any()


@pytest.mark.parametrize(
    ("options", "name"),
    [({"sigma": -1.0}, "sigma"), ({"photons": -1.0}, "photons"), ({"drop": 1.0}, "drop"), ({"drop": -0.1}, "drop")],
)
def test_bad_options(options, name):
    with pytest.raises(InputError, match=name):
        Noise(**options)
