import copy

import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.functional.random import normal
from lit_nst.optimizers import NormalizedGradient


def make(gradient, lr=0.1, momentum=0.0, start=0.0):
    w = torch.full_like(gradient, start).requires_grad_()
    w.grad = gradient.clone()
    return w, NormalizedGradient([w], lr, momentum)


def test_each_latent_moves_by_the_step_whatever_its_gradient():
    gradient = normal((3, 4, 16), 0) * torch.tensor([1e-20, 1.0, 1e20]).view(3, 1, 1)
    w, optimizer = make(gradient)
    optimizer.step()
    torch.testing.assert_close(w.square().mean(-1).sqrt(), torch.full((3, 4), 0.1))
    direction = torch.nn.functional.cosine_similarity(w.double(), -gradient.double(), dim=-1, eps=0.0)
    torch.testing.assert_close(direction, torch.ones(3, 4, dtype=torch.float64))


def test_a_latent_without_gradient_stays():
    w, optimizer = make(torch.zeros(2, 3, 4), start=1.0)
    optimizer.step()
    assert (w == 1).all()


def test_no_farther_than_steps_times_step():
    w, optimizer = make(normal((1, 2, 8), 1))
    for step in range(20):
        w.grad = normal((1, 2, 8), 1, step)
        optimizer.step()
    assert (w.square().mean(-1).sqrt() <= 20 * 0.1 + 1e-5).all()


def test_momentum_is_the_unbiased_mean_of_directions():
    first, second = normal((1, 1, 8), 2), normal((1, 1, 8), 3)
    w, optimizer = make(first, momentum=0.5)
    optimizer.step()
    unit = [x / x.norm() * 8**0.5 for x in (first, second)]
    torch.testing.assert_close(w.detach(), -0.1 * unit[0])
    w.grad = second
    optimizer.step()
    torch.testing.assert_close(w.detach(), -0.1 * (unit[0] + (unit[0] + 2 * unit[1]) / 3))


def test_state_goes_on():
    w, optimizer = make(normal((2, 1, 8), 4), momentum=0.9)
    optimizer.step()
    saved = copy.deepcopy(optimizer.state_dict())
    other = w.detach().clone().requires_grad_()
    again = NormalizedGradient([other], 0.1, 0.9)
    again.load_state_dict(saved)
    w.grad = other.grad = normal((2, 1, 8), 5)
    optimizer.step()
    again.step()
    assert torch.equal(w, other)


@pytest.mark.parametrize("options", [{"lr": 0.0}, {"lr": float("nan")}, {"momentum": 1.0}, {"momentum": -0.1}])
def test_bad_settings(options):
    with pytest.raises(InputError, match="NormalizedGradient"):
        NormalizedGradient([torch.zeros(1, requires_grad=True)], **options)
