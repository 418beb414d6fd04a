"""What every degradation must do; each one's test class inherits it."""

from typing import Any

import pytest
import torch
from jsonargparse import ArgumentParser
from torch import Tensor, nn

from lit_nst.degradations import Degradation
from lit_nst.functional.random import generator

ROWS = [3, 7]


def images(count: int = 2, height: int = 16, width: int = 24, key: int = 0) -> Tensor:
    """Independent pixels, clear of 0 and 1."""
    return 0.1 + 0.8 * torch.rand(count, 3, height, width, generator=generator(key, "images"))


def natural(count: int = 2, height: int = 64, width: int = 64, key: int = 0) -> Tensor:
    """Soft patches of colour with a little grain."""
    coarse = torch.rand(count, 3, 6, 6, generator=generator(key, "coarse"))
    grain = torch.rand(count, 3, height, width, generator=generator(key, "grain"))
    soft = nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return (0.1 + 0.8 * soft + 0.04 * (grain - 0.5)).clamp(0, 1)


def pull(operator: nn.Module, at: Tensor, y: Tensor) -> Tensor:
    """The transposed Jacobian at an image, times y."""
    at = at.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(operator(at), at, y)
    return gradient


def near(a: Tensor, b: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(a, b, atol=tolerance, rtol=0)


class DegradationContract:
    """Inherit, and set ``kind`` and ``options`` (a small case of it)."""

    kind: type[Degradation]
    options: dict[str, Any] = {}  # noqa: RUF012
    shrinks = 1
    linear = True
    smooth = True
    random = False
    overshoot = 1e-6

    @pytest.fixture
    def operator(self) -> Degradation:
        return self.kind(**self.options)

    def observe_near_forward(self, operator: Degradation) -> None:
        x = images()
        assert torch.equal(operator.observe(x, ROWS), operator(x))

    def test_shape(self, operator: Degradation) -> None:
        x = images()
        expected = (2, 3, 16 // self.shrinks, 24 // self.shrinks)
        assert operator(x).shape == expected
        assert operator.observe(x, ROWS).shape == expected

    def test_precision_and_layout(self, operator: Degradation) -> None:
        x = images()
        plain = operator(x)
        assert operator(x.double()).dtype == torch.float64
        near(operator(x.double()).float(), plain, 1e-5)
        near(operator(x.to(memory_format=torch.channels_last)), plain, 1e-6)

    def test_range(self, operator: Degradation) -> None:
        x = torch.rand(4, 3, 16, 24, generator=generator(0, "range")).round()
        y = operator(x)
        assert y.min() >= -self.overshoot
        assert y.max() <= 1 + self.overshoot

    def test_gradient_is_finite_and_reaches_the_image(self, operator: Degradation) -> None:
        x = images().requires_grad_()
        y = operator(x)
        y.square().sum().backward()
        assert x.grad is not None
        assert x.grad.isfinite().all()
        assert x.grad.abs().sum(dim=(1, 2, 3)).min() > 0

    def test_observe_near_forward(self, operator: Degradation) -> None:
        self.observe_near_forward(operator)

    def test_observe_leaves_the_image_alone(self, operator: Degradation) -> None:
        x = images()
        operator.observe(x, ROWS)
        operator(x)
        assert torch.equal(x, images())

    def test_rows_are_independent(self, operator: Degradation) -> None:
        x = images(3)
        forward, observed = operator(x), operator.observe(x, [5, 3, 7])
        for i, row in enumerate([5, 3, 7]):
            near(operator(x[i : i + 1])[0], forward[i], 1e-6)
            near(operator.observe(x[i : i + 1], [row])[0], observed[i], 1e-6)

    def test_same_seed_same_measurement(self, operator: Degradation) -> None:
        x = images()
        first = operator.observe(x, ROWS)
        torch.rand(5)
        assert torch.equal(self.kind(**self.options).observe(x, ROWS), first)

    def test_global_stream_is_untouched(self, operator: Degradation) -> None:
        before = torch.get_rng_state()
        operator.observe(images(), ROWS)
        operator(images())
        assert torch.equal(torch.get_rng_state(), before)

    def test_random_numbers_are_keyed_by_row_and_seed(self, operator: Degradation) -> None:
        if not self.random:
            pytest.skip("no random numbers per row")
        # A draw out of few may be the same for two rows, not for twelve.
        x, rows = images(1).expand(12, -1, -1, -1), range(12)
        first = operator.observe(x, rows)
        assert not torch.equal(operator.observe(x, range(12, 24)), first)
        assert not torch.equal(self.kind(**{**self.options, "seed": 99}).observe(x, rows), first)

    def test_moves_and_keeps_nothing_in_the_checkpoint(self, operator: Degradation) -> None:
        x = images()
        before = operator(x)
        assert not operator.state_dict()
        assert not list(operator.parameters())
        moved = operator.to(torch.float64)
        near(moved(x.double()).float(), before, 1e-5)
        assert not moved.state_dict()

    def test_autocast_changes_nothing(self, operator: Degradation) -> None:
        x = images()
        plain = operator(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            near(operator(x), plain, 1e-6)

    def test_usable_after_inference_mode(self, operator: Degradation) -> None:
        with torch.inference_mode():
            operator(images())
        assert pull(operator, images(), operator(images())).isfinite().all()

    def test_linear(self, operator: Degradation) -> None:
        if not self.linear:
            pytest.skip("not linear")
        a, b = images(key=1).double(), images(key=2).double()
        near(operator(0.6 * a - 1.7 * b), 0.6 * operator(a) - 1.7 * operator(b), 1e-12)

    def test_adjoint(self, operator: Degradation) -> None:
        if not self.linear:
            pytest.skip("not linear")
        x = images(key=1).double()
        y = torch.rand(operator(x).shape, generator=generator(0, "y"), dtype=torch.float64)
        back = pull(operator, images(key=3).double(), y)
        torch.testing.assert_close((operator(x) * y).sum(), (x * back).sum(), rtol=1e-12, atol=0)

    def test_gradcheck(self, operator: Degradation) -> None:
        if not self.smooth:
            pytest.skip("not smooth")
        x = images(1, 8, 8).double().requires_grad_()
        assert torch.autograd.gradcheck(operator, (x,), fast_mode=True)

    def test_built_from_a_config(self, operator: Degradation) -> None:
        parser = ArgumentParser()
        parser.add_argument("--operator", type=Degradation)
        path = f"lit_nst.degradations.{self.kind.__name__}"
        config = parser.parse_object({"operator": {"class_path": path, "init_args": self.options}})
        again = parser.parse_string(parser.dump(config))
        built = parser.instantiate(again).operator
        assert torch.equal(built.observe(images(), ROWS), operator.observe(images(), ROWS))
