import itertools
import math

import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.report.interval import Interval, Trend, bootstrap_mean, figure, paired_difference, ranks, trend


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_bootstrap_of_two_values_by_hand():
    # Of the samples of two, a quarter each are (0, 0) and (1, 1): the 5 % quantiles are the values themselves.
    interval = bootstrap_mean([0.0, 1.0], confidence=0.9)
    assert (interval.mean, interval.low, interval.high, interval.count, interval.confidence) == (0.5, 0, 1, 2, 0.9)
    assert bootstrap_mean([0.0, 1.0], confidence=0.4).low == 0.5


def test_bootstrap_quantiles_are_those_of_all_samples():
    values = torch.tensor([0.0, 1.0, 4.0, 9.0], dtype=torch.float64)
    means = torch.tensor([float(sum(s)) / 4 for s in itertools.product(values.tolist(), repeat=4)]).double()
    low, high = means.quantile(torch.tensor([0.1, 0.9]).double()).tolist()
    interval = bootstrap_mean(values, confidence=0.8, resamples=20000)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.26)


def test_bootstrap_of_many_values_is_that_of_a_normal_distribution():
    values = normal(2000)
    interval = bootstrap_mean(values, resamples=4000)
    half = 1.96 * float(values.std()) / math.sqrt(2000)
    assert interval.mean == pytest.approx(float(values.mean()), abs=1e-12)
    assert interval.high - interval.low == pytest.approx(2 * half, rel=0.06)
    narrower = bootstrap_mean(values, confidence=0.5, resamples=4000)
    assert narrower.high - narrower.low == pytest.approx(2 * 0.6745 / 1.96 * half, rel=0.08)


@pytest.mark.parametrize(("count", "low", "high"), [(5, 0.78, 0.89), (30, 0.91, 0.97)])
def test_bootstrap_covers_the_mean_as_often_as_is_said(count, low, high):
    samples = normal(500, count, seed=3)
    intervals = [bootstrap_mean(sample, resamples=400, seed=i) for i, sample in enumerate(samples)]
    assert low <= sum(i.low <= 0 <= i.high for i in intervals) / 500 <= high


def test_bootstrap_does_not_touch_or_read_the_global_stream():
    state = torch.get_rng_state()
    first = bootstrap_mean(normal(9))
    torch.rand(3)
    assert bootstrap_mean(normal(9)) == first != bootstrap_mean(normal(9), seed=1)
    torch.set_rng_state(state)
    bootstrap_mean(normal(9))
    assert torch.equal(torch.get_rng_state(), state)


def test_one_value_or_equal_ones_have_no_width():
    assert bootstrap_mean([0.1]) == Interval(0.1, 0.1, 0.1, 1)
    assert bootstrap_mean([0.1] * 7) == Interval(0.1, 0.1, 0.1, 7)


def test_a_value_that_is_not_finite_makes_all_of_it_unknown():
    for bad in (math.nan, math.inf):
        interval = bootstrap_mean([1.0, bad, 2.0])
        assert all(math.isnan(x) for x in (interval.mean, interval.low, interval.high))
        assert interval.count == 3
        assert interval.side() == 0


def test_paired_difference_drops_what_the_pairs_share():
    shared = 100 * normal(12)
    a, b = shared + 0.5 + 0.1 * normal(12, seed=1), shared
    interval = paired_difference(a, b)
    assert interval == bootstrap_mean(a - b)
    assert interval.side() == 1
    assert paired_difference(b, a).side() == -1
    assert bootstrap_mean(a).high - bootstrap_mean(a).low > 10 > 1 > interval.high - interval.low


def test_side_needs_values_enough():
    for count, side in ((1, 0), (5, 0), (6, 1), (20, 1)):
        assert Interval(1.0, 0.5, 1.5, count).side() == side
        assert Interval(-1.0, -1.5, -0.5, count).side() == -side
    assert Interval(1.0, 0.5, 1.5, 5, confidence=0.9).side() == 1
    assert Interval(1.0, 0.5, 1.5, 9).side(1.0) == 0
    assert Interval(1.0, 0.5, 1.5, 9).side(1.6) == -1


def test_intervals_as_text():
    assert str(Interval(1.2345, 1.1, 1.36, 5)) == "1.23 [1.10, 1.36]"
    assert str(Interval(0.0123, -0.004, 0.0286, 5)) == "0.0123 [−0.0040, 0.0286]"
    assert str(Interval(-1234.4, -2000.0, 10.0, 5)) == "−1234 [−2000, 10]"
    assert str(Interval(0.0, -0.00001, 1.0, 5)) == "0.00 [0.00, 1.00]"
    assert str(bootstrap_mean([math.nan, 1.0])) == "–"


@pytest.mark.parametrize(
    ("value", "text"),
    [(99.96, "100"), (9.996, "10.0"), (0.00099996, "0.00100"), (-0.5, "−0.500"), (1e6, "1.00e6"), (math.inf, "–"),
     (3.14159e-5, "3.14e−5"), (123456, "123456")],
)  # fmt: skip
def test_figure_has_three_significant_digits(value, text):
    assert figure(value) == text


def test_trend_with_ties_by_hand():
    # Ranks 1, 2.5, 2.5, 4 and 1, 3, 2, 4: Σ = 4.5 over √(4.5 · 5).
    assert trend([1, 2, 2, 3], [10.0, 30.0, 20.0, 40.0], 9).correlation == pytest.approx(4.5 / math.sqrt(22.5))
    assert ranks(torch.tensor([5.0, 1.0, 5.0, 5.0])).tolist() == [3.0, 1.0, 3.0, 3.0]


def test_trend_equals_scipy():
    stats = pytest.importorskip("scipy.stats")
    x = (2 * normal(40)).round()
    y = x + (3 * normal(40, seed=1)).round()
    expected = stats.spearmanr(x.numpy(), y.numpy())
    found = trend(x, y)
    assert found.correlation == pytest.approx(expected.statistic, abs=1e-12)
    assert found.chance == pytest.approx(expected.pvalue, abs=0.01)


def test_chance_of_a_short_series_by_hand():
    # Two of the 24 orders of four values are monotone.
    assert trend([1, 2, 3, 4], [1, 5, 6, 7]).chance == pytest.approx(2 / 24, abs=0.012)
    assert trend([1, 2, 3, 4], [1, 5, 6, 7]).side() == 0
    falling = trend(range(13), [-x for x in range(13)])
    assert (falling.correlation, falling.chance, falling.side()) == (-1.0, 1e-4, -1)


def test_chance_is_uniform_where_there_is_no_trend():
    chances = [trend(range(10), normal(10, seed=i), permutations=99, seed=i).chance for i in range(300)]
    assert 0.02 <= sum(c <= 0.05 for c in chances) / 300 <= 0.09
    assert 0.42 <= sum(c <= 0.5 for c in chances) / 300 <= 0.58


def test_a_constant_or_unknown_series_has_no_trend():
    for y in ([2.0, 2.0, 2.0], [1.0, math.nan, 2.0]):
        found = trend([1, 2, 3], y)
        assert math.isnan(found.correlation)
        assert (found.chance, found.side()) == (1.0, 0)
        assert str(found) == "ρ = – (p = 1.00, n = 3)"


def test_trend_side():
    assert [Trend(rho, p, 9).side() for rho, p in ((0.9, 0.01), (-0.9, 0.01), (0.9, 0.06))] == [1, -1, 0]
    assert Trend(0.9, 0.03, 9).side(level=0.01) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap_mean([]), "at least one"),
        (lambda: bootstrap_mean(torch.zeros(2, 2)), "shape"),
        (lambda: bootstrap_mean([1.0, 2.0], confidence=1.0), "confidence=1.0"),
        (lambda: bootstrap_mean([1.0, 2.0], resamples=0), "resamples=0"),
        (lambda: paired_difference([1.0], [1.0, 2.0]), "1 and 2 values"),
        (lambda: trend([1.0], [1.0]), "1 pairs"),
        (lambda: trend([1.0, 2.0], [1.0, 2.0], permutations=0), "permutations=0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
