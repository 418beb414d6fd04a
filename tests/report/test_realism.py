import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.functional.random import generator as keyed
from lit_nst.report.realism import feature_realism


def maps(count, seed=0, channels=6, side=5):
    """Maps whose channels go together, each with a level and a spread of its own per picture."""
    random = keyed(seed, "realism")
    factors = torch.randn(count, 2, generator=random) @ torch.randn(2, channels, generator=keyed(7, "realism"))
    level = 3 + factors + 0.3 * torch.randn(count, channels, generator=random)
    texture = torch.rand(count, channels, side, side, generator=random)
    return level[:, :, None, None] + texture * (1 + 0.2 * torch.rand(count, channels, 1, 1, generator=random))


def slow(results, samples):
    """The definition: each sample from mean and covariance of the others, by an inverse each time."""

    def pooled(feature):
        return torch.cat([feature.double().mean((2, 3)), feature.double().flatten(2).std(2, correction=0)], 1)

    x, new = pooled(samples), pooled(results)
    x, new = x / x.std(0), new / x.std(0)
    n, size = x.shape
    s = x.T.cov()
    square, trace = s.square().sum(), s.trace() ** 2
    rho = min(1.0, float(((1 - 2 / size) * square + trace) / ((n + 1 - 2 / size) * (square - trace / size))))

    def distance(y, own):
        centred = own - own.mean(0)
        # The number of all samples stays in the divisor.
        shrunk = (1 - rho) * centred.T @ centred / (n - 1) + rho * torch.eye(size, dtype=torch.float64)
        return ((y - own.mean(0)) @ shrunk.inverse() @ (y - own.mean(0))).sqrt()

    left_out = [distance(x[i], torch.cat([x[:i], x[i + 1 :]])) for i in range(n)]
    return torch.stack([distance(y, x) for y in new]) / torch.stack(left_out).median()


@pytest.mark.parametrize("count", [9, 40])
def test_it_is_what_its_definition_says(count):
    # The median of an even number is taken as torch takes it: the lower one.
    samples, results = maps(count), maps(5, 1)
    expected = slow(results, samples).float()
    torch.testing.assert_close(feature_realism({"x": results}, {"x": samples}), expected, rtol=1e-5, atol=0)


def test_a_typical_sample_is_at_one_even_with_more_channels_than_samples():
    samples, new = maps(64, 0, 200), maps(64, 1, 200)
    found = feature_realism({"x": new}, {"x": samples})
    assert found.median().item() == pytest.approx(1, abs=0.1)


def test_what_the_generator_does_not_draw_is_far():
    samples, new = maps(100), maps(20, 1)
    own = feature_realism({"x": new}, {"x": samples}).median()
    brighter, flat = new + 10, new.mean((2, 3), keepdim=True).expand_as(new)
    # Every channel as usual by itself, but in combinations that never are.
    mixed = torch.stack([new.roll(i, 0)[:, i] for i in range(new.shape[1])], 1)
    for other in (brighter, flat, mixed):
        assert feature_realism({"x": other}, {"x": samples}).median() > 1.3 * own


def test_scales_places_and_order_of_layers_do_not_matter():
    samples, new = {"a": maps(30), "b": maps(30, 2, 3)}, {"a": maps(4, 1), "b": maps(4, 3, 3)}
    expected = feature_realism(new, samples)
    scale = torch.tensor([1e-3, 1, 1e3, 2, 5, 7])[:, None, None]
    scaled = [{"b": each["b"], "a": each["a"].mT * scale} for each in (new, samples)]
    torch.testing.assert_close(feature_realism(*scaled), expected, rtol=1e-4, atol=0)


def test_rows_are_independent_and_sizes_may_differ():
    samples, new = maps(30), maps(4, 1)
    together = feature_realism({"x": new}, {"x": samples})
    alone = torch.cat([feature_realism({"x": one[None]}, {"x": samples}) for one in new])
    torch.testing.assert_close(together, alone)
    larger = new.repeat_interleave(2, 2)
    torch.testing.assert_close(feature_realism({"x": larger}, {"x": samples}), together)


def test_dead_channels_do_not_count_and_broken_pictures_have_no_figure():
    samples, new = maps(30), maps(4, 1)
    dead = [torch.cat([x, torch.full_like(x[:, :2], 0.1)], 1) for x in (new, samples)]
    expected = feature_realism({"x": new}, {"x": samples})
    torch.testing.assert_close(feature_realism({"x": dead[0]}, {"x": dead[1]}), expected)
    new[1, 2, 3, 3] = torch.nan
    found = feature_realism({"x": new}, {"x": samples})
    assert found.isnan().tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    ("results", "samples", "message"),
    [
        ({}, {}, "layers"),
        ({"x": maps(2)}, {"y": maps(9)}, "layers"),
        ({"x": maps(2)}, {"x": maps(9, 0, 5)}, "x: shapes"),
        ({"x": maps(2)[0]}, {"x": maps(9)}, "x: shapes"),
        ({"x": maps(2)}, {"x": maps(7)}, "7 samples; give at least 8"),
        ({"x": maps(2)}, {"x": maps(1).expand(9, -1, -1, -1)}, "alike"),
    ],
)
def test_bad_input_is_named(results, samples, message):
    with pytest.raises(InputError, match=f"feature_realism: .*{message}"):
        feature_realism(results, samples)
