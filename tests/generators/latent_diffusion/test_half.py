import pytest
import torch

from lit_nst.functional.random import normal
from lit_nst.generators.latent_diffusion.half import in_precision


def network(dtype):
    first, second = (normal((16, 16), "half", i).to(dtype) / 4 for i in range(2))
    return lambda x: torch.tanh(x @ first) @ second


def gradient(dtype, factor):
    x = normal((3, 16), "x").requires_grad_()
    y = in_precision(network(dtype), x, dtype)
    assert y.dtype == torch.float32
    rows = torch.tensor([1.0, 1e-6, 0.0])
    (found,) = torch.autograd.grad((factor * rows * y.square().sum(1)).sum(), x)
    return found


@pytest.mark.parametrize("factor", [1.0, 1e-4, 1e-12, 1e12])
def test_gradient_survives_any_scale_of_the_loss(factor):
    found, wanted = gradient(torch.float16, factor), gradient(torch.float32, factor)
    torch.testing.assert_close(found / factor, wanted / factor, rtol=0.02, atol=2e-8)
    small = torch.cosine_similarity(found[1] / found[1].abs().max(), wanted[1] / wanted[1].abs().max(), 0)
    assert small > 0.999
    assert (found[2] == 0).all()


def test_scale_is_taken_off_exactly():
    assert torch.equal(gradient(torch.float16, 2.0**-40), gradient(torch.float16, 1.0) * 2.0**-40)


def test_gradient_that_is_not_finite_stays_so_in_its_row():
    x = normal((2, 16), "x").requires_grad_()
    y = in_precision(network(torch.float16), x, torch.float16)
    (found,) = torch.autograd.grad((y.sum(1) * torch.tensor([float("nan"), 1.0])).sum(), x)
    assert found[0].isnan().any()
    assert found[1].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_other_precisions_are_left_alone(dtype):
    x = normal((2, 16), "x")
    assert torch.equal(in_precision(network(dtype), x, dtype), network(dtype)(x.to(dtype)).float())
