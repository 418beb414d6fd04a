import sys
import time

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lit_nst.errors import InputError
from lit_nst.generators.stylegan2.formats.nvlabs import read_nvlabs
from lit_nst.generators.stylegan2.network import Architecture
from tests.conftest import TINY, tiny_state
from tests.generators.formats.emulator import EasyDict, damaged, generator, persistent, write_pickle, write_snapshot

ONE = Architecture(z_dim=3, w_dim=2, channels=(2, 2), mapping_layers=1, lr_multiplier=0.02, conv_clamp=256.0)


def same(found: dict, wanted: dict) -> bool:
    return found.keys() == wanted.keys() and all(torch.equal(found[key], wanted[key]) for key in wanted)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("layout", ["ada", "sg3"])
def test_reads_every_protocol_and_layout_bit_by_bit(tmp_path, protocol, layout):
    state = tiny_state()
    path = write_snapshot(tmp_path / "a.pkl", generator(TINY, state, layout), protocol)
    architecture, found = read_nvlabs(path)
    assert architecture == TINY
    assert same(found, state)
    assert not {"torch_utils", "torch_utils.persistence", "dnnlib"} & sys.modules.keys()


def test_reads_names_of_older_numpy(tmp_path):
    path = write_snapshot(tmp_path / "a.pkl", generator(TINY, tiny_state()), 3)
    data = path.read_bytes()
    assert b"numpy._core.multiarray" in data
    path.write_bytes(data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert same(read_nvlabs(path)[1], tiny_state())


def test_settings_come_from_the_layers(tmp_path):
    path = write_snapshot(tmp_path / "a.pkl", generator(ONE, tiny_state(ONE), "sg3"))
    assert read_nvlabs(path)[0] == ONE


def test_channels_last_and_half_precision_become_plain_float32(tmp_path):
    state = tiny_state()
    name = "synthesis.b16.conv1.weight"
    stored = state | {name: state[name].half().to(memory_format=torch.channels_last)}
    _, found = read_nvlabs(write_snapshot(tmp_path / "a.pkl", generator(TINY, stored)))
    assert torch.equal(found[name], state[name].half().float())
    assert found[name].is_contiguous()


def test_layers_without_noise_get_a_silent_one(tmp_path):
    state = tiny_state()
    wanted = {key: value for key, value in state.items() if ".noise_" not in key}
    layers = [f"synthesis.{block}" for block in ("b4.conv1", "b8.conv0", "b8.conv1", "b16.conv0", "b16.conv1")]
    silent = generator(TINY, wanted, changes={name: {"use_noise": False} for name in layers})
    _, found = read_nvlabs(write_snapshot(tmp_path / "a.pkl", silent))
    assert found.keys() == state.keys()
    assert all(not value.any() for key, value in found.items() if ".noise_" in key)


CONV, RGB, FC = "synthesis.b8.conv1", "synthesis.b8.torgb", "mapping.fc1"
REFUSED = {
    "conditional": ({"": {"c_dim": 10}}, "conditional"),
    "resnet": ({"synthesis.b8": {"architecture": "resnet"}}, "architecture resnet"),
    "orig": ({"synthesis.b4": {"architecture": "orig"}}, "architecture orig"),
    "relu": ({CONV: {"activation": "relu"}}, "activation relu"),
    "mapping relu": ({FC: {"activation": "relu"}}, "activation relu"),
    "affine": ({f"{CONV}.affine": {"activation": "lrelu"}}, "activation lrelu"),
    "clamp of one layer": ({RGB: {"conv_clamp": 256}}, "conv_clamp differs"),
    "clamp of 0": ({RGB: {"conv_clamp": 0}}, "no positive number"),
    "gray": ({"": {"img_channels": 1}}, "3 channels"),
    "gain": ({CONV: {"act_gain": 1.0}}, "act_gain"),
    "no up": ({"synthesis.b8.conv0": {"up": 1}}, "has up 1"),
    "multiplier": ({FC: {"bias_gain": 1.0, "weight_gain": 8**-0.5}}, "multipliers"),
    "weight gain": ({FC: {"weight_gain": 1.0}}, "weight_gain"),
    "affine gain": ({f"{RGB}.affine": {"weight_gain": 1.0}}, "weight_gain"),
    "depth": ({"mapping": {"num_layers": 3}}, "num_layers"),
    "resolution": ({"": {"img_resolution": 32}}, "img_resolution"),
    "init z": ({"": {"_init_kwargs": {"z_dim": 9}}}, "z_dim"),
    "init clamp": ({"": {"_init_kwargs": {"synthesis_kwargs": {"conv_clamp": 256}}}}, "conv_clamp"),
    "init channels": ({"": {"_init_kwargs": EasyDict(channel_base=32, channel_max=512)}}, "channels"),
    "StyleGAN3": ({"synthesis.input": {"kind": "SynthesisInput"}}, "StyleGAN3"),
    "other network": ({"renderer": {"kind": "Renderer"}}, "Generator, not a StyleGAN2"),
    "label": ({"mapping.embed": {}}, "conditional"),
}


@pytest.mark.parametrize(("changes", "words"), REFUSED.values(), ids=REFUSED)
def test_refuses_what_cannot_be_drawn(tmp_path, changes, words):
    path = write_snapshot(tmp_path / "a.pkl", generator(TINY, tiny_state(), changes=changes))
    refuses(path, words)


def refuses(path, words):
    with pytest.raises(InputError, match=words) as caught:
        read_nvlabs(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert "damaged, or not" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "change", "words"),
    [
        ("synthesis.b8.conv1.resample_filter", lambda x: x.flip(0) + 0.01, "filter"),
        ("synthesis.b8.conv1.weight", lambda x: x * torch.nan, "finite"),
        ("synthesis.b8.conv1.bias", lambda x: x[:-1], "bias"),
        ("synthesis.b8.conv1.weight", lambda x: x.int(), "floating"),
    ],
)
def test_refuses_wrong_tensors(tmp_path, key, change, words):
    state = tiny_state()
    refuses(write_snapshot(tmp_path / "a.pkl", generator(TINY, state | {key: change(state[key])})), words)


def test_refuses_missing_and_further_tensors(tmp_path):
    state = tiny_state()
    less = {key: value for key, value in state.items() if key != "mapping.w_avg"}
    refuses(write_snapshot(tmp_path / "a.pkl", generator(TINY, less)), "w_avg")
    more = state | {"synthesis.b8.skip.weight": torch.ones(8, 8, 1, 1)}
    refuses(write_snapshot(tmp_path / "b.pkl", generator(TINY, more)), "skip")


def test_refuses_other_contents(tmp_path):
    path = tmp_path / "a.pkl"
    refuses(write_pickle(path, {"D": persistent("Discriminator", {}, {}), "G_ema": None}), "no G_ema")
    refuses(write_pickle(path, [1, 2]), "snapshot")
    refuses(write_pickle(path, (1, 2, 3)), "TensorFlow")
    path.write_bytes(b"<!DOCTYPE html>")
    refuses(path, "web page")
    path.write_bytes(b"")
    refuses(path, "web page")
    refuses(tmp_path / "missing.pkl", "No such file")


def test_refuses_many_views_of_one_storage(tmp_path):
    big = torch.nn.Parameter(torch.zeros(100, 100), requires_grad=False)
    tensors = tiny_state() | {f"synthesis.b8.extra{i}": big for i in range(50)}
    refuses(write_snapshot(tmp_path / "a.pkl", generator(TINY, tensors)), "shares")


def test_refuses_modules_within_themselves(tmp_path):
    network = generator(TINY, tiny_state())
    network.synthesis.b8.add_module("b8", network.synthesis.b8)
    refuses(write_snapshot(tmp_path / "a.pkl", network), "within too many")
    network = generator(TINY, tiny_state())
    empty = persistent("Empty", {}, {})
    for i in range(200):
        network.synthesis.b8.add_module(f"part{i}", empty)
    wide = network.synthesis.b8
    del wide.resample_filter
    for name in ("conv0", "conv1", "torgb"):
        delattr(wide, name)
    for i in range(60):
        network.synthesis.add_module(f"c{i}", wide)
    refuses(write_snapshot(tmp_path / "b.pkl", network), "too many modules")


@pytest.mark.parametrize("group", ["_modules", "_parameters"])
def test_refuses_a_tensor_for_a_group(tmp_path, monkeypatch, group):
    network = generator(TINY, tiny_state())
    network.__dict__[group] = torch.zeros(4)
    path = write_snapshot(tmp_path / "a.pkl", network)
    monkeypatch.setattr(torch.Tensor, "__iter__", lambda self: pytest.fail("taken apart"))
    refuses(path, f"{group} of G_ema is no dictionary")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "a.pkl"
    write_snapshot(path, generator(ONE, tiny_state(ONE)), 4)
    return path, path.read_bytes()


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damage_is_an_input_error_or_goes_unseen(small, data):
    path, whole = small
    content, cut = data.draw(damaged(whole))
    other = path.with_name("damaged.pkl")
    other.write_bytes(content)
    found = attempt(other)
    if isinstance(found, str):
        assert found.isprintable()
        return
    # A pickle has no checksum: a number may have changed, but nothing else.
    assert not cut
    architecture, state = found
    assert (architecture.channels, architecture.w_dim) == (ONE.channels, ONE.w_dim)
    wanted = tiny_state(ONE)
    assert {key: value.shape for key, value in state.items()} == {key: value.shape for key, value in wanted.items()}
    assert sum(int((state[key] != wanted[key]).sum()) for key in wanted) <= 1


def attempt(path):
    try:
        return read_nvlabs(path)
    except InputError as error:
        return str(error)


@pytest.mark.slow
def test_thirty_million_parameters_take_under_three_seconds(tmp_path):
    config_f = Architecture(512, 512, (512, 512, 512, 512, 512, 256, 128, 64, 32))
    state = tiny_state(config_f)
    assert sum(value.numel() for value in state.values()) > 30e6
    path = write_snapshot(tmp_path / "a.pkl", generator(config_f, state))
    start = time.process_time()
    architecture, found = read_nvlabs(path)
    seconds = time.process_time() - start
    print(f"{seconds:.2f} s")
    assert architecture == config_f
    assert same(found, state)
    assert seconds < 3
