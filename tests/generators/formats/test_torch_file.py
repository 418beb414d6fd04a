import _codecs
import argparse
import io
import pickle
import struct
import time
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy._core.multiarray import _reconstruct
from torch import nn

from lit_nst.errors import InputError
from lit_nst.generators.stylegan2.formats.machine import INSTRUCTIONS
from lit_nst.generators.stylegan2.formats.torch_file import legacy_tensor_storage, read_pickle, read_torch
from tests.generators.formats.emulator import damaged

DTYPES = [
    *(torch.float32, torch.float16, torch.float64, torch.bfloat16, torch.int64, torch.int32, torch.uint8, torch.bool)
]  # fmt: skip
FORMS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])


def save(path, content, zipped=True, **options):
    torch.save(content, path, _use_new_zipfile_serialization=zipped, **options)
    return path


def equal(a, b):
    return a.dtype == b.dtype and torch.equal(a, b)


@FORMS
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_reads_every_dtype_as_torch_does(tmp_path, zipped, dtype):
    content = {
        "a": (10 * torch.randn(3, 4)).to(dtype),
        "scalar": torch.ones([], dtype=dtype),
        "none": torch.zeros(0, 2),
    }
    found = read_torch(save(tmp_path / "a.pt", content, zipped))
    assert all(equal(found[key], content[key]) for key in content)
    assert found["none"].shape == (0, 2)


@FORMS
def test_views_share_their_storage(tmp_path, zipped):
    base = torch.arange(24.0).reshape(2, 3, 4)
    views = [base, base[1], base.transpose(0, 2), base[:, ::2, 1:], base.flatten()[5:9]]
    found = read_torch(save(tmp_path / "a.pt", views, zipped))
    assert all(equal(a, b) for a, b in zip(found, views, strict=True))
    found[0].zero_()
    assert not any(value.any() for value in found)


@FORMS
def test_reads_a_training_checkpoint(tmp_path, zipped):
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    content = {
        **{"g_ema": network.state_dict(), "g_optim": optimizer.state_dict(), "args": argparse.Namespace(lr=0.002)},
        **{"parameter": nn.Parameter(torch.ones(2)), "ada_aug_p": 0.5},
    }
    found = read_torch(save(tmp_path / "a.pt", content, zipped))
    assert type(found["g_ema"]) is OrderedDict
    assert all(equal(found["g_ema"][key], value) for key, value in content["g_ema"].items())
    assert equal(found["g_optim"]["state"][0]["exp_avg"], content["g_optim"]["state"][0]["exp_avg"])
    assert (found["args"].kind, found["args"].state) == ("argparse.Namespace", {"lr": 0.002})
    assert type(found["parameter"]) is torch.Tensor
    assert found["ada_aug_p"] == 0.5


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_reads_tensors_within_a_plain_pickle(tmp_path, protocol):
    content = [torch.randn(300), nn.Parameter(torch.randn(2, 3).T), torch.zeros(5000)]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content, protocol))
    found = read_pickle(tmp_path / "a.pkl")
    assert all(torch.equal(a, b) for a, b in zip(found, content, strict=True))


def refuses(path, words):
    with pytest.raises(InputError, match=words) as caught:
        read_torch(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@FORMS
def test_refuses_whole_modules_by_name(tmp_path, zipped):
    path = save(tmp_path / "a.pt", {"g": nn.Linear(2, 2)}, zipped)
    refuses(path, "torch.nn.modules.linear.Linear")


@FORMS
def test_refuses_code(tmp_path, zipped):
    class Call:
        def __reduce__(self):
            return exec, ("raise SystemExit",)

    refuses(save(tmp_path / "a.pt", [torch.ones(1), Call()], zipped), "exec")


def rezip(path, target, change=lambda name, data: data, **options):
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w", **options) as out:
        for name in source.namelist():
            out.writestr(name, change(name, source.read(name)))
    return target


def test_refuses_other_zip_files(tmp_path):
    path, target = save(tmp_path / "a.pt", [torch.ones(1000)]), tmp_path / "b.pt"
    assert read_torch(rezip(path, target))[0].sum() == 1000
    refuses(rezip(path, target, compression=zipfile.ZIP_DEFLATED), "compressed")
    refuses(rezip(path, target, lambda name, data: b"big" if name.endswith("byteorder") else data), "big-endian")
    refuses(rezip(path, target, lambda name, data: data[:-4] if "/data/" in name else data), "cut short")
    with zipfile.ZipFile(target, "w") as out:
        out.writestr("a/b.txt", "text")
    refuses(target, "no data.pkl")
    path.write_bytes(path.read_bytes()[:-30])
    refuses(path, "damaged")


def test_refuses_overlapping_entries(tmp_path):
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("a/data/0", bytes(4000))
        entry = out.infolist()[0]
        for i in range(1, 30):
            copy = zipfile.ZipInfo(f"a/data/{i}")
            copy.header_offset, copy.CRC = entry.header_offset, entry.CRC
            copy.file_size = copy.compress_size = entry.file_size
            out.filelist.append(copy)
        out.writestr("a/data.pkl", pickle.dumps([], 2))
    refuses(path, "larger than the whole file")


def test_a_flip_in_a_zip_is_seen_by_its_checksum(tmp_path):
    path = save(tmp_path / "a.pt", [torch.ones(1000)])
    data = bytearray(path.read_bytes())
    data[data.index(struct.pack("<f", 1.0)) + 2000] ^= 1
    path.write_bytes(data)
    refuses(path, "CRC")


def stream(count, length, size, stride=(1,), offset=0, named="FloatStorage", told=None, key="0", view=None):
    """A file of the older form that says what it is told to say."""

    class Tensor:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (Storage(), offset, size, stride, False, OrderedDict())

    class Storage:
        pass

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if isinstance(value, Storage):
                return ("storage", getattr(torch, named), key, "cpu", count, view)

    out = io.BytesIO()
    for value in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}):
        pickle.dump(value, out, 2)
    Pickler(out, 2).dump(Tensor())
    pickle.dump(["0"], out, 2)
    out.write(struct.pack("<q", count if told is None else told) + bytes(range(1, 5)) * length)
    return out.getvalue()


LIES = {
    "count": ({"count": 2**40, "size": (2**40,)}, "larger than the whole file"),
    "negative count": ({"count": -1}, "given up"),
    "count that wraps around": ({"count": 2**62 + 1}, "larger than the whole file"),
    "count and bytes": ({"count": 5}, "cut short"),
    "two counts": ({"told": 3}, "cut short"),
    "size": ({"size": (5,)}, "its storage"),
    "large size": ({"size": (2**62, 4), "stride": (0, 1)}, "its storage"),
    "repeats": ({"size": (100, 4), "stride": (0, 1)}, "its storage"),
    "stride": ({"size": (2,), "stride": (4,)}, "its storage"),
    "negative stride": ({"size": (2,), "stride": (-1,), "offset": 1}, "strange shape"),
    "offset": ({"offset": 1}, "its storage"),
    "negative offset": ({"offset": -1}, "strange shape"),
    "axes": ({"size": (1,) * 70, "stride": (1,) * 70}, "strange shape"),
    "fewer strides": ({"size": (2, 2), "stride": (1,)}, "storage or a shape"),
    "text": ({"size": ("4",)}, "strange shape"),
    "key": ({"key": "1"}, "list of storages"),
    "class": ({"named": "CharStorage"}, "CharStorage"),
    "truth": ({"named": "BoolStorage", "count": 16, "size": (16,)}, "neither true nor false"),
    "view": ({"view": ("1", 0, 4)}, "given up"),
}


def test_the_older_form_is_written_right_here(tmp_path):
    (tmp_path / "a.pt").write_bytes(stream(4, 4, (2, 2), (2, 1)))
    value = torch.frombuffer(bytearray(range(1, 5)), dtype=torch.float32).expand(2, 2)
    assert torch.equal(read_torch(tmp_path / "a.pt"), value)
    assert torch.equal(torch.load(tmp_path / "a.pt"), value)


@pytest.mark.parametrize(("lie", "words"), LIES.values(), ids=LIES)
def test_refuses_sizes_that_the_file_does_not_have(tmp_path, lie, words):
    path = tmp_path / "a.pt"
    path.write_bytes(stream(**{"count": 4, "length": 4, "size": (4,), **lie}))
    refuses(path, words)


class Reduced:
    """Pickles as a call of a name on arguments, and a state."""

    def __init__(self, *parts):
        self.parts = parts

    def __reduce__(self):
        return self.parts


APART = {
    "ordered": Reduced(OrderedDict, (torch.zeros(3, 2),)),
    "set": Reduced(set, (torch.zeros(3),)),
    "array": Reduced(_reconstruct, (np.ndarray, (0,), b"b"), torch.zeros(5)),
    "bytes": Reduced(_codecs.encode, (torch.zeros(2), torch.zeros(2))),
}


@pytest.mark.parametrize("value", APART.values(), ids=APART)
def test_a_tensor_is_never_taken_apart(tmp_path, monkeypatch, value):
    # An object for each number of a tensor fills any memory.
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value, 3))
    monkeypatch.setattr(torch.Tensor, "__iter__", lambda self: pytest.fail("taken apart"))
    with pytest.raises(InputError, match="damaged: "):
        read_pickle(tmp_path / "a.pkl")


def test_nor_is_one_that_stands_for_the_place_of_another(tmp_path, monkeypatch):
    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return torch.zeros(6) if value is None else None

    out = io.BytesIO()
    Pickler(out, 3).dump([None])
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("a/data.pkl", out.getvalue())
    monkeypatch.setattr(torch.Tensor, "__iter__", lambda self: pytest.fail("taken apart"))
    refuses(tmp_path / "a.pt", "a Tensor stands where 5 values should")


def test_bytes_of_a_tensor_are_one_storage():
    data = io.BytesIO()
    torch.save(torch.arange(4.0).untyped_storage(), data, _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match=r"UntypedStorage|kind of storage"):
        legacy_tensor_storage(data.getvalue())
    data = io.BytesIO()
    torch.save(
        torch.storage.TypedStorage(
            wrap_storage=torch.arange(4.0).untyped_storage(), dtype=torch.float32, _internal=True
        ),
        data,
        _use_new_zipfile_serialization=False,
    )
    assert torch.equal(legacy_tensor_storage(data.getvalue()).values, torch.arange(4.0))
    data = io.BytesIO()
    torch.save(torch.arange(4.0), data, _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match="_rebuild_tensor_v2"):
        legacy_tensor_storage(data.getvalue())


def test_pickles_within_a_pickle_share_one_allowance(tmp_path):
    out = io.BytesIO()
    bare = torch.zeros(2).untyped_storage()
    storage = torch.storage.TypedStorage(wrap_storage=bare, dtype=torch.float32, _internal=True)
    torch.save(storage, out, _use_new_zipfile_serialization=False)
    # Two thirds of it, and the magic number.
    slow = b"\x80\x02" + b"N0" * (INSTRUCTIONS // 3) + out.getvalue()[2:]
    assert legacy_tensor_storage(slow).values.tolist() == [0, 0]
    call = b"0ctorch.storage\n_load_from_bytes\nh\x00\x85R"
    (tmp_path / "a.pkl").write_bytes(b"\x80\x03B" + struct.pack("<I", len(slow)) + slow + b"q\x00" + 2 * call + b".")
    with pytest.raises(InputError, match="instructions, which no checkpoint needs"):
        read_pickle(tmp_path / "a.pkl")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    content = {"g_ema": {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.int64)}}
    return {zipped: save(folder / f"{zipped}.pt", content, zipped) for zipped in (True, False)}


@FORMS
@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damage_is_an_input_error_or_goes_unseen(small, zipped, data):
    content, cut = data.draw(damaged(small[zipped].read_bytes()))
    other = small[zipped].with_name("damaged.pt")
    other.write_bytes(content)
    found = attempt(other)
    if isinstance(found, str):
        assert found.isprintable()
        return
    assert not cut
    # The checksums of a zip file see a changed number.
    if zipped:
        assert torch.equal(found["g_ema"]["a"], torch.arange(6.0).reshape(2, 3))


def attempt(path):
    try:
        return read_torch(path)
    except InputError as error:
        return str(error)


@pytest.mark.slow
@FORMS
def test_thirty_million_numbers_take_under_three_seconds(tmp_path, zipped):
    content = {str(i): torch.randn(512, 512, 3, 3) for i in range(13)}
    path = save(tmp_path / "a.pt", content, zipped)
    start = time.process_time()
    found = read_torch(path)
    seconds = time.process_time() - start
    print(f"{seconds:.2f} s")
    assert all(torch.equal(found[key], content[key]) for key in content)
    assert seconds < 3
