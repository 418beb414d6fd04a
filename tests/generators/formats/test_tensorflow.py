import numpy as np
import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.generators.stylegan2.formats.nvlabs import read_nvlabs
from lit_nst.generators.stylegan2.network import Architecture
from tests.conftest import TINY, tiny_state
from tests.generators.formats.emulator import Network, tensorflow_network, write_pickle


def write(path, network, protocol=4):
    return write_pickle(path, (Network(version=4), Network(version=4), network), protocol)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_reads_the_last_network(tmp_path, protocol):
    state = tiny_state()
    architecture, found = read_nvlabs(write(tmp_path / "a.pkl", tensorflow_network(TINY, state), protocol))
    assert architecture == TINY
    assert found.keys() == state.keys()
    for key, value in state.items():
        # 1 is taken from the bias of a style and added again.
        atol = 1e-6 if key.endswith("affine.bias") else 0
        torch.testing.assert_close(found[key], value, rtol=0, atol=atol)


def test_kernels_are_turned_and_transposed_as_documented(tmp_path):
    network = tensorflow_network(TINY, tiny_state())
    variables = dict(network.components["synthesis"].variables)
    _, found = read_nvlabs(write(tmp_path / "a.pkl", network))
    up, flat = variables["8x8/Conv0_up/weight"], variables["8x8/Conv1/weight"]
    assert found["synthesis.b8.conv0.weight"][5, 3, 0, 2] == up[2, 0, 3, 5]
    assert found["synthesis.b8.conv1.weight"][5, 3, 0, 2] == flat[0, 2, 3, 5]
    assert found["synthesis.b16.conv0.affine.bias"][1] == variables["16x16/Conv0_up/mod_bias"][1] + 1
    assert torch.equal(found["synthesis.b16.conv1.noise_const"], torch.from_numpy(variables["noise4"][0, 0]))


def test_reads_options(tmp_path):
    a = Architecture(4, 4, (4, 4), mapping_layers=1, lr_multiplier=0.5, conv_clamp=256.0)
    options = {"truncation_psi": 0.5, "resample_kernel": [1, 3, 3, 1], "fmap_base": 8192, "architecture": "skip"}
    assert read_nvlabs(write(tmp_path / "a.pkl", tensorflow_network(a, tiny_state(a), **options)))[0] == a


def test_no_noise_is_a_silent_one(tmp_path):
    state = {key: value for key, value in tiny_state().items() if ".noise_" not in key}
    path = write(tmp_path / "a.pkl", tensorflow_network(TINY, state, use_noise=False))
    _, found = read_nvlabs(path)
    assert found.keys() == tiny_state().keys()
    assert not any(value.any() for key, value in found.items() if ".noise_" in key)


def refuses(path, words):
    with pytest.raises(InputError, match=words) as caught:
        read_nvlabs(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"label_size": 10}, "another label_size than 0"),
        ({"num_channels": 1}, "num_channels"),
        ({"architecture": "resnet"}, "architecture"),
        ({"nonlinearity": "relu"}, "nonlinearity"),
        ({"resample_kernel": [1, 2, 1]}, "resample_kernel"),
        ({"synthesis_func": "G_synthesis_stylegan_revised"}, "synthesis_func"),
        ({"normalize_latents": False}, "normalize_latents"),
        ({"surprise": 1}, "option surprise"),
        ({"conv_clamp": -1}, "conv_clamp that is no positive"),
    ],
)
def test_refuses_other_options(tmp_path, options, words):
    refuses(write(tmp_path / "a.pkl", tensorflow_network(TINY, tiny_state(), **options)), words)


def test_refuses_other_networks(tmp_path):
    path = tmp_path / "a.pkl"

    def refuses_with(words, **fields):
        network = tensorflow_network(TINY, tiny_state())
        network.__dict__.update(fields)
        refuses(write(path, network), words)

    refuses_with("older than StyleGAN2", version=3)
    refuses_with("no mapping and synthesis", components={})
    refuses_with("variable 4x4/Odd", variables=[("4x4/Odd", np.ones(1, "f"))])
    refuses_with("configuration A to D", variables=[("synthesis/ToRGB_lod0/weight", np.ones(1, "f"))])
    refuses_with("floating-point", variables=[("dlatent_avg", np.ones(8, int))])
    refuses_with("without a name", variables=[("dlatent_avg", "text")])
    refuses_with("lacks mapping.w_avg", variables=[])
    refuses_with("no list", variables=torch.zeros(3, 2))
    refuses_with("a Tensor stands where 2 values should", variables=[torch.zeros(2)])
    big = np.ones(100_000, "f")
    refuses_with("shares", variables=[(f"noise{i}", big) for i in range(9)])
    refuses(write_pickle(path, (Network(version=4), Network(version=4))), "three networks")


def test_refuses_networks_that_disagree(tmp_path):
    network = tensorflow_network(TINY, tiny_state(), conv_clamp=256)
    network.components["synthesis"].static_kwargs["conv_clamp"] = 128
    refuses(write(tmp_path / "a.pkl", network), "disagree")
