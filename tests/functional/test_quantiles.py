import numpy as np
import pytest
import torch

from lit_nst.functional.quantiles import resample, wasserstein_1d
from lit_nst.functional.random import normal


def ordered(length, key="x", rows=2):
    return normal((rows, 3, length), key).sort(-1).values


@pytest.mark.parametrize("length", [1, 4, 9, 40])
def test_equals_numpys_interpolation(length):
    x = ordered(9)
    own, asked = (np.arange(9) + 0.5) / 9, (np.arange(length) + 0.5) / length
    expected = np.stack([[np.interp(asked, own, values) for values in row] for row in x.numpy()])
    torch.testing.assert_close(resample(x, length), torch.from_numpy(expected).float(), atol=1e-5, rtol=1e-5)


def test_the_same_length_is_the_same():
    x = ordered(9)
    assert resample(x, 9) is x


@pytest.mark.parametrize("times", [2, 3, 4, 9])
def test_a_repeated_picture_has_the_same_quantiles(times):
    x = ordered(7)
    torch.testing.assert_close(resample(x.repeat_interleave(times, -1), 7), x)
    repeated = x.repeat_interleave(times, -1)
    torch.testing.assert_close(wasserstein_1d(x, repeated), torch.zeros(2), atol=1e-12, rtol=0)


def test_distance_by_hand():
    a, b = torch.tensor([[[0.0, 1.0], [5.0, 6.0]]]), torch.tensor([[[2.0, 2.0], [5.0, 9.0]]])
    assert wasserstein_1d(a, b).tolist() == [(4 + 1 + 0 + 9) / 4]


def test_no_other_pairing_is_cheaper():
    a, b = ordered(5, "a", 1)[:, :1], ordered(5, "b", 1)[:, :1]
    order = torch.stack([torch.randperm(5, generator=torch.Generator().manual_seed(i)) for i in range(200)])
    others = (a[0, 0] - b[0, 0][order]).square().mean(1)
    assert wasserstein_1d(a, b).item() <= others.min().item() + 1e-7
