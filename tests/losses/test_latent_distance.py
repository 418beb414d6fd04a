import pytest
import torch

from lit_nst.functional.random import normal
from lit_nst.losses import LatentDistance
from tests.contracts_loss import RegulariserContract, assert_rounding_is_the_same_in_a_batch_and_on_two_threads

IMAGE = torch.zeros(1, 3, 2, 2)


class TestLatentDistance(RegulariserContract):
    regulariser = LatentDistance
    judges = "latent"


def test_by_hand():
    assert LatentDistance(0.5)(IMAGE, torch.tensor([[1.0, -3.0]])).tolist() == [2.5]


@pytest.mark.parametrize("shape", [(1, 40_000), (1, 14, 512), (1, 4, 64, 64)])
def test_one_for_a_typical_sample_of_any_size(shape):
    assert LatentDistance(1)(IMAGE, normal(shape, "sample")).item() == pytest.approx(1, abs=0.03)


def test_default_weight():
    assert LatentDistance().weight == 0.001


def test_rounding_at_full_size():
    term = LatentDistance()
    latents = normal((3, 18, 4096), "latents")
    assert_rounding_is_the_same_in_a_batch_and_on_two_threads(lambda latent: term(IMAGE, latent), latents)
