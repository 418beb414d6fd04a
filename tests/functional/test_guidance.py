import pytest
import torch

from lit_nst.functional.guidance import (
    classifier_free,
    percentile_clamp,
    projected,
    rescaled,
    row_rms,
    spherical,
)
from lit_nst.functional.random import normal


def rows(key, count=3):
    """Rows of very different size."""
    return normal((count, 4, 6, 5), key).double() * torch.tensor([1.0, 7.0, 0.2]).view(-1, 1, 1, 1)[:count]


def close(a, b):
    torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-12)


FUNCTIONS = {
    "classifier_free": lambda a, b: classifier_free(a, b, 7.5),
    "rescaled": lambda a, b: rescaled(a, b, 0.7),
    "projected": lambda a, b: projected(a, b, 7.5, 0.3, 4.0),
    "percentile_clamp": lambda a, b: percentile_clamp(a, 90.0, 0.1),
    "spherical": lambda a, b: spherical(a, b, 0.2),
    "row_rms": lambda a, b: row_rms(a),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_rows_are_their_own(name):
    a, b = rows("a").float(), rows("b").float()
    whole = FUNCTIONS[name](a, b)
    for row in range(3):
        assert torch.equal(whole[row : row + 1], FUNCTIONS[name](a[row : row + 1], b[row : row + 1]))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_keeps_the_type(name):
    for dtype in (torch.float32, torch.float64):
        assert FUNCTIONS[name](rows("a").to(dtype), rows("b").to(dtype)).dtype == dtype


def test_rms_equals_the_norm():
    x = rows("x")
    close(row_rms(x).flatten(), x.flatten(1).norm(dim=1) / 120**0.5)
    assert row_rms(x).shape == (3, 1, 1, 1)


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_rms_neither_vanishes_nor_overflows(size):
    x = rows("x").float()
    torch.testing.assert_close(row_rms(x * size) / size, row_rms(x), atol=0, rtol=1e-5)
    assert float(row_rms(torch.zeros(1, 3))) == 0.0


def test_classifier_free_equals_diffusers():
    guider = pytest.importorskip("diffusers.guiders").ClassifierFreeGuidance(guidance_scale=7.5)
    c, u = rows("c"), rows("u")
    close(classifier_free(c, u, 7.5), guider.forward(c, u).pred)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_rescaled_equals_diffusers(share):
    reference = pytest.importorskip("diffusers.guiders.guider_utils").rescale_noise_cfg
    guided, c = rows("g"), rows("c") + 3.0
    close(rescaled(guided, c, share), reference(guided, c, share))


def test_rescaled_by_nothing_is_the_same_tensor_and_a_flat_row_stays():
    guided = rows("g")
    assert rescaled(guided, rows("c"), 0.0) is guided
    flat = torch.full((1, 2, 2), 3.0)
    assert torch.equal(rescaled(flat, normal((1, 2, 2), "c"), 0.7), flat)


@pytest.mark.parametrize("parallel", [0.0, 0.4])
@pytest.mark.parametrize("threshold", [None, 5.0])
def test_projected_equals_diffusers(parallel, threshold):
    module = pytest.importorskip("diffusers.guiders.adaptive_projected_guidance")
    c, u = rows("c"), rows("u")
    expected = module.normalized_guidance(
        c, u, 6.5, eta=parallel, norm_threshold=threshold or 0.0, use_original_formulation=True
    )
    close(projected(c, u, 7.5, parallel, threshold), expected)


def test_projected_with_all_of_the_parallel_part_is_classifier_free():
    c, u = rows("c"), rows("u")
    close(projected(c, u, 7.5, 1.0), classifier_free(c, u, 7.5))
    close(projected(c, u, 7.5, 1.0, 1e6), classifier_free(c, u, 7.5))


def test_projected_limits_each_row_to_the_threshold():
    c, u = rows("c"), rows("u")
    change = (projected(c, u, 2.0, 1.0, 5.0) - c).flatten(1).norm(dim=1)
    close(change, (c - u).flatten(1).norm(dim=1).clamp_max(5.0))
    assert sorted({float(v) < 4.9 for v in change}) == [False, True]


def test_projected_with_equal_or_zero_predictions_is_finite():
    c, zero = rows("c"), torch.zeros(3, 4, 6, 5, dtype=torch.float64)
    close(projected(c, c, 7.5, 0.0, 1.0), c)
    close(projected(zero, c, 7.5), -6.5 * c)


def test_clamp_equals_dynamic_thresholding_times_its_bound():
    scheduler = pytest.importorskip("diffusers").DDPMScheduler(
        thresholding=True, dynamic_thresholding_ratio=0.9, sample_max_value=1e9
    )
    x = rows("x")
    bound = x.abs().flatten(1).quantile(0.9, dim=1).clamp_min(1.0).view(3, 1, 1, 1)
    close(percentile_clamp(x, 90.0), scheduler._threshold_sample(x) * bound)


def test_clamp_never_goes_below_the_limit_and_leaves_the_inside_alone():
    x = rows("x")
    assert torch.equal(percentile_clamp(x, 100.0), x)
    clamped = percentile_clamp(x, 50.0, 2.0)
    assert torch.equal(clamped[2], x[2])
    assert float(clamped[0].abs().amax()) == 2.0
    assert float(clamped[1].abs().amax()) == pytest.approx(float(x[1].abs().flatten().quantile(0.5)), rel=1e-12)
    assert percentile_clamp(x.half(), 90.0).dtype == torch.float16


def test_spherical_keeps_the_length_and_turns_towards_the_direction():
    noise, direction = rows("n"), rows("d") * 1e-4
    before = torch.cosine_similarity(noise.flatten(1), direction.flatten(1))
    for share in (0.1, 0.6):
        turned = spherical(noise, direction, share)
        close(turned.flatten(1).norm(dim=1), noise.flatten(1).norm(dim=1))
        after = torch.cosine_similarity(turned.flatten(1), direction.flatten(1))
        assert bool((after > before + 0.05).all())
        before = after
    close(spherical(noise, direction, 1.0), direction * row_rms(noise) / row_rms(direction))


def test_spherical_lies_in_the_plane_of_both_at_the_papers_mix():
    n, g = rows("n", 1), rows("d", 1)
    unit_n, unit_g = n / n.norm(), g / g.norm()
    expected = 0.8 * unit_n + 0.2 * unit_g
    close(spherical(n, g, 0.2), expected / expected.norm() * n.norm())


def test_spherical_does_not_know_the_size_of_the_gradient():
    noise, direction = rows("n"), rows("d")
    for size in (1e-4, 1e4):
        close(spherical(noise, direction * size, 0.3), spherical(noise, direction, 0.3))


def test_spherical_leaves_rows_without_direction_or_share_bit_for_bit():
    noise = rows("n").float()
    direction = rows("d").float()
    direction[0], direction[1, 0, 0, 0] = 0.0, float("nan")
    turned = spherical(noise, direction, 0.5)
    assert torch.equal(turned[:2], noise[:2])
    assert not torch.equal(turned[2], noise[2])
    direction[2, 0, 0, 0] = float("inf")
    assert torch.equal(spherical(noise, direction, 0.5), noise)
    assert torch.equal(spherical(noise, rows("d").float(), 0.0), noise)
    assert torch.equal(spherical(noise, -noise, 0.5), noise)


def test_spherical_takes_a_share_per_row():
    noise, direction = rows("n"), rows("d")
    share = torch.tensor([0.0, 0.2, 1.0], dtype=torch.float64).view(3, 1, 1, 1)
    turned = spherical(noise, direction, share)
    assert torch.equal(turned[0], noise[0])
    for row, value in ((1, 0.2), (2, 1.0)):
        expected = spherical(noise[row : row + 1], direction[row : row + 1], value)
        close(turned[row : row + 1], expected)
