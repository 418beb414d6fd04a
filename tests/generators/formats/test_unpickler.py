import argparse
import io
import os
import pickle
import struct
import subprocess
import sys
import time
from collections import OrderedDict

import numpy as np
import pytest

from lit_nst.errors import InputError
from lit_nst.generators.stylegan2.formats.machine import INSTRUCTIONS
from lit_nst.generators.stylegan2.formats.names import PLAIN
from lit_nst.generators.stylegan2.formats.records import Record, reading
from lit_nst.generators.stylegan2.formats.torch_file import read_pickle
from lit_nst.generators.stylegan2.formats.unpickler import unpickle
from tests.generators.formats.emulator import EasyDict, Network, foreign_modules, persistent, write_pickle

PLAIN_VALUES = {
    "text": "é\n", "bytes": b"\x00\xff", "numbers": [0, -1, 255, 70_000, 2**40, -(2**70), 1.5, True, False, None],
    "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)], "set": {"a", "b"}, 3: {}, "ordered": OrderedDict(a=1, b=2),
}  # fmt: skip


def load(value, protocol=4):
    return unpickle(io.BytesIO(pickle.dumps(value, protocol)), PLAIN)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_values(protocol):
    found = load(PLAIN_VALUES, protocol)
    assert found == PLAIN_VALUES
    assert type(found["ordered"]) is OrderedDict


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_a_shared_object_stays_one_object_and_a_cycle_a_cycle(protocol):
    shared = [1]
    shared.append(shared)
    found = load([shared, shared], protocol)
    assert found[0] is found[1] is found[0][1]


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_numpy(protocol):
    values = [np.sqrt(2), np.float32(0.1), np.int64(-3), np.bool_(True)]
    assert load(values, protocol) == [value.item() for value in values]
    for array in (np.arange(6.0).reshape(2, 3), np.arange(6, dtype=">i4").reshape(2, 3).T, np.zeros((0, 3), "f2")):
        record = load(array, protocol)
        assert record.kind == "numpy.ndarray"
        assert record.state["array"].dtype == array.dtype
        np.testing.assert_array_equal(record.state["array"], array)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_known_objects_become_records(tmp_path, protocol):
    content = [
        EasyDict(a=1),
        Network(version=4),
        argparse.Namespace(lr=2.0),
        persistent("Thing", {}, {"": {"size": 3}}),
    ]
    easy, network, options, thing = read_pickle(write_pickle(tmp_path / "a.pkl", content, protocol))
    assert type(easy) is dict
    assert easy == {"a": 1}
    assert (network.kind, network.state) == ("dnnlib.tflib.network.Network", {"version": 4})
    assert (options.kind, options.state) == ("argparse.Namespace", {"lr": 2.0})
    assert (thing.kind, thing.state["size"]) == ("Thing", 3)
    assert isinstance(thing, Record)


class Reduced:
    """Pickles as whatever it is given."""

    def __init__(self, *parts):
        self.parts = parts

    def __reduce__(self):
        return self.parts


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def named(module, name, *rest):
    return b"\x80\x04" + text(module) + text(name) + b"\x93" + b"".join(rest) + b"."


TOUCH = "import pathlib; pathlib.Path('canary').touch()"
META = {"type": "class", "version": 6, "module_src": TOUCH, "class_name": "Thing", "state": {}}


def hostile():
    command = "touch canary"
    nested = persistent("Thing", {}, {"": {"inner": Reduced(os.system, (command,))}})
    with foreign_modules():
        rebuild = sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj
        state = pickle.dumps(Reduced(rebuild, (META | {"state": {"__class__": 1}},)), 4)
        source = pickle.dumps(Reduced(rebuild, (META | {"type": "function"},)), 4)
        called = pickle.dumps(Reduced(rebuild, (META, 1)), 4)
        later = pickle.dumps(Reduced(rebuild, (META,), {"__setstate__": 1}), 4)
    namespace = b"\x80\x02cargparse\nNamespace\n)\x81"
    return {
        "system": (pickle.dumps(Reduced(os.system, (command,)), 4), "system"),
        "eval": (pickle.dumps(Reduced(eval, (TOUCH,)), 4), r"builtins\.eval"),
        "exec of protocol 2": (pickle.dumps(Reduced(exec, (TOUCH,)), 2), "__builtin__.exec"),
        "subprocess": (pickle.dumps(Reduced(subprocess.call, (command.split(),)), 4), "subprocess.call"),
        "getattr": (named("builtins", "getattr", b")R"), "builtins.getattr"),
        "dotted name": (named("collections", "OrderedDict.__init__"), "OrderedDict.__init__"),
        "dotted module": (named("numpy", "core.multiarray.scalar"), "core.multiarray.scalar"),
        "own module": (named("pathlib", "Path"), "pathlib.Path"),
        "torch.load": (named("torch", "load"), "torch.load"),
        "known name elsewhere": (named("evil", "OrderedDict"), "evil.OrderedDict"),
        "newline in a name": (named("os", "a\nb\x1b[2J"), r"os.a b\\x1b\[2J"),
        "name of a name": (b"\x80\x04)" + text("a") + b"\x93.", "no text"),
        "call of a value": (b"\x80\x04" + text("print") + b")R.", "no name"),
        "call with a list": (b"\x80\x02ccollections\nOrderedDict\n]R.", "no name"),
        "INST": (b"\x80\x02(S'touch canary'\nios\nsystem\n.", "instruction"),
        "INST alone": (b"\x80\x02(ios\nsystem\n.", "instruction INST"),
        "OBJ": (b"\x80\x02(ccollections\nOrderedDict\no.", "instruction OBJ"),
        "NEWOBJ_EX": (b"\x80\x04ccollections\nOrderedDict\n)}\x92.", "instruction NEWOBJ_EX"),
        "EXT1": (b"\x80\x02\x82\x01.", "instruction EXT1"),
        "EXT4": (b"\x80\x02\x84\x01\x00\x00\x00.", "instruction EXT4"),
        "PERSID": (b"\x80\x02Pkey\n.", "instruction PERSID"),
        "BINPERSID": (b"\x80\x02" + text("key") + b"Q.", "outside of it"),
        "buffers": (b"\x80\x05\x97.", "instruction NEXT_BUFFER"),
        "protocol 0": (pickle.dumps(Reduced(os.system, (command,)), 0), "protocol 2"),
        "setstate": (namespace + b"}" + text("__setstate__") + b"K\x01sb.", "__setstate__"),
        "class of a namespace": (namespace + b"}" + text("__class__") + b"K\x01sb.", "__class__"),
        "state of a dict": (b"\x80\x02}}" + text("a") + b"K\x01sb.", "state of a dict"),
        "state of a name": (b"\x80\x02ccollections\nOrderedDict\n}b.", "state of a Global"),
        "state of an ordered dict": (
            b"\x80\x02ccollections\nOrderedDict\n)R}" + text("__class__") + b"K\x01sb.",
            "state of a OrderedDict",
        ),
        "nested": (None, "system"),
        "class of a persistent object": (state, "__class__"),
        "source": (source, "no instance"),
        "two arguments": (called, "damaged"),
        "state after a persistent object": (later, "state of a Record"),
        "object array": (pickle.dumps(np.array([Reduced(os.system, (command,))], object), 4), "plain numbers"),
        "object scalar": (named("numpy", "dtype", text("O8"), b"\x89\x88\x87R"), "plain numbers"),
    }, nested


HOSTILE, NESTED = hostile()


@pytest.mark.parametrize(("data", "words"), HOSTILE.values(), ids=HOSTILE)
def test_refuses_code_and_runs_nothing(tmp_path, monkeypatch, data, words):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.pkl"
    if data is None:
        write_pickle(path, NESTED)
    else:
        path.write_bytes(data)
    with pytest.raises(InputError, match=words) as caught:
        read_pickle(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.isprintable()
    assert len(message) < len(str(path)) + 200
    assert not (tmp_path / "canary").exists()


def test_the_canary_would_have_been_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickle.loads(HOSTILE["exec of protocol 2"][0])
    assert (tmp_path / "canary").exists()


def test_source_text_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with foreign_modules():
        rebuild = sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(Reduced(rebuild, (META,)), 4))
    assert read_pickle(tmp_path / "a.pkl").state == {}
    assert not (tmp_path / "canary").exists()


def long(value):
    data = value.to_bytes(value.bit_length() // 8 + 1, "little")
    return b"\x8a" + bytes([len(data)]) + data


LATIN = b"c_codecs\nencode\n" + text("x" * 1000) + text("latin1") + b"\x86"
DTYPE = named("numpy", "dtype", text("f8"), b"\x89\x88\x87R")[:-1]
EMPTY_ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
# (("", ""), ("", "")) and so on: twice as large at each step, were it ever compared or shown.
NEST = text("") + b"\x94" + b"".join(b"0h" + bytes([k]) + b"h" + bytes([k]) + b"\x86\x94" for k in range(60))
BOMBS = {
    "memo": b"\x80\x02Nr\xff\xff\xff\xff.",
    "text": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"a.",
    "bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"a.",
    "frame": b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"N.",
    "copies of text": b"\x80\x02" + LATIN + b"q\x00c_codecs\nencode\nq\x010" + b"h\x01h\x00R0" * 10_000 + b"N.",
    "copies of a list": b"\x80\x02](" + b"K\x01" * 1000
    + b"eq\x00c__builtin__\nset\nq\x01" + b"h\x01h\x00\x85R0" * 9000 + b".",
    "copies of a state": b"\x80\x02}(" + text("state") + b"}(" + b"".join(text(f"k{i}") + b"N" for i in range(1000))
    + b"u" + text("type") + text("class") + text("class_name") + text("A") + b"u\x85q\x00"
    + b"ctorch_utils.persistence\n_reconstruct_persistent_obj\nq\x01" + b"h\x01h\x00R0" * 9000 + b".",
    "instructions": b"\x80\x04" + b"]" * (INSTRUCTIONS + 1),
    # Their hashes are all 0: each look-up would pass by all that are there.
    "keys of one hash": b"\x80\x04}(" + b"".join(long((2**61 - 1) * k) + b"N" for k in range(1, 60_000)) + b"u.",
    "a set of one hash": b"\x80\x04\x8f(" + b"".join(long((2**61 - 1) * k) for k in range(1, 60_000)) + b"\x90.",
    "nested key": b"\x80\x04}" + NEST + b"Ns.",
    "nested set": b"\x80\x04\x8f(" + NEST + b"\x90.",
    "nested name": b"\x80\x04" + NEST + b"h\x3c\x93.",
    "nested type": b"\x80\x04cnumpy\ndtype\n" + NEST + b"\x85R.",
    "long key": b"\x80\x04}" + text("a" * 2000) + b"Ns.",
    "array": DTYPE + b"q\x00" + EMPTY_ARRAY
    + b"(K\x01\x8a\x06" + b"\x00\x00\x00\x00\x00\x01\x85h\x00\x89C\x08" + bytes(8) + b"tb.",
    "axes": DTYPE + b"q\x00" + EMPTY_ARRAY + b"(K\x01(" + b"K\x01" * 64 + b"th\x00\x89C\x08" + bytes(8) + b"tb.",
    "nothing on the stack": b"\x80\x04.",
    "two on the stack": b"\x80\x04NN.",
    "a mark on the stack": b"\x80\x04N(N.",
    "below the stack": b"\x80\x04N\x87.",
    "no memo": b"\x80\x04h\x07.",
    "no mark": b"\x80\x04t.",
    "odd items": b"\x80\x04}(Nu.",
    "append to a tuple": b"\x80\x04)Na.",
    "no end": b"\x80\x04N",
}  # fmt: skip


# What is refused for its own reason; the others are only damaged.
WORDS = {
    "copies of text": "more memory",
    "copies of a list": "more memory",
    "copies of a state": "more memory",
    "instructions": "instructions, which",
    "keys of one hash": "a huge number as a key",
    "a set of one hash": "a huge number as a key",
    "nested key": "a tuple as a key",
    "nested set": "a tuple as a key",
    "nested name": "no text",
    "nested type": "plain numbers",
    "long key": "a str as a key",
    "axes": "strange shape",
    "two on the stack": "too early",
    "a mark on the stack": "too early",
    "below the stack": "lacks values",
    "append to a tuple": "fills a tuple as a list",
}


@pytest.mark.parametrize("name", BOMBS)
def test_small_files_cannot_ask_for_much(tmp_path, name):
    path = tmp_path / "a.pkl"
    path.write_bytes(BOMBS[name])
    start = time.process_time()
    if name in ("memo", "frame"):
        assert read_pickle(path) is None
    else:
        with pytest.raises(InputError, match=WORDS.get(name, "damaged")) as caught:
            read_pickle(path)
        assert str(caught.value).isprintable()
    assert time.process_time() - start < 3


@pytest.mark.parametrize(("open_", "close"), [(b"](", b"e"), (b"(", b"t"), (b"}" + text("a"), b"s")])
def test_deep_nesting_is_only_data(tmp_path, open_, close):
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x04" + open_ * 30_000 + b"N" + close * 30_000 + b".")
    assert type(read_pickle(path)) in (list, tuple, dict)


def test_any_failure_becomes_one_line(tmp_path):
    with pytest.raises(InputError, match="damaged, or not a checkpoint") as caught, reading(tmp_path):
        raise RecursionError("a\nb" * 1000)
    assert len(str(caught.value)) < len(str(tmp_path)) + 200
    assert str(caught.value).isprintable()
