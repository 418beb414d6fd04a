import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lit_nst.errors import InputError
from lit_nst.samplers.schedule import window
from lit_nst.samplers.travel import Pass, Travel, plan


def single(steps):
    return steps


def heun(steps):
    return 2 * steps - 1


def pndm(steps):
    return steps + 1


def repeats(passes):
    """How often each call is passed."""
    return [sum(p.index == index for p in passes) for index in range(passes[-1].index + 1)]


def test_without_travel_a_pass_is_a_step():
    assert plan(5, single, Travel()) == (5, [Pass(index, 0, False) for index in range(5)])
    assert plan(7, heun, Travel())[0] == 4
    assert plan(7, pndm, Travel())[0] == 6


def test_each_level_inside_is_passed_as_often_as_asked():
    steps, passes = plan(160, single, Travel(repeats=3, start=0.3, stop=0.6))
    assert (steps, len(passes)) == (100, 160)
    assert repeats(passes) == [1] * 30 + [3] * 30 + [1] * 40
    assert passes[30:33] == [Pass(30, 0, True), Pass(30, 1, True), Pass(30, 2, False)]


def test_places_in_steps():
    steps, passes = plan(14, single, Travel(repeats=3, start=2, stop=4, unit="steps"))
    assert steps == 10
    assert repeats(passes) == [1, 1, 3, 3, 1, 1, 1, 1, 1, 1]


def test_what_is_left_over_goes_to_the_first_calls_inside():
    steps, passes = plan(20, single, Travel(repeats=6))
    assert steps == 3
    assert repeats(passes) == [7, 7, 6]
    assert repeats(plan(23, single, Travel(repeats=6))[1]) == [8, 8, 7]
    assert repeats(plan(9, heun, Travel(repeats=5, stop=1, unit="steps"))[1]) == [5, 1, 1, 1, 1]
    assert repeats(plan(8, heun, Travel(repeats=5, stop=1, unit="steps"))[1]) == [6, 1, 1]


def test_more_left_over_than_calls_inside_goes_around_again():
    assert repeats(plan(9, lambda n: 9 * n - 5, Travel(repeats=2, stop=2, unit="steps"))[1]) == [4, 3, 1, 1]


@pytest.mark.parametrize("passes", [1, 2, 5])
def test_a_budget_below_one_step_lowers_the_repeats(passes):
    steps, planned = plan(passes, single, Travel(repeats=6))
    assert (steps, repeats(planned)) == (1, [passes])


@settings(max_examples=200, deadline=None)
@given(
    passes=st.integers(1, 60),
    calls=st.sampled_from([single, heun]),
    repeat=st.integers(2, 6),
    places=st.tuples(st.integers(0, 19), st.integers(1, 20)).filter(lambda p: p[0] < p[1]),
)
def test_any_budget_is_spent_in_order_on_the_most_steps(passes, calls, repeat, places):
    travel = Travel(repeat, places[0] / 20, places[1] / 20)

    def inside(steps):
        return range(*window(travel.start, travel.stop, "fraction", calls(steps)))

    def fits(steps):
        need = calls(steps) + (repeat - 1) * len(inside(steps))
        return need == passes or (need < passes and len(inside(steps)) > 0)

    fitting = [steps for steps in range(1, passes + 1) if fits(steps)]
    try:
        steps, planned = plan(passes, calls, travel)
    except InputError:
        assert not fitting
        assert calls is heun
        assert passes % 2 == 0
        return
    counts = repeats(planned)
    assert len(planned) == passes
    assert len(counts) == calls(steps)
    assert planned == [Pass(i, r, r + 1 < n) for i, n in enumerate(counts) for r in range(n)]
    assert all(count == 1 for index, count in enumerate(counts) if index not in inside(steps))
    assert [counts[index] for index in inside(steps)] == sorted((counts[i] for i in inside(steps)), reverse=True)
    if fitting:
        assert steps == max(fitting)
        assert all(counts[index] >= repeat for index in inside(steps))


@pytest.mark.parametrize(
    ("passes", "calls", "words"),
    [
        (10, heun, "--trainer.max_steps 10: .* set it to 9 or 11"),
        (1, pndm, "--trainer.max_steps 1: .* set it to 2$"),
        (0, single, "--trainer.max_steps 0: .* set it to 1$"),
        (-1, single, "set it to 1$"),
    ],
)
def test_a_budget_that_fits_nothing_names_those_that_do(passes, calls, words):
    with pytest.raises(InputError, match=words):
        plan(passes, calls, Travel())


def test_an_empty_window_cannot_take_what_is_left_over():
    with pytest.raises(InputError, match="set it to 3 or 5"):
        plan(4, heun, Travel(repeats=2, start=9, unit="steps"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"repeats": 0}, "travel.repeats: 0"),
        ({"start": 3}, "travel.start: 3 is no fraction"),
        ({"start": 0.5, "stop": 0.2}, "travel.stop: 0.2 is not after travel.start 0.5"),
        ({"stop": 0.5, "unit": "steps"}, "travel.stop: 0.5 is no whole number"),
    ],
)
def test_nonsense_is_refused_by_its_name(values, words):
    with pytest.raises(InputError, match=words):
        Travel(**values)
