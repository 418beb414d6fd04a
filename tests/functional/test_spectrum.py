import pytest
import torch

from lit_nst.functional.random import normal
from lit_nst.functional.spectrum import scale_frequencies


@pytest.mark.parametrize("size", [(16, 16), (9, 14), (7, 5), (1, 1)])
def test_minus_the_power_undoes_it(size):
    x = normal((2, 3, *size), "x")
    torch.testing.assert_close(scale_frequencies(scale_frequencies(x, 0.7), -0.7), x, atol=1e-5, rtol=0)


def test_a_wave_is_scaled_by_its_frequency():
    position = torch.arange(32.0)
    waves = [torch.cos(2 * torch.pi * k * position / 32).expand(1, 1, 32, 32) for k in (2, 8)]
    two, eight = (scale_frequencies(wave, 0.5).std() / wave.std() for wave in waves)
    assert float(two / eight) == pytest.approx(2.0, rel=1e-5)


def test_white_noise_keeps_its_variance():
    noise = normal((8, 3, 64, 48), "noise")
    assert float(scale_frequencies(noise, 0.5).std()) == pytest.approx(1.0, abs=0.02)


def test_rows_are_their_own():
    x = normal((4, 3, 12, 10), "rows")
    assert torch.equal(scale_frequencies(x, 0.5)[2:3], scale_frequencies(x[2:3], 0.5))


def test_linear_with_a_right_gradient():
    x = normal((1, 2, 5, 6), "g").double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: scale_frequencies(x, 0.5), x)
