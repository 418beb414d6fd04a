from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from lit_nst.errors import InputError
from lit_nst.functional.random import normal
from lit_nst.losses import PixelLoss
from tests.contracts_loss import LossContract, assert_rounding_is_the_same_in_a_batch_and_on_two_threads


class TestSquared(LossContract):
    loss = PixelLoss
    init_args: ClassVar = {}


class TestAbsolutePyramid(LossContract):
    loss = PixelLoss
    init_args: ClassVar = {"power": 1, "scales": 3}


def value(a, b, **options):
    loss = PixelLoss(**options)
    return loss({"image": a}, loss.measure({"image": b})).tolist()


def test_it_compares_the_image():
    assert PixelLoss().layers == ["image"]


def test_by_hand():
    a, b = torch.tensor([[[[1.0, 0.5]]]]), torch.tensor([[[[0.0, 0.5]]]])
    assert value(a, b, power=2) == [0.5]
    assert value(2 * a, 2 * b, power=2) == [2]
    assert value(2 * a, 2 * b, power=1) == [1]


def test_scales_by_hand():
    # Differences 1, 0, 1, 0 in a row: 1/2 at full size, (1/2)² at half, (1/2)² at a quarter.
    a = torch.tensor([[[[1.0, 0.0, 1.0, 0.0]]]])
    assert value(a, torch.zeros_like(a), scales=3) == pytest.approx([(0.5 + 0.25 + 0.25) / 3])


def test_scales_are_pils_box_reductions():
    rng = np.random.RandomState(0)
    a, b = rng.rand(2, 24, 16).astype(np.float32)
    expected = 0
    for factor in (1, 2, 4):
        small = [np.asarray(Image.fromarray(x).reduce(factor)) for x in (a, b)]
        expected += np.abs(small[0] - small[1]).mean() / 3
    tensors = (torch.from_numpy(x)[None, None] for x in (a, b))
    assert value(*tensors, power=1, scales=3) == pytest.approx([expected], rel=1e-5)


def test_more_scales_than_the_picture_has():
    assert value(torch.ones(1, 3, 3, 5), torch.zeros(1, 3, 3, 5), scales=9) == pytest.approx([1])


@pytest.mark.parametrize(
    ("options", "message"),
    [({"power": 3}, "PixelLoss: power is 3; give 1 or 2"), ({"scales": 0}, "PixelLoss: scales is 0; give 1 to 32")],
)
def test_bad_options(options, message):
    with pytest.raises(InputError) as caught:
        PixelLoss(**options)
    assert str(caught.value) == message


def test_rounding_at_full_size():
    loss = PixelLoss(scales=3)
    assert_rounding_is_the_same_in_a_batch_and_on_two_threads(
        lambda a, b: loss({"image": a}, loss.measure({"image": b})), *(normal((8, 3, 125, 127), key) for key in "ab")
    )
