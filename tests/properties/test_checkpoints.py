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


WHOLE = {
    "state_dict": {"w": torch.ones(2)},
    "optimizer_states": [{"state": {}, "param_groups": [{}]}],
    "lr_schedulers": [],
    "loops": {"fit_loop": {"state_dict": {}, "epoch_loop.state_dict": {}, "epoch_progress": {}}},
    "global_step": 3,
    "epoch": 0,
    "pytorch-lightning_version": "2.6.6",
}
UNSHRUNK = settings(phases=[Phase.explicit, Phase.generate])


def load(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = answer(lambda: AtomicCheckpointIO().load_checkpoint(path))
    assert found is None or isinstance(found, dict)
    return found


@UNSHRUNK
@given(data=st.binary(max_size=200))
def test_any_bytes(path, data):
    path.write_bytes(data)
    assert load(path) is None


@UNSHRUNK
@given(data=st.data(), zipped=st.booleans())
def test_damaged_files(path, data, zipped):
    torch.save(WHOLE, path, _use_new_zipfile_serialization=zipped)
    assert load(path) is not None
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    load(path)


@UNSHRUNK
@given(content=json_values)
def test_any_plain_content(path, content):
    torch.save(content, path)
    load(path)


@given(content=st.dictionaries(st.text(max_size=8), json_values, max_size=4))
def test_what_is_saved_comes_back(path, content):
    AtomicCheckpointIO().save_checkpoint({**WHOLE, "own": content}, path)
    assert repr(load(path)) == repr({**WHOLE, "own": content})
    assert [file.name for file in path.parent.iterdir()] == [path.name]
