import hashlib
import os

import pytest

from lit_nst.files import sha256, write_atomically


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_file_holds_the_bytes_and_its_folder_is_made(tmp_path):
    path = tmp_path / "a" / "b" / "data.bin"
    write_atomically(path, b"\x00one\n")
    assert path.read_bytes() == b"\x00one\n"
    assert names(path.parent) == ["data.bin"]


def test_old_file_is_replaced(tmp_path):
    path = tmp_path / "data.bin"
    for data in (b"a long first version", b"short", b""):
        write_atomically(path, data)
        assert path.read_bytes() == data
    assert names(tmp_path) == ["data.bin"]


@pytest.mark.parametrize("call", ["os.fsync", "os.replace"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_failing_write_keeps_the_old_file_and_leaves_nothing(tmp_path, monkeypatch, call, error):
    path = tmp_path / "data.bin"
    write_atomically(path, b"old")

    def fail(*_):
        raise error

    monkeypatch.setattr(call, fail)
    with pytest.raises(type(error)):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["data.bin"]


def test_reader_never_sees_a_part(tmp_path, monkeypatch):
    path = tmp_path / "data.bin"
    write_atomically(path, b"old")
    seen = []
    sync = os.fsync

    def look(descriptor):
        seen.append((path.read_bytes(), len(names(tmp_path))))
        sync(descriptor)

    monkeypatch.setattr("os.fsync", look)
    write_atomically(path, b"new" * 100_000)
    # All bytes were synced in a second file while the old one was still there.
    assert seen[0] == (b"old", 2)
    assert path.read_bytes() == b"new" * 100_000


def test_digest_is_that_of_the_bytes(tmp_path):
    data = os.urandom(300_000)
    (tmp_path / "data.bin").write_bytes(data)
    assert sha256(tmp_path / "data.bin") == hashlib.sha256(data).hexdigest()
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
