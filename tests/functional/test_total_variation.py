import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.functional.random import normal
from lit_nst.functional.total_variation import total_variation
from tests.contracts_loss import assert_rounding_is_the_same_in_a_batch_and_on_two_threads


def test_by_hand():
    image = torch.tensor([[[[0.0, 1.0, 3.0], [0.0, 1.0, 0.0]]]])
    # Across: 1, 2, 1, 1 (mean 5/4); down: 0, 0, 3 (mean 1).
    assert total_variation(image).item() == pytest.approx(1.25 + 1)
    assert total_variation(image, 2).item() == pytest.approx(7 / 4 + 3)


def test_zero_for_one_colour():
    assert total_variation(torch.full((2, 3, 4, 5), 0.7)).tolist() == [0, 0]


@pytest.mark.parametrize("power", [1, 1.5, 2])
def test_gradient_at_equal_neighbours_is_zero(power):
    image = torch.full((1, 1, 3, 3), 0.5, requires_grad=True)
    total_variation(image, power).sum().backward()
    assert torch.equal(image.grad, torch.zeros_like(image))


def test_the_same_for_both_directions():
    image = torch.rand(2, 3, 6, 4)
    torch.testing.assert_close(total_variation(image), total_variation(image.mT))


def test_a_slope_does_not_depend_on_the_size():
    small, large = torch.arange(8.0).expand(1, 1, 4, 8), torch.arange(64.0).expand(1, 1, 32, 64)
    assert total_variation(small).item() == total_variation(large).item() == 1


@pytest.mark.parametrize(("shape", "expected"), [((2, 3, 1, 4), 1), ((2, 3, 4, 1), 0), ((2, 3, 1, 1), 0)])
def test_a_single_pixel_has_no_neighbours(shape, expected):
    assert total_variation(torch.arange(float(shape[-1])).expand(shape)).tolist() == [expected] * 2


def test_powers_below_one_are_refused():
    with pytest.raises(InputError, match=r"^total variation: power is 0.9; give 1 or more$"):
        total_variation(torch.zeros(1, 3, 4, 4), 0.9)


def test_rounding_at_full_size():
    assert_rounding_is_the_same_in_a_batch_and_on_two_threads(total_variation, normal((8, 3, 125, 127), "images"))
