"""Chains of operators, in any order."""

import itertools
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

import lit_nst.degradations
from lit_nst.degradations import (
    JPEG,
    Degradation,
    Downsample,
    GaussianBlur,
    Grayscale,
    Mask,
    MotionBlur,
    Noise,
    Quantize,
)
from lit_nst.errors import InputError
from tests.contracts_degradation import ROWS, images, near, pull

Make = Callable[[], Degradation]

LINEAR: dict[str, Make] = {
    "area": lambda: Downsample(factor=2, filter="area"),
    "bicubic": lambda: Downsample(factor=2),
    "blur": lambda: GaussianBlur(sigma=0.7),
    "box": lambda: Mask(box=[0.25, 0.25, 0.75, 0.5]),
    "dropped": lambda: Mask(drop=0.3),
    "grey": lambda: Grayscale(),
    "motion": lambda: MotionBlur(length=3.5, angle=30.0),
    "noise": lambda: Noise(sigma=0.05, photons=50.0, drop=0.1),
    "quantize": lambda: Quantize(),
    "strokes": lambda: Mask(strokes=1, width=0.2),
    "unknown": lambda: Downsample(factor=2, filter="unknown"),
    "winding": lambda: MotionBlur(intensity=0.5, size=7),
}
EVERY: dict[str, Make] = {
    **LINEAR,
    "jpeg": lambda: JPEG(quality=30),
    "jpeg444": lambda: JPEG(quality=30, subsampling=False),
}
PAIRS = list(itertools.product(EVERY, EVERY))


def chain(names: Sequence[str]) -> nn.Sequential:
    return nn.Sequential(*(EVERY[name]() for name in names))


def observe_all(operators: nn.Sequential, image: Tensor, rows: Sequence[int]) -> Tensor:
    """The measurement of a chain."""
    for operator in operators:
        assert isinstance(operator, Degradation)
        image = operator.observe(image, rows)
    return image


def test_every_kind_is_here():
    kinds = {name for name in lit_nst.degradations.__all__ if name != "Degradation"}
    assert {type(make()).__name__ for make in EVERY.values()} == kinds


@pytest.mark.parametrize("names", PAIRS, ids="-".join)
def test_pairs(names):
    operators, x = chain(names), images().requires_grad_()
    y = operators(x)
    y.square().sum().backward()
    measurement = observe_all(operators, images(), ROWS)
    assert measurement.shape == y.shape
    assert measurement.isfinite().all()
    assert y.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad.flatten(1).any(1).all()
    assert torch.equal(observe_all(chain(names), images(), ROWS), measurement)
    # A row's measurement is its own, whatever else is in the batch.
    near(observe_all(operators, images()[1:], ROWS[1:])[0], measurement[1], 1e-6)


@pytest.mark.parametrize("names", [*((name,) for name in LINEAR), *itertools.permutations(LINEAR, 2)], ids="-".join)
def test_adjoint(names):
    operators = chain(names)
    x = images(1, key=1).double()
    y = torch.rand(operators(x).shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    back = pull(operators, images(1, key=3).double(), y)
    torch.testing.assert_close((operators(x) * y).sum(), (x * back).sum(), rtol=1e-12, atol=0)


def test_mask_after_downsampling_acts_at_the_small_size():
    mask = Mask(box=[0.0, 0.0, 0.5, 1.0])
    small = nn.Sequential(Downsample(4, "area"), mask)(images(1, 16, 32))
    assert mask.hole.shape == (1, 1, 4, 8)
    assert not small[..., :4].any()
    near(small[..., 4:], Downsample(4, "area")(images(1, 16, 32))[..., 4:], 0)


def test_given_mask_after_downsampling_must_have_the_small_size():
    mask = Mask()
    mask.attach(torch.eye(4).view(1, 1, 4, 4))
    small = nn.Sequential(Downsample(4, "area"), mask)(images(1, 16, 16))
    assert not small.diagonal(dim1=-2, dim2=-1).any()
    with pytest.raises(InputError, match="the mask is 4x4, the image 16x16; give a mask of that size"):
        nn.Sequential(mask, Downsample(4, "area"))(images(1, 16, 16))


def test_order_matters():
    before, after = chain(["bicubic", "jpeg"]), chain(["jpeg", "bicubic"])
    assert not torch.equal(observe_all(before, images(), ROWS), observe_all(after, images(), ROWS))


def test_two_of_one_kind_draw_their_own_numbers_by_seed():
    grey = torch.full((1, 3, 64, 64), 0.5)
    same = nn.Sequential(Noise(sigma=0.1), Noise(sigma=0.1))
    own = nn.Sequential(Noise(sigma=0.1), Noise(sigma=0.1, seed=1))
    assert float(observe_all(same, grey, [0]).std()) == pytest.approx(0.2, rel=0.05)
    assert float(observe_all(own, grey, [0]).std()) == pytest.approx(0.1414, rel=0.05)


def test_all_at_once():
    names = ["blur", "winding", "unknown", "quantize", "noise", "quantize", "jpeg", "strokes", "grey"]
    operators, x = chain(names), images().requires_grad_()
    operators(x).sum().backward()
    assert x.grad is not None
    assert x.grad.flatten(1).any(1).all()
    assert observe_all(operators, images(), ROWS).isfinite().all()
