import pytest

from lit_nst.errors import InputError
from lit_nst.tasks import Search


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"restarts": 0}, r"^search\.restarts is 0; give at least 1$"),
        ({"spread": -0.5}, r"^search\.spread is -0\.5; give 0 or more$"),
        ({"spread": float("nan")}, r"^search\.spread is nan; give 0 or more$"),
        ({"jitter": float("inf")}, r"^search\.jitter is inf; give 0 or more$"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        Search(**options)
