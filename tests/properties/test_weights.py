import io
import pickle
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from lit_nst.features import VGG16
from tests.properties.material import answer, damaged, json_values

STATE = {"features.0.weight": torch.ones(4, 3, 3, 3), "features.0.bias": torch.zeros(4)}
SUFFIXES = st.sampled_from([".pth", ".safetensors"])


def packed(suffix, state, zipped=True):
    if suffix == ".safetensors":
        return save(state, {"pool": "max"})
    data = io.BytesIO()
    torch.save(state, data, _use_new_zipfile_serialization=zipped)
    return data.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


def reader(folder, suffix, data):
    path = folder / f"net{suffix}"
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return answer(lambda: VGG16(str(path), layers=["conv1_1"]))


@given(suffix=SUFFIXES, data=st.binary(max_size=200))
def test_any_bytes(folder, suffix, data):
    assert reader(folder, suffix, data) is None


@given(suffix=SUFFIXES, zipped=st.booleans(), data=st.data())
def test_damaged_files(folder, suffix, zipped, data):
    sound = packed(suffix, STATE, zipped)
    assert reader(folder, suffix, sound) is not None
    reader(folder, suffix, data.draw(damaged(sound)))


@given(content=json_values)
def test_a_file_of_anything_else(folder, content):
    assert reader(folder, ".pth", packed(".pth", content)) is None
    assert reader(folder, ".pth", pickle.dumps(content, 2)) is None


KEYS = st.sampled_from(["features.0.weight", "features.0.bias", "features.2.weight", "classifier.0.bias"])
TENSORS = st.builds(
    lambda shape, kind: torch.ones(shape).to(kind),
    st.lists(st.integers(0, 4), max_size=5),
    st.sampled_from([torch.float32, torch.float16, torch.float64, torch.int64, torch.bool, torch.complex64]),
)


@given(suffix=SUFFIXES, changes=st.dictionaries(KEYS | st.text(max_size=8), TENSORS, max_size=3), whole=st.booleans())
def test_tensors_of_any_names_and_shapes(folder, suffix, changes, whole):
    net = reader(folder, suffix, packed(suffix, (STATE if whole else {}) | changes))
    if net is not None:
        found = net(torch.rand(1, 3, 8, 8))["conv1_1"]
        assert found.shape[2:] == (8, 8)


@given(pool=st.text(max_size=8))
def test_metadata_of_any_text(folder, pool):
    net = reader(folder, ".safetensors", save(STATE, {"pool": pool}))
    assert (net is not None) == (pool in ("max", "average"))
