import numpy as np
import pytest
import torch
import torchvision
from jsonargparse import ArgumentParser
from safetensors.torch import save_file
from torch import nn

from lit_nst.errors import InputError
from lit_nst.features import AlexNet, Features
from lit_nst.features.calibration import pictures

NAMES = list(AlexNet.names)


@pytest.fixture(scope="module")
def image():
    return torch.rand(2, 3, 70, 81, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def theirs():
    with torch.random.fork_rng(), torch.device("meta"):
        empty = torchvision.models.alexnet(weights=None).features
    convolutions = empty.to_empty(device="cpu").eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for value in convolutions.parameters():
        value.normal_(0, value[0].numel() ** -0.5, generator=generator)
    return convolutions


@pytest.fixture(scope="module")
def state(theirs):
    return {f"features.{key}": value for key, value in theirs.state_dict().items()}


@pytest.fixture(scope="module")
def file(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "net.pth"
    torch.save(state | {"classifier.1.weight": torch.zeros(1)}, path)
    return str(path)


@pytest.fixture(scope="module")
def net():
    return AlexNet(layers=NAMES)


def test_names_are_at_torchvisions_indices(theirs):
    kinds = {"conv": nn.Conv2d, "relu": nn.ReLU, "pool": nn.MaxPool2d}
    assert len(NAMES) == len(theirs)
    assert all(isinstance(module, kinds[name[:4]]) for name, module in zip(NAMES, theirs, strict=True))


@pytest.mark.parametrize("size", [(63, 63), (64, 97), (70, 81), (111, 98)])
def test_equal_to_torchvisions(file, theirs, size):
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    maps = AlexNet(file, layers=NAMES)(image)
    assert list(maps) == NAMES
    x = torchvision.transforms.functional.normalize(image, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    for name, module in zip(NAMES, theirs, strict=True):
        # Its ReLUs are in place.
        x = module(x.clone())
        torch.testing.assert_close(maps[name], x, rtol=1e-4, atol=1e-5)


def test_a_safetensors_file(file, state, tmp_path, image):
    path = str(tmp_path / "net.safetensors")
    save_file(state, path)
    own, same = AlexNet(path, layers=["relu3"]), AlexNet(file, layers=["relu3"])
    assert torch.equal(own(image)["relu3"], same(image)["relu3"])


def test_imagenet_loads_torchvisions_file(monkeypatch, state):
    asked = {}

    def online(url, **options):
        asked.update(url=url, **options)
        return state

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", online)
    features = AlexNet("imagenet", layers=["conv2"])
    assert asked["url"].endswith("alexnet-owt-7be5be79.pth")
    assert asked["check_hash"]
    assert features.pool == "max"
    assert torch.equal(features.net.conv2.weight, state["features.3.weight"])


def test_a_conv_layer_is_the_map_before_its_relu(net, image):
    maps = net(image)
    for name in ("conv1", "conv2", "conv3", "conv4", "conv5"):
        assert maps[name].min() < 0
        assert torch.equal(maps[name].relu(), maps[name.replace("conv", "relu")])


def test_every_relu_averages_one_on_the_calibration_pictures():
    net = AlexNet(layers=NAMES)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.padding_mode = "replicate"  # as in the calibration
    for name, x in net(torch.from_numpy(pictures(np.random.RandomState(0), 64)).float()).items():
        if name.startswith("relu"):
            assert x.mean().item() == pytest.approx(1, abs=0.002)
            assert (x > 0).float().mean().item() == pytest.approx(0.5, abs=0.05)


def test_a_cut_network_has_the_first_weights_of_the_whole(net):
    short = AlexNet(layers=["relu2"]).net.state_dict()
    assert len(short) == 4
    assert all(torch.equal(value, net.net.state_dict()[key]) for key, value in short.items())
    other = AlexNet(layers=["conv1"], seed=1).net.conv1.weight
    assert not torch.equal(other, short["conv1.weight"])


def test_pooling_follows_the_weights_and_is_rescaled(file, image):
    assert AlexNet().pool == "average"
    maps = AlexNet(file, layers=["relu1", "pool1"], pool="average")(image)
    theirs = torch.nn.functional.avg_pool2d(maps["relu1"], 3, 2)
    torch.testing.assert_close(maps["pool1"], 1.5 * theirs)


@pytest.mark.parametrize(("layer", "least"), [("relu1", 7), ("pool1", 15), ("relu2", 15), ("relu5", 31), ("pool5", 63)])
def test_small_images(layer, least):
    features = AlexNet(layers=[layer])
    assert features(torch.rand(1, 3, least, least))[layer].shape[-2:] == (1, 1)
    with pytest.raises(InputError, match=rf"AlexNet: .* up to {layer} .* at least {least}×{least} pixels"):
        features(torch.rand(1, 3, 90, least - 1))


def test_weights_are_frozen_and_the_image_is_not(net, image):
    assert not any(p.requires_grad for p in net.parameters())
    x = image.clone().requires_grad_()
    net(x)["relu5"].square().sum().backward()
    assert x.grad.isfinite().all()
    assert (x.grad != 0).float().mean() > 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "embedded"}, "the shipped encoder is a VGG19; take it, or give AlexNet"),
        ({"pool": "l2"}, 'features.pool: there is no pooling "l2"; give max or average'),
        ({"layers": ["relu6"]}, 'AlexNet has no layer "relu6"; choose among relu'),
        ({"seed": -1}, "features.seed is -1; give a number from 0"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError) as caught:
        AlexNet(**options)
    assert message in str(caught.value)


def test_weights_of_another_shape_are_named(state, tmp_path):
    path = str(tmp_path / "net.pth")
    torch.save(state | {"features.3.weight": torch.zeros(256, 96, 5, 5)}, path)
    with pytest.raises(InputError, match=r"features\.3\.weight is 256×96×5×5 in .*192×64×5×5 fits"):
        AlexNet(path, layers=["relu2"])


def test_layers_by_index(net, image):
    maps = AlexNet(layers=["features.4", "CONV3", "0"])(image)
    assert list(maps) == ["0", "features.4", "CONV3"]
    assert torch.equal(maps["features.4"], net(image)["relu2"])


def test_survives_yaml():
    parser = ArgumentParser()
    parser.add_argument("--features", type=Features)
    config = {"class_path": "lit_nst.features.AlexNet", "init_args": {"layers": ["relu2"], "pool": "max"}}
    features = parser.instantiate(parser.parse_object({"features": config})).features
    assert features.layers == ["relu2"]
    assert features.pool == "max"
