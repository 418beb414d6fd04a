from itertools import pairwise

import pytest

from lit_nst.errors import InputError
from lit_nst.tasks.schedule import Phases, Ramp, jitter


def test_ramp_rises_falls_and_never_starts_at_zero():
    values = [Ramp(200, 0.05, 0.25)(step) for step in range(200)]
    assert values[0] == pytest.approx(0.1)
    assert all(a < b for a, b in pairwise(values[:10]))
    assert set(values[10:150]) == {1.0}
    assert all(a > b for a, b in pairwise(values[150:]))
    assert 0 < values[-1] < 0.01


def test_ramp_can_be_flat_and_run_past_its_end():
    assert {Ramp(10, 0, 0)(step) for step in range(10)} == {1.0}
    assert Ramp(10, 0.1, 0.5)(12) == 0.0


def test_jitter_ends_at_three_quarters():
    assert jitter(0, 400) == 1
    assert 0 < jitter(299, 400) < 1e-4
    assert jitter(300, 400) == jitter(399, 400) == 0


def test_phases_share_the_run():
    assert [Phases(9, 3)(step) for step in range(10)] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 2]
    phases = Phases(10, 2, [1, 9], [2.0, 0.5])
    assert [phases.factor(step) for step in (0, 1, 9)] == [2.0, 0.5, 0.5]
    assert Phases(3, 1).factor(2) == 1


def test_run_shorter_than_its_phases_ends_in_the_last():
    assert Phases(1, 3)(0) in (0, 1, 2)
    assert Phases(1, 3)(5) == 2


@pytest.mark.parametrize(("name", "options"), [("phases", {"shares": [1.0]}), ("phase_steps", {"factors": [1.0] * 3})])
def test_phases_need_a_number_each(name, options):
    with pytest.raises(InputError, match=rf"search\.{name}: \d numbers for 2 space"):
        Phases(10, 2, **options)
