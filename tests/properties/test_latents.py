import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from lit_nst.callbacks.latents import NOISE, read_latents
from tests.properties.material import answer, damaged, json_values

TOLD = {"generator_sha256": "0" * 64, "weights_sha256": "1" * 64, "noise": "const"}
SUFFIXES = st.sampled_from([".npz", ".safetensors"])


def packed(suffix, told, names, **arrays):
    if suffix == ".safetensors":
        return save(arrays, {**told, "names": json.dumps(names)})
    data = io.BytesIO()
    np.savez(data, allow_pickle=False, names=np.array(names), **{k: np.array(v) for k, v in told.items()}, **arrays)
    return data.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("latents")


def reader(folder, suffix, data):
    """What is read keeps its promises."""
    path = folder / f"latent{suffix}"
    path.write_bytes(data)
    found = answer(lambda: read_latents(path))
    if found is None:
        return None
    assert found.latent.dim() == 3
    assert found.latent.isfinite().all()
    assert len(found.names) == len(found.latent) > 0
    assert found.noise in NOISE
    assert len({name.casefold() for name in found.names}) == len(found.names)
    for name in found.names:
        assert Path(folder, name).parent == folder
        (folder / name).with_name(f"{name}.png").exists()
    assert all(isinstance(digest, str) for digest in found.digests)
    return found


@given(suffix=SUFFIXES, data=st.binary(max_size=200))
def test_any_bytes(folder, suffix, data):
    reader(folder, suffix, data)


@given(suffix=SUFFIXES, data=st.data())
def test_damaged_files(folder, suffix, data):
    latent = np.linspace(-1, 1, 12, dtype=np.float32).reshape(2, 3, 2)
    sound = packed(suffix, TOLD, ["a", "b"], latent=latent)
    assert reader(folder, suffix, sound) is not None
    reader(folder, suffix, data.draw(damaged(sound)))


ARRAYS = st.builds(
    lambda shape, kind, value: np.full(shape, value, kind),
    st.lists(st.integers(0, 3), max_size=4).map(tuple),
    st.sampled_from(["f2", "f4", "f8", "i4", "i8", "u1", "?"]),
    st.sampled_from([0, 1]),
)
STRANGE = st.sampled_from(["U3", "c8", "M8[s]", "V2", ">f4", "u2"]).map(lambda kind: np.zeros((1, 2, 2), kind))


@given(
    suffix=SUFFIXES,
    told=st.fixed_dictionaries({}, optional={key: st.text(max_size=8) | st.just(TOLD[key]) for key in TOLD}),
    names=st.lists(st.text(max_size=300), max_size=3) | json_values,
    arrays=st.dictionaries(st.sampled_from(["latent", "noise_0", "noise_1", "else"]), ARRAYS, max_size=3),
)
def test_files_of_any_content(folder, suffix, told, names, arrays):
    if suffix == ".npz" and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        names = [str(names)]
    reader(folder, suffix, packed(suffix, {**TOLD, **told}, names, **arrays))


@given(latent=STRANGE)
def test_arrays_that_torch_does_not_have(folder, latent):
    reader(folder, ".npz", packed(".npz", TOLD, ["a"], latent=latent))


@given(name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=8))
def test_names_come_back_or_are_refused(folder, name):
    latent = np.zeros((1, 2, 2), np.float32)
    for suffix in (".npz", ".safetensors"):
        found = reader(folder, suffix, packed(suffix, TOLD, [name], latent=latent))
        # NumPy's texts end before their zeros.
        assert found is None or found.names == [name.rstrip("\0")]
