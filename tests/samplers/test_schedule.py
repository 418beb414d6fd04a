import math
from dataclasses import dataclass

import pytest

from lit_nst.errors import InputError
from lit_nst.samplers.schedule import Schedule, step_of


@dataclass(frozen=True)
class Point:
    alpha: float
    sigma: float


def levels(count, exploding=False):
    """From much noise to little; in the space where α is 1 if asked."""
    angles = [math.pi / 2 * (0.98 - 0.97 * k / max(count - 1, 1)) for k in range(count)]
    points = [(math.cos(a), math.sin(a)) for a in angles]
    return [Point(1.0, s / a) if exploding else Point(a, s) for a, s in points]


def test_nothing_set_is_one_everywhere():
    assert Schedule().weights(levels(7)) == [1.0] * 7
    assert Schedule().weights([]) == []


def test_the_reports_schedule():
    weights = Schedule(start=0.2, factors=[[0.5, 1.5]]).weights(levels(100))
    assert weights == [0.0] * 20 + [1.0] * 30 + [1.5] * 50


@pytest.mark.parametrize(
    ("count", "free", "plain"), [(10, 2, 3), (25, 5, 8), (50, 10, 15), (250, 50, 75), (4, 1, 1), (3, 1, 1)]
)
def test_the_reports_schedule_at_other_numbers_of_steps(count, free, plain):
    weights = Schedule(start=0.2, factors=[[0.5, 1.5]]).weights(levels(count))
    assert weights == [0.0] * free + [1.0] * plain + [1.5] * (count - free - plain)


@pytest.mark.parametrize("count", [20, 25, 50, 100, 250])
def test_a_fraction_that_is_a_step_is_that_step(count):
    for step in range(count + 1):
        assert step_of(step / count, "fraction", count) == step
        assert step_of(round(step / count, 4), "fraction", count) == step


def test_steps_and_fractions_say_the_same():
    by_steps = Schedule(start=20, stop=80, factors=[[50, 1.5]], unit="steps")
    by_share = Schedule(start=0.2, stop=0.8, factors=[[0.5, 1.5]])
    assert by_steps.weights(levels(100)) == by_share.weights(levels(100))
    assert by_share.weights(levels(100))[79:81] == [1.5, 0.0]


def test_a_later_factor_replaces_the_one_before():
    weights = Schedule(factors=[[0.25, 0.5], [0.5, 1.5], [0.75, 0.0]]).weights(levels(8))
    assert weights == [1.0, 1.0, 0.5, 0.5, 1.5, 1.5, 0.0, 0.0]


def test_every_second_step_counts_from_the_first_inside():
    assert Schedule(start=3, stop=8, every=2, unit="steps").weights(levels(10)) == [0, 0, 0, 1, 0, 1, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("ramp", "expected"),
    [
        ("linear_up", [0.25, 0.5, 0.75, 1.0]),
        ("linear_down", [1.0, 0.75, 0.5, 0.25]),
        ("cosine_down", [1.0, 0.5 + 0.5**1.5, 0.5, 0.5 - 0.5**1.5]),
    ],
)
def test_ramps_run_over_the_window(ramp, expected):
    weights = Schedule(start=2, stop=6, ramp=ramp, factors=[[4, 2.0]], unit="steps").weights(levels(8))
    assert weights == pytest.approx([0, 0, expected[0], expected[1], 2 * expected[2], 2 * expected[3], 0, 0])


@pytest.mark.parametrize("exploding", [False, True])
@pytest.mark.parametrize("rising", [True, False])
def test_tfgs_ramps(rising, exploding):
    points = levels(30)
    kept = [p.alpha**2 for p in points] + [1.0]
    raw = [kept[k] / kept[k + 1] if rising else 1 - kept[k] / kept[k + 1] for k in range(30)]
    expected = [30 * value / sum(raw) for value in raw]
    ramp = "tfg_increase" if rising else "tfg_decrease"
    weights = Schedule(ramp=ramp).weights(levels(30, exploding))
    assert weights == pytest.approx(expected, rel=1e-9)
    assert sum(weights) == pytest.approx(30)
    part = Schedule(ramp=ramp, start=0.5).weights(levels(30, exploding))
    assert part == pytest.approx([0.0] * 15 + expected[15:], rel=1e-9)


def test_tfgs_ramps_survive_levels_of_pure_noise_and_equal_levels():
    points = [Point(0.0, 1.0), Point(0.0, 1.0), Point(0.6, 0.8), Point(0.6, 0.8)]
    assert Schedule(ramp="tfg_increase").weights(points) == pytest.approx([4 / 2.36, 0.0, 4 / 2.36, 1.44 / 2.36])
    assert Schedule(ramp="tfg_decrease").weights(points) == pytest.approx([0.0, 4 / 1.64, 0.0, 2.56 / 1.64])
    assert Schedule(ramp="tfg_decrease").weights([Point(1.0, 0.0)]) == [1.0]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"start": 20}, "schedule.start: 20 is no fraction.*unit: steps"),
        ({"start": -0.1}, "schedule.start"),
        ({"start": float("nan")}, "schedule.start"),
        ({"stop": 1.5}, "schedule.stop: 1.5"),
        ({"start": 0.5, "stop": 0.5}, "schedule.stop: 0.5 is not after schedule.start 0.5"),
        ({"start": 0.5, "unit": "steps"}, "schedule.start: 0.5 is no whole number.*unit: fraction"),
        ({"start": -1, "unit": "steps"}, "schedule.start"),
        ({"every": 0}, "schedule.every: 0"),
        ({"factors": [[0.5]]}, r"schedule.factors: \[0.5\] is not a pair"),
        ({"factors": [[0.5, float("inf")]]}, "schedule.factors.*finite"),
        ({"factors": [[50, 1.5]]}, "schedule.factors: 50"),
        ({"factors": [[0.5, 1.5], [0.5, 2.0]]}, "schedule.factors.*do not rise"),
    ],
)
def test_nonsense_is_refused_by_its_name(values, words):
    with pytest.raises(InputError, match=words) as error:
        Schedule(**values)
    assert "\n" not in str(error.value)


def test_a_start_after_the_last_step_is_refused():
    with pytest.raises(InputError, match=r"schedule\.start: 20 of 20.*max_steps"):
        Schedule(start=25, unit="steps").weights(levels(20))
    assert Schedule(start=1.0).weights(levels(20)) == [0.0] * 20
