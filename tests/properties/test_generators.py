import codecs
import io
import pickle
import resource
import struct
import time
import zipfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from lit_nst.generators.stylegan2.checkpoint import read, write
from lit_nst.generators.stylegan2.formats import own
from lit_nst.generators.stylegan2.formats.nvlabs import read_nvlabs
from lit_nst.generators.stylegan2.formats.rosinality import from_rosinality, to_rosinality
from lit_nst.generators.stylegan2.formats.state import shapes
from lit_nst.generators.stylegan2.formats.torch_file import read_pickle, read_torch
from lit_nst.generators.stylegan2.network import Architecture
from tests.conftest import tiny_state
from tests.generators.formats.emulator import generator, tensorflow_network, write_pickle, write_snapshot
from tests.properties.material import answer, damaged, json_values

SMALL = Architecture(z_dim=3, w_dim=2, channels=(2, 2), mapping_layers=1)
SECONDS, BYTES = 5, 256 << 20


def bounded(call):
    """The answer, if it needs little time and memory."""
    start, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = answer(call)
    assert time.process_time() - start < SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < BYTES
    return found


def sound_files(folder: Path) -> dict[str, bytes]:
    """One small generator in every format."""
    state = tiny_state(SMALL)
    write(folder / "own.safetensors", SMALL, state)
    write(folder / "own.pt", SMALL, state)
    torch.save(to_rosinality(SMALL, state), folder / "stream.pt", _use_new_zipfile_serialization=False)
    for protocol in (2, 4):
        write_snapshot(folder / f"ada{protocol}.pkl", generator(SMALL, state), protocol)
    networks = tuple(tensorflow_network(SMALL, state) for _ in range(3))
    write_pickle(folder / "tensorflow.pkl", networks)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return sound_files(tmp_path_factory.mktemp("sound"))


FILES = ["own.safetensors", "own.pt", "stream.pt", "ada2.pkl", "ada4.pkl", "tensorflow.pkl"]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("generators") / "generator"


def readers(path):
    found = bounded(lambda: read(path))
    if found is not None:
        architecture, state = found
        assert {key: value.shape for key, value in state.items()} == shapes(architecture)
        assert all(value.dtype == torch.float32 and value.isfinite().all() for value in state.values())
    for reader in (own.read, read_nvlabs, read_torch, read_pickle):
        bounded(lambda reader=reader: reader(path))


@pytest.mark.parametrize("name", FILES)
def test_the_files_are_sound(sound, path, name):
    path.write_bytes(sound[name])
    architecture, state = read(path)
    assert architecture == SMALL
    # The arithmetic of one format's biases is inexact.
    for key, value in tiny_state(SMALL).items():
        torch.testing.assert_close(state[key], value)


@given(data=st.data(), name=st.sampled_from(FILES))
def test_damaged_files(sound, path, data, name):
    path.write_bytes(data.draw(damaged(sound[name])))
    readers(path)


STARTS = [b"", b"\x80\x02", b"\x80\x04", b"PK\x03\x04", b"\x10\0\0\0\0\0\0\0{", b"<html>", b"\0"]


@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=200))
def test_any_bytes(path, start, rest):
    path.write_bytes(start + rest)
    readers(path)


def text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


MODULES = ["collections", "builtins", "__builtin__", "_codecs", "argparse", "numpy", "numpy.core.multiarray", "torch"]
MODULES += ["torch._utils", "torch.storage", "dnnlib.util", "dnnlib.tflib.network", "torch_utils.persistence"]
MODULES += ["os", "posix", "subprocess", "sys", "importlib"]
NAMES = ["OrderedDict", "set", "bytes", "encode", "Namespace", "dtype", "ndarray", "scalar", "_reconstruct"]
NAMES += ["_rebuild_tensor_v2", "_rebuild_parameter", "_load_from_bytes", "FloatStorage", "EasyDict", "Network"]
NAMES += ["_reconstruct_persistent_obj", "system", "eval", "exec", "getattr", "__import__", "Popen", "modules"]
GLOBALS = st.tuples(st.sampled_from(MODULES), st.sampled_from(NAMES))
VALUES = st.one_of(
    st.integers(0, 255).map(lambda n: b"K" + bytes([n])),
    st.integers(-(2**31), 2**31 - 1).map(lambda n: b"J" + struct.pack("<i", n)),
    st.integers().map(lambda n: pickle.dumps(n, 2)[2:-1]),
    st.floats().map(lambda x: b"G" + struct.pack(">d", x)),
    st.sampled_from(
        ["latin1", "f4", "<", "storage", "0", "cpu", "class", "class_name", "state", "type", "a\nb\x1b"]
    ).map(text),
    st.text(max_size=8).map(text),
    st.binary(max_size=32).map(lambda data: b"C" + bytes([len(data)]) + data),
    GLOBALS.map(lambda pair: b"c%s\n%s\n" % (pair[0].encode(), pair[1].encode())),
    GLOBALS.map(lambda pair: text(pair[0]) + text(pair[1]) + b"\x93"),
)
ACTS = st.sampled_from([bytes([code]) for code in b"N\x88\x89]}\x8f)(t\x85\x86\x87aesu0122R\x81bQ\x94ld\x90\x91\x92io"])
MEMO = st.tuples(st.sampled_from([b"q", b"h"]), st.integers(0, 5)).map(lambda pair: pair[0] + bytes([pair[1]]))
CALLS = st.tuples(GLOBALS, st.lists(VALUES, max_size=5), st.sampled_from([b"R", b"\x81"])).map(
    lambda call: b"c%s\n%s\n" % (call[0][0].encode(), call[0][1].encode()) + b"(" + b"".join(call[1]) + b"t" + call[2]
)
STREAMS = st.lists(VALUES | ACTS | MEMO | CALLS, max_size=25).map(lambda parts: b"\x80\x04" + b"".join(parts) + b".")


@contextmanager
def canary():
    """Fails on what a pickle would reach for."""

    def sing(*_, **__):
        pytest.fail("the pickle ran something")

    # Its table of characters is a module, imported once.
    codecs.lookup("cp437")
    names = ("os.system", "subprocess.Popen.__init__", "pickle.load", "pickle.loads", "torch.load")
    with pytest.MonkeyPatch.context() as patch:
        for name in (*names, "builtins.eval", "builtins.exec"):
            patch.setattr(name, sing)
        yield


def zipped(program: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("a/data.pkl", program)
        archive.writestr("a/data/0", bytes(16))
    return data.getvalue()


@given(stream=STREAMS)
def test_any_program_of_the_stack_machine(path, stream):
    path.write_bytes(stream)
    with canary():
        bounded(lambda: read(path))
        bounded(lambda: read_pickle(path))
        path.write_bytes(zipped(stream))
        bounded(lambda: read_torch(path))


@given(content=st.dictionaries(st.sampled_from(["G_ema", "g_ema", "state_dict", "latent_avg", "lit_nst"]), json_values))
def test_trees_of_any_shape(path, content):
    path.write_bytes(pickle.dumps(content, 4))
    readers(path)
    bounded(lambda: from_rosinality(content, path))


KEYS = sorted(shapes(SMALL))
TENSORS = st.builds(
    lambda shape, dtype: torch.ones(shape).to(dtype),
    st.lists(st.integers(0, 4), max_size=5),
    st.sampled_from([torch.float32, torch.float16, torch.int64, torch.bool, torch.uint8]),
)


@given(
    changes=st.dictionaries(
        st.sampled_from(KEYS) | st.text(max_size=8).map("synthesis.b{}".format), TENSORS, max_size=4
    ),
    dropped=st.sets(st.sampled_from(KEYS), max_size=3),
    settings=st.none() | json_values.map(str) | st.sampled_from(['{"lr_multiplier": 1e999, "conv_clamp": -1}', "[]"]),
)
def test_safetensors_of_any_names_and_shapes(path, changes, dropped, settings):
    state = {key: value for key, value in tiny_state(SMALL).items() if key not in dropped} | changes
    told = {"format": own.FORMAT} | ({} if settings is None else {"settings": settings})
    path.write_bytes(save({key: value.contiguous() for key, value in state.items()}, told))
    readers(path)
