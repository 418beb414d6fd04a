from itertools import pairwise

import pytest

from lit_nst.tasks.schedule import Ramp, jitter


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
