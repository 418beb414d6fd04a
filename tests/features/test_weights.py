from urllib.error import URLError

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from lit_nst.errors import InputError
from lit_nst.features import VGG16, VGG19


def weights(last=4, width=0.125):
    """Weights of torchvision's naming up to the convolution at an index of VGG-16's, two convolutions here."""
    generator = torch.Generator().manual_seed(1)
    channels = [3, round(64 * width), round(64 * width), round(128 * width)]
    state = {}
    for index, before, after in zip((0, 2, 5), channels, channels[1:], strict=False):
        if index <= last:
            state[f"features.{index}.weight"] = torch.randn(after, before, 3, 3, generator=generator)
            state[f"features.{index}.bias"] = torch.randn(after, generator=generator)
    return state


def error(*args, **options):
    with pytest.raises(InputError) as caught:
        VGG16(*args, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("suffix", ["pth", "pt", "safetensors"])
def test_a_file_fills_the_layers_that_are_needed(tmp_path, suffix):
    path = str(tmp_path / f"net.{suffix}")
    state = weights() | {"classifier.0.bias": torch.zeros(3)}
    save_file(state, path) if suffix == "safetensors" else torch.save(state, path)
    net = VGG16(path, layers=["relu1_2"], width=0.125).net
    assert torch.equal(net.conv1_1.weight, state["features.0.weight"])
    assert torch.equal(net.conv1_2.weight, state["features.2.weight"])
    assert torch.equal(net.conv1_2.bias, state["features.2.bias"])


def test_half_precision_files_become_float32(tmp_path):
    path = str(tmp_path / "net.safetensors")
    save_file({key: value.half() for key, value in weights().items()}, path)
    net = VGG16(path, layers=["conv1_1"], width=0.125).net
    assert net.conv1_1.weight.dtype == torch.float32
    assert torch.equal(net.conv1_1.weight, weights()["features.0.weight"].half().float())


@pytest.mark.parametrize("choice", ["embedded", "embeded", "", "weights.bin", "IMAGENET"])
def test_unknown_choices_list_what_there_is(choice):
    message = error(choice)
    assert f'no weights "{choice}"' in message
    assert message.endswith('give "random", "imagenet" or the path of a .pth, .pt or .safetensors file')


def test_missing_file(tmp_path):
    assert "there is no file" in error(str(tmp_path / "none.pth"))


@pytest.mark.parametrize("name", ["broken.pth", "broken.safetensors", "empty.pth"])
def test_damaged_file(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"" if "empty" in name else b"not weights at all")
    message = error(str(path), layers=["conv1_1"])
    assert str(path) in message
    assert "cannot be read" in message


def test_code_in_a_file_is_not_run(tmp_path):
    path = tmp_path / "net.pth"
    torch.save({"features.0.weight": print}, path)
    assert "cannot be read" in error(str(path), layers=["conv1_1"])


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": {"features.0.weight": torch.zeros(1)}}])
def test_not_a_state_dict(tmp_path, content):
    path = tmp_path / "net.pth"
    torch.save(content, path)
    assert "is not a state dict" in error(str(path), layers=["conv1_1"])


def test_missing_weights_are_named(tmp_path):
    path = tmp_path / "net.pth"
    torch.save(weights(last=0), path)
    VGG16(str(path), layers=["relu1_1"], width=0.125)
    assert "lacks features.2.weight, features.2.bias;" in error(str(path), layers=["conv1_2"], width=0.125)
    assert "and 3 more" in error(str(path), layers=["conv2_2"], width=0.125)


def test_another_width_is_named(tmp_path):
    path = tmp_path / "net.pth"
    torch.save(weights(), path)
    message = error(str(path), layers=["conv1_1"])
    assert f"features.0.weight is 8×3×3×3 in {path}, 64×3×3×3 here" in message
    assert "features.width" in message


@pytest.mark.parametrize("key", ["features.1.weight", "features.0.running_mean", "conv1.weight"])
def test_weights_of_another_network_are_named(tmp_path, key):
    path = tmp_path / "net.pth"
    torch.save(weights() | {key: torch.zeros(8)}, path)
    assert f"holds {key}, of another network" in error(str(path), layers=["conv1_1"], width=0.125)


def test_a_vgg19_file_is_not_a_vgg16s(tmp_path):
    path = str(tmp_path / "net.pth")
    torch.save(weights() | {"features.16.bias": torch.zeros(32)}, path)
    VGG19(path, layers=["conv1_1"], width=0.125)
    assert "features.16.bias" in error(path, layers=["conv1_1"], width=0.125)


def test_imagenet_has_one_width():
    assert 'features.width is 0.5, but "imagenet" weights need 1' in error("imagenet", width=0.5)


@pytest.mark.parametrize("failure", [URLError("unreachable"), TimeoutError("slow"), RuntimeError("invalid hash value")])
def test_imagenet_without_network(monkeypatch, failure):
    def offline(*args, **options):
        raise failure

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", offline)
    message = error("imagenet", layers=["relu1_1"])
    assert "no network" in message
    assert "features.weights PATH" in message
    assert 'use "random"' in message


@pytest.mark.parametrize(("network", "file"), [(VGG16, "vgg16-397923af.pth"), (VGG19, "vgg19-dcbb9e9d.pth")])
def test_imagenet_loads_torchvisions_file(monkeypatch, network, file):
    asked = {}

    def online(url, **options):
        asked.update(url=url, **options)
        return weights(width=1)

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", online)
    features = network("imagenet", layers=["relu1_1"])
    assert asked["url"].endswith(file)
    assert asked["check_hash"]
    assert torch.equal(features.net.conv1_1.weight, weights(width=1)["features.0.weight"])
