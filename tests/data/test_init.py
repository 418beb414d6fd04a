import subprocess
import sys

import pytest

import lit_nst.data as data


def test_all_is_complete_and_sorted():
    constants = [name for name in data.__all__ if name.isupper()]
    assert data.__all__[: len(constants)] == sorted(constants)
    assert all(hasattr(data, name) for name in data.__all__)


def test_reading_does_not_import_lightning():
    code = "import sys, lit_nst.data.read, lit_nst.data.write; print('lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'Image'"):
        data.Image  # noqa: B018
