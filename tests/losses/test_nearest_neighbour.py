from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F

from lit_nst.errors import InputError
from lit_nst.functional.random import normal
from lit_nst.losses import NearestNeighbourLoss
from tests.contracts_loss import LossContract, StyleLossContract


class TestNearestNeighbourLoss(StyleLossContract, LossContract):
    loss = NearestNeighbourLoss
    init_args: ClassVar = {"layers": ["relu1_1", "conv2_1"]}
    shape: ClassVar = (2, 3, 4, 5)


class TestPatches(StyleLossContract, LossContract):
    loss = NearestNeighbourLoss
    init_args: ClassVar = {"layers": ["relu1_1", "conv2_1"], "patch": 3}
    shape: ClassVar = (2, 3, 4, 5)
    local: ClassVar = True


def value(a, b, **options):
    loss = NearestNeighbourLoss(["x"], **options)
    return loss({"x": a}, loss.measure({"x": b})).item()


def by_hand(a, b, patch):
    """Mean over the patches of ``a`` of the smallest cosine distance to one of ``b``, by loops."""
    cut = [
        [
            x[:, i : i + patch, j : j + patch].flatten()
            for i in range(x.shape[1] - patch + 1)
            for j in range(x.shape[2] - patch + 1)
        ]
        for x in (a, b)
    ]
    mean = torch.stack(cut[1]).mean(0)
    best = [min(1 - F.cosine_similarity(p - mean, q - mean, dim=0).item() for q in cut[1]) for p in cut[0]]
    return sum(best) / len(best)


@pytest.mark.parametrize("patch", [1, 2, 3])
def test_equal_to_loops(patch):
    a, b = 1 + normal((1, 4, 5, 4), "a"), normal((1, 4, 3, 6), "b")
    assert value(a, b, patch=patch) == pytest.approx(by_hand(a[0], b[0], patch), rel=1e-4)


def test_values_by_hand():
    # The target's mean is 0; its only directions are along the first channel.
    b = torch.tensor([[[[1.0, -1.0]], [[0.0, 0.0]]]])
    assert value(torch.tensor([[[[3.0, -5.0]], [[0.0, 0.0]]]]), b) == pytest.approx(0, abs=1e-6)
    assert value(torch.tensor([[[[0.0, 0.0]], [[1.0, 7.0]]]]), b) == pytest.approx(1)
    assert value(torch.tensor([[[[1.0, 1.0]], [[1.0, -1.0]]]]), b) == pytest.approx(1 - 0.5**0.5)


def test_a_target_of_one_feature_is_half_away():
    b = torch.tensor([2.0, 1.0]).reshape(1, 2, 1, 1).expand(1, 2, 3, 3)
    assert value(normal((1, 2, 4, 4), "a"), b) == pytest.approx(0.5, rel=1e-5)
    assert value(b, b) == 0


def test_no_picture_is_farther_than_one():
    for key in range(20):
        a, b = 5 + 2 * normal((1, 3, 4, 4), "a", key), normal((1, 3, 2, 2), "b", key).abs()
        assert value(a, b) <= 1 + 1e-6


def test_a_part_of_the_target_is_as_good_as_all_of_it():
    b = normal((1, 4, 6, 6), "b")
    assert value(b[..., 1:5, 2:], b) == pytest.approx(0, abs=1e-6)
    assert value(b[..., 1:5, 2:], b, patch=3) == pytest.approx(0, abs=1e-6)
    assert value(b, b[..., 1:5, 2:]) > 0.01


def test_statistics_are_the_mean_and_the_positions():
    x = normal((2, 4, 3, 5), "x")
    positions = NearestNeighbourLoss(["x"]).statistics(x)
    torch.testing.assert_close(positions[:, 0], x.mean((2, 3)))
    assert torch.equal(positions[1, 1 + 7], x[1, :, 1, 2])
    patches = NearestNeighbourLoss(["x"], patch=2).statistics(x)
    assert patches.shape == (2, 1 + 2 * 4, 4 * 4)
    assert torch.equal(patches[1, 1 + 5], x[1, :, 1:3, 1:3].flatten())


def test_a_map_smaller_than_a_patch_is_extended():
    x = torch.tensor([[[[1.0], [2.0]]]])
    patches = NearestNeighbourLoss(["x"], patch=3).statistics(x)
    assert patches.tolist() == [[[1, 1, 1, 2, 2, 2, 2, 2, 2]] * 2]


def test_a_blend_offers_all_positions():
    a, b = normal((1, 4, 3, 3), "a"), normal((1, 4, 5, 5), "b")
    loss = NearestNeighbourLoss(["x"])
    blended = loss.blend([loss.statistics(a), loss.statistics(b)], [1, 9])
    assert blended.shape == (1, 1 + 9 + 25, 4)
    torch.testing.assert_close(blended[:, 0], torch.cat([a.flatten(2), b.flatten(2)], 2).mean(2))
    assert loss.distance(loss.statistics(a), blended).item() == pytest.approx(0, abs=1e-6)
    assert loss.distance(loss.statistics(b), blended).item() == pytest.approx(0, abs=1e-6)


def test_a_patch_at_least():
    with pytest.raises(InputError, match=r"^NearestNeighbourLoss: patch is 0; give 1 to 64$"):
        NearestNeighbourLoss(["x"], patch=0)
