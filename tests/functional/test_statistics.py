import pytest
import torch

from lit_nst.functional.random import normal
from lit_nst.functional.statistics import covariance, gram, mean_square, moments
from tests.contracts_loss import assert_rounding_is_the_same_in_a_batch

STATISTICS = [gram, mean_square, moments]


@pytest.fixture(params=[torch.contiguous_format, torch.channels_last], ids=["contiguous", "channels_last"])
def x(request):
    return normal((2, 4, 5, 6), "x").add(0.5).double().contiguous(memory_format=request.param)


def test_gram(x):
    torch.testing.assert_close(gram(x), torch.einsum("bihw,bjhw->bij", x, x) / 30)


def test_mean_square(x):
    torch.testing.assert_close(mean_square(x), torch.stack([x.flatten(2).mean(2), (x**2).flatten(2).mean(2)], 1))


def test_moments_give_torchs_covariance(x):
    mean, matrix = covariance(moments(x))
    torch.testing.assert_close(mean, x.flatten(2).mean(2))
    for row in range(2):
        torch.testing.assert_close(matrix[row], torch.cov(x[row].flatten(1), correction=0))


@pytest.mark.parametrize("statistics", STATISTICS)
def test_gradients(statistics, x):
    inputs = [x[..., :2, :3].clone().requires_grad_()]
    assert torch.autograd.gradcheck(statistics, inputs)
    assert torch.autograd.gradgradcheck(statistics, inputs)


@pytest.mark.parametrize("statistics", STATISTICS)
def test_a_gradient_that_is_not_symmetric(statistics, x):
    weight = normal(statistics(x).shape, "weight").double()
    own, plain = x.clone().requires_grad_(), x.clone().requires_grad_()
    (weight * statistics(own)).sum().backward()
    mean, matrix = plain.mean((2, 3))[:, None], torch.einsum("bihw,bjhw->bij", plain, plain) / 30
    expected = {gram: matrix, mean_square: torch.cat([mean, plain.square().mean((2, 3))[:, None]], 1)}
    (weight * expected.get(statistics, torch.cat([mean, matrix], 1))).sum().backward()
    torch.testing.assert_close(own.grad, plain.grad)


@pytest.mark.parametrize("statistics", STATISTICS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(3, 64, 65, 64), (5, 3, 127, 93)])
def test_rounding_does_not_depend_on_the_number_of_rows(statistics, layout, shape):
    assert_rounding_is_the_same_in_a_batch(statistics, normal(shape, "rows").contiguous(memory_format=layout))
