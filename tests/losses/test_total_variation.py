from typing import ClassVar

import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.functional.total_variation import total_variation
from lit_nst.losses import TotalVariation
from tests.contracts_loss import RegulariserContract


class TestTotalVariation(RegulariserContract):
    regulariser = TotalVariation
    judges = "image"


class TestSquaredTotalVariation(RegulariserContract):
    regulariser = TotalVariation
    init_args: ClassVar = {"power": 2.0}
    judges = "image"


def test_it_is_the_weighted_function():
    image = torch.rand(2, 3, 5, 4)
    expected = 0.25 * total_variation(image, 1.5)
    assert torch.equal(TotalVariation(0.25, 1.5)(image, torch.zeros(2, 1)), expected)


def test_default_weight():
    assert TotalVariation().weight == 1e-4
    assert TotalVariation().power == 1


def test_powers_below_one_are_refused():
    with pytest.raises(InputError, match=r"^TotalVariation: power is 0.5; give 1 to 100$"):
        TotalVariation(power=0.5)
