import pytest

from lit_nst.errors import InputError
from lit_nst.tasks import Search


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"restarts": 0}, r"^search\.restarts is 0; give at least 1$"),
        ({"spread": -0.5}, r"^search\.spread is -0\.5; give 0 or more$"),
        ({"spread": float("nan")}, r"^search\.spread is nan; give 0 or more$"),
        ({"keep": "one"}, r"^search\.keep is \"one\"; give all or best$"),
        ({"candidates": -1}, r"^search\.candidates is -1; give 0, or at least one for each restart$"),
        ({"candidates": 2, "restarts": 3}, r"^search\.candidates is 2; "),
        ({"phases": [1.0, 0.0]}, r"^search\.phases is \[1\.0, 0\.0\]; give positive numbers"),
        ({"phase_steps": []}, r"^search\.phase_steps is \[\]; give positive numbers"),
        ({"jitter": float("inf")}, r"^search\.jitter is inf; give 0 or more$"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        Search(**options)
