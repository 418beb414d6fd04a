import argparse
import json
import time

import pytest
import torch
from safetensors.torch import load_file, save_file

from lit_nst.embedded import locate
from lit_nst.errors import InputError
from lit_nst.generators.stylegan2 import checkpoint
from lit_nst.generators.stylegan2.checkpoint import EMBEDDED, FORMAT, check_name, read, resolve, write
from lit_nst.generators.stylegan2.formats.rosinality import to_rosinality
from lit_nst.generators.stylegan2.network import Architecture
from tests.conftest import TINY, tiny_state


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def refused(call, *words):
    with pytest.raises(InputError) as error:
        call()
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


class TestResolve:
    def test_name_and_files(self, tmp_path):
        assert resolve("embedded") == locate(EMBEDDED)
        for name in ("a.safetensors", "a.pkl", "a.pt", "a.pth", "b.PT"):
            (tmp_path / name).touch()
            assert resolve(str(tmp_path / name)) == tmp_path / name

    @pytest.mark.parametrize("name", ["a.onnx", "a", "none.pt", "folder.pkl", "embeded"])
    def test_refused(self, tmp_path, name):
        (tmp_path / "a.onnx").touch()
        (tmp_path / "folder.pkl").mkdir()
        refused(lambda: resolve(str(tmp_path / name)), name, "embedded", ".safetensors, .pkl, .pt or .pth")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_what_is_written_is_read(tmp_path, suffix):
    architecture = Architecture(5, 7, (9, 8, 6), 3, 0.5, 256.0)
    state = tiny_state(architecture)
    write(tmp_path / "new" / f"g{suffix}", architecture, state)
    again, copy = read(tmp_path / "new" / f"g{suffix}")
    assert again == architecture
    assert equal(copy, state)
    assert names(tmp_path / "new") == [f"g{suffix}"]


def test_every_bit_survives_a_way_through_both_formats(tmp_path):
    first, between, last = (tmp_path / name for name in ("a.pt", "b.safetensors", "c.pt"))
    write(first, TINY, tiny_state())
    write(between, *read(first))
    write(last, *read(between))
    assert equal(read(last)[1], tiny_state())
    a, b = (torch.load(path, weights_only=True) for path in (first, last))
    assert equal(a["g_ema"], b["g_ema"])
    assert torch.equal(a["latent_avg"], b["latent_avg"])


@pytest.mark.parametrize("legacy", [False, True])
def test_trainer_file(tmp_path, legacy):
    content = {**to_rosinality(TINY, tiny_state()), "args": argparse.Namespace(size=16, n_mlp=2), "ada_aug_p": 0.0}
    content |= {"g_optim": {"state": {0: {"step": 3, "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 0.002}]}}
    torch.save(content, tmp_path / "000100.pt", _use_new_zipfile_serialization=not legacy)
    architecture, state = read(tmp_path / "000100.pt")
    assert architecture == TINY
    assert equal(state, tiny_state())


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pth", ".pkl"])
def test_content_counts_not_the_suffix(tmp_path, suffix):
    for kind in (".pt", ".safetensors"):
        write(tmp_path / f"g{kind}", TINY, tiny_state())
        (tmp_path / f"g{kind}").rename(tmp_path / f"renamed{suffix}")
        assert equal(read(tmp_path / f"renamed{suffix}")[1], tiny_state())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_other_pickles_go_to_the_reader_of_nvlabs(tmp_path, monkeypatch, protocol):
    path = tmp_path / "network.pt"
    path.write_bytes(b"\x80" + bytes([protocol]) + b"}.")
    monkeypatch.setattr(checkpoint, "read_nvlabs", lambda given: (given, {}))
    assert read(path) == (path, {})


class TestErrors:
    @pytest.mark.parametrize(
        ("data", "word"),
        [
            (b"", "empty"),
            (b"x" * 100, "not a .safetensors file"),
            (b"\x80", "not a .safetensors file"),
            (b"\n<!DOCTYPE html><html>Quota exceeded", "a web page"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "Git LFS"),
        ],
    )
    def test_no_generator_at_all(self, tmp_path, data, word):
        (tmp_path / "g.pt").write_bytes(data)
        refused(lambda: read(tmp_path / "g.pt"), "g.pt", word)

    @pytest.mark.parametrize("start", [b"PK\x03\x04", b"\x80\x04N.", b"\x80\x02\x8a\x0a"])
    def test_too_large_to_be_read_at_all(self, tmp_path, start):
        with (tmp_path / "g.pt").open("wb") as file:
            file.write(start)
            # Takes no place on the disk.
            file.truncate(4 << 30)
        refused(lambda: read(tmp_path / "g.pt"), "g.pt", "larger than 3 GiB")

    @pytest.mark.parametrize("kind", [".pt", ".safetensors"])
    @pytest.mark.parametrize("part", [0.02, 0.5, 0.95])
    def test_truncated(self, tmp_path, kind, part):
        path = tmp_path / f"g{kind}"
        write(path, TINY, tiny_state())
        path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
        refused(lambda: read(path), path.name)

    def test_truncated_legacy_file(self, tmp_path):
        path = tmp_path / "g.pt"
        torch.save(to_rosinality(TINY, tiny_state()), path, _use_new_zipfile_serialization=False)
        path.write_bytes(path.read_bytes()[:-1000])
        refused(lambda: read(path), path.name)

    def test_feature_encoder(self):
        path = locate("embedded:encoder.safetensors")
        refused(lambda: read(path), "encoder.safetensors", "not a StyleGAN2", "features.")

    def test_another_network_in_a_torch_file(self, tmp_path):
        torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "net.pth")
        refused(lambda: read(tmp_path / "net.pth"), "net.pth", "weight, bias", "g_ema")

    @pytest.mark.parametrize("settings", [None, "{}", '{"lr_multiplier": "a", "conv_clamp": null}'])
    def test_settings(self, tmp_path, settings):
        metadata = {"format": FORMAT} | ({} if settings is None else {"settings": settings})
        state = {key: value.contiguous() for key, value in tiny_state().items()}
        save_file(state, tmp_path / "g.safetensors", metadata)
        refused(lambda: read(tmp_path / "g.safetensors"), "g.safetensors", "settings")

    @pytest.mark.parametrize(
        ("key", "value", "word"),
        [
            ("synthesis.b8.torgb.bias", None, "lacks"),
            ("mapping.fc0.weight", None, "lacks"),
            ("mapping.embed.weight", torch.zeros(2), "holds"),
            ("synthesis.b64.conv1.weight", torch.zeros(2), "lacks"),
            ("synthesis.b16.conv1.noise_const", torch.zeros(8, 8), "8×8, but 16×16"),
        ],
    )
    def test_wrong_tensors(self, tmp_path, tiny_generator, key, value, word):
        state = load_file(tiny_generator)
        state.pop(key, None)
        state |= {} if value is None else {key: value}
        settings = json.dumps({"lr_multiplier": 0.01, "conv_clamp": None})
        save_file(state, tmp_path / "g.safetensors", {"format": FORMAT, "settings": settings})
        refused(lambda: read(tmp_path / "g.safetensors"), "g.safetensors", word, key.rpartition(".b64")[0] or key)


class TestWrite:
    @pytest.mark.parametrize(
        ("name", "half", "words"),
        [
            ("g.pkl", False, ["NVIDIA's source code", ".safetensors", ".pt"]),
            ("g.pth", False, [".safetensors", ".pt"]),
            ("g", False, [".safetensors"]),
            ("g.pt", True, ["half"]),
        ],
    )
    def test_refused(self, tmp_path, name, half, words):
        refused(lambda: write(tmp_path / name, TINY, tiny_state(), half), name, *words)
        refused(lambda: check_name(tmp_path / name, half), name, *words)
        assert names(tmp_path) == []

    def test_too_large_for_half(self, tmp_path):
        state = tiny_state()
        state["mapping.fc0.weight"][0, 0] = -1e5
        refused(lambda: write(tmp_path / "g.safetensors", TINY, state, half=True), "mapping.fc0.weight", "float16")
        assert names(tmp_path) == []

    @pytest.mark.parametrize("name", ["g.pt", "g.safetensors"])
    def test_a_failure_leaves_nothing(self, tmp_path, monkeypatch, name):
        def fail(*_):
            raise OSError("disk full")

        monkeypatch.setattr("os.replace", fail)
        with pytest.raises(OSError, match="disk full"):
            write(tmp_path / name, TINY, tiny_state())
        assert names(tmp_path) == []


@pytest.mark.slow
def test_thirty_million_parameters_take_under_three_seconds(tmp_path):
    architecture = Architecture(512, 512, (512, 512, 512, 512, 512, 256, 128, 64, 32))
    state = tiny_state(architecture)
    # Processor time: the clock on the wall also counts other programs.
    begin = time.process_time()
    write(tmp_path / "large.pt", architecture, state)
    again, copy = read(tmp_path / "large.pt")
    seconds = time.process_time() - begin
    assert again == architecture
    assert equal(copy, state)
    assert seconds < 3
