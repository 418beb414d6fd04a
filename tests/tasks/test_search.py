import warnings

import pytest

from lit_nst.errors import InputError
from lit_nst.tasks import Search


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"restarts": 0}, r"^search\.restarts is 0; give 1 to 100000$"),
        ({"spread": -0.5}, r"^search\.spread is -0\.5; give 0 to 1e6$"),
        ({"spread": float("nan")}, r"^search\.spread is nan; give 0 to 1e6$"),
        ({"keep": "one"}, r"^search\.keep is \"one\"; give all or best$"),
        ({"candidates": -1}, r"^search\.candidates is -1; give 0, or at least one for each restart and at"),
        ({"candidates": 10**9}, r"^search\.candidates is 1000000000; .* at most 100000$"),
        ({"ramp_up": -0.1}, r"^search\.ramp_up is -0\.1; give a share from 0 to 1$"),
        ({"ramp_down": 2.0}, r"^search\.ramp_down is 2; give a share from 0 to 1$"),
        ({"candidates": 2, "restarts": 3}, r"^search\.candidates is 2; "),
        ({"phases": [1.0, 0.0]}, r"^search\.phases is \[1\.0, 0\.0\]; give positive numbers"),
        ({"phase_steps": []}, r"^search\.phase_steps is \[\]; give positive numbers"),
        ({"jitter": float("inf")}, r"^search\.jitter is inf; give 0 to 1e6$"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        Search(**options)


def test_restarts_that_are_alike_are_told_of():
    with pytest.warns(UserWarning, match=r"^search\.restarts is 2, but all start alike; give search\.spread"):
        Search(restarts=2)


@pytest.mark.parametrize("options", [{"spread": 0.1}, {"jitter": 0.1}, {"candidates": 4}, {"start": "style"}])
def test_restarts_that_differ(options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Search(restarts=2, **options).restarts == 2
