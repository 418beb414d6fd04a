from urllib.error import URLError

import pytest
import torch
import torchvision
from safetensors.torch import save_file

import lit_nst.embedded
from lit_nst.errors import InputError
from lit_nst.features import VGG16, VGG19


def weights(last=5, channels=(8, 8, 16)):
    """Weights of torchvision's naming up to the convolution at an index, of three convolutions."""
    generator = torch.Generator().manual_seed(1)
    channels = (3, *channels)
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
    net = VGG16(path, layers=["relu1_2"]).net
    assert torch.equal(net.conv1_1.weight, state["features.0.weight"])
    assert torch.equal(net.conv1_2.weight, state["features.2.weight"])
    assert torch.equal(net.conv1_2.bias, state["features.2.bias"])


def test_half_precision_files_become_float32(tmp_path):
    path = str(tmp_path / "net.safetensors")
    save_file({key: value.half() for key, value in weights().items()}, path)
    net = VGG16(path, layers=["conv1_1"]).net
    assert net.conv1_1.weight.dtype == torch.float32
    assert torch.equal(net.conv1_1.weight, weights()["features.0.weight"].half().float())


@pytest.mark.parametrize("choice", ["embeded", "", "weights.bin", "IMAGENET"])
def test_unknown_choices_list_what_there_is(choice):
    message = error(choice)
    assert f'no weights "{choice}"' in message
    assert message.endswith('give "embedded", "random", "imagenet" or the path of a .pth, .pt or .safetensors file')


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
    VGG16(str(path), layers=["relu1_1"])
    assert "lacks features.2.weight, features.2.bias of conv1_2; choose" in error(str(path), layers=["conv1_2"])
    assert "of conv1_2;" in error(str(path), layers=["conv2_2"])


@pytest.mark.parametrize("channels", [(16, 16, 32), (5, 7, 11), (64, 64, 128)])
@pytest.mark.parametrize("width", [1, 0.25])
def test_channels_are_those_of_the_file(tmp_path, channels, width):
    path = tmp_path / "net.pth"
    torch.save(weights(channels=channels), path)
    features = VGG16(str(path), layers=["conv2_1"], width=width)
    assert tuple(m.out_channels for m in features.net if isinstance(m, torch.nn.Conv2d)) == channels
    assert features(torch.rand(1, 3, 8, 8))["conv2_1"].shape == (1, channels[2], 4, 4)


@pytest.mark.parametrize(
    ("key", "shape", "fits"),
    [
        ("features.0.weight", (8, 1, 3, 3), "8×3×3×3"),
        ("features.0.weight", (8, 3, 5, 5), "8×3×3×3"),
        ("features.0.weight", (8,), "8×3×3×3"),
        ("features.0.weight", (), "1×3×3×3"),
        ("features.0.weight", (0, 3, 3, 3), "1×3×3×3"),
        ("features.0.bias", (9,), "8"),
        ("features.2.weight", (8, 16, 3, 3), "8×8×3×3"),
        ("features.2.weight", (8, 8, 1, 1), "8×8×3×3"),
    ],
)
def test_weights_that_do_not_follow_one_another_are_named(tmp_path, key, shape, fits):
    path = tmp_path / "net.pth"
    torch.save(weights() | {key: torch.zeros(shape)}, path)
    message = error(str(path), layers=["conv1_2"])
    assert f"features.weights: {key} is {'×'.join(map(str, shape))} in {path}, but {fits} fits" in message


@pytest.mark.parametrize("key", ["features.1.weight", "features.0.running_mean", "conv1.weight"])
def test_weights_of_another_network_are_named(tmp_path, key):
    path = tmp_path / "net.pth"
    torch.save(weights() | {key: torch.zeros(8)}, path)
    assert f"holds {key}, of another network" in error(str(path), layers=["conv1_1"])


def test_a_vgg19_file_is_not_a_vgg16s(tmp_path):
    path = str(tmp_path / "net.pth")
    torch.save(weights() | {"features.16.bias": torch.zeros(32)}, path)
    VGG19(path, layers=["conv1_1"])
    assert "features.16.bias" in error(path, layers=["conv1_1"])


def test_the_width_is_of_random_weights_only(tmp_path):
    path = tmp_path / "net.pth"
    torch.save(weights(), path)
    assert VGG16(str(path), layers=["conv1_1"], width=0.5).net.conv1_1.out_channels == 8
    assert VGG16("random", layers=["conv1_1"], width=0.5).net.conv1_1.out_channels == 32


@pytest.fixture
def encoder(tmp_path, monkeypatch):
    """Writes a small encoder where the shipped one lies."""
    monkeypatch.setattr(lit_nst.embedded, "FOLDER", tmp_path)

    def write(metadata=None):
        save_file({k: v.half() for k, v in weights().items()}, tmp_path / "encoder.safetensors", metadata)

    return write


def test_embedded(encoder):
    encoder({"pool": "average"})
    features = VGG19("embedded", layers=["relu2_1"], width=0.25)
    assert features.pool == features.native == "average"
    for module, index in ((features.net.conv1_1, 0), (features.net.conv2_1, 5)):
        assert module.weight.dtype == torch.float32
        assert torch.equal(module.weight, weights()[f"features.{index}.weight"].half().float())


def test_embedded_weights_were_made_with_average_pooling_unless_they_say_so(encoder):
    encoder()
    assert VGG19("embedded").native == "average"
    encoder({"pool": "max"})
    assert VGG19("embedded").native == "max"


def test_embedded_is_a_vgg19(encoder):
    encoder()
    message = error("embedded")
    assert message.startswith("features.weights: the shipped encoder is a VGG19; take it, or give VGG16")


def test_a_missing_encoder_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(lit_nst.embedded, "FOLDER", tmp_path)
    with pytest.raises(InputError, match=r"embedded:encoder\.safetensors"):
        VGG19("embedded")


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
        return weights(channels=(64, 64, 128))

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", online)
    features = network("imagenet", layers=["relu1_1"])
    assert asked["url"].endswith(file)
    assert asked["check_hash"]
    assert torch.equal(features.net.conv1_1.weight, weights(channels=(64, 64, 128))["features.0.weight"])
