import warnings

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lit_nst.parallel import AtomicCheckpointIO
from tests.properties.material import answer, damaged, json_values


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("checkpoints") / "last.ckpt"


# Torch's unpickler fails on damaged bytes as anything, which the plugin does not foresee.
LENIENT = pytest.mark.xfail(reason="other errors of torch and contents that are no dict are let through", strict=False)
UNSHRUNK = settings(phases=[Phase.explicit, Phase.generate])


def load(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = answer(lambda: AtomicCheckpointIO().load_checkpoint(path))
    assert found is None or isinstance(found, dict)
    return found


@LENIENT
@UNSHRUNK
@given(data=st.binary(max_size=200))
def test_any_bytes(path, data):
    path.write_bytes(data)
    assert load(path) is None


@LENIENT
@UNSHRUNK
@given(data=st.data(), zipped=st.booleans())
def test_damaged_files(path, data, zipped):
    content = {"state_dict": {"w": torch.arange(6.0)}, "global_step": 3, "loops": {"fit": [1, None, "a"]}}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert load(path) is not None
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    load(path)


@LENIENT
@UNSHRUNK
@given(content=json_values)
def test_any_plain_content(path, content):
    torch.save(content, path)
    load(path)


@given(content=st.dictionaries(st.text(max_size=8), json_values, max_size=4))
def test_what_is_saved_comes_back(path, content):
    AtomicCheckpointIO().save_checkpoint({**content, "w": torch.ones(2)}, path)
    found = load(path)
    assert repr({**content, "w": 0}) == repr({**found, "w": 0})
    assert [file.name for file in path.parent.iterdir()] == [path.name]
