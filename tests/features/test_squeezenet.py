import numpy as np
import pytest
import torch
import torchvision
from jsonargparse import ArgumentParser
from safetensors.torch import save_file

from lit_nst.errors import InputError
from lit_nst.features import Features, SqueezeNet
from lit_nst.features.calibration import pictures
from lit_nst.features.modules import Fire

NAMES = list(SqueezeNet.names)


@pytest.fixture(scope="module")
def image():
    return torch.rand(2, 3, 37, 50, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def theirs():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torchvision.models.squeezenet1_1(weights=None).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def file(theirs, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "net.pth"
    torch.save(theirs.state_dict(), path)
    return str(path)


@pytest.fixture(scope="module")
def net():
    return SqueezeNet(layers=NAMES)


def test_names_are_the_papers():
    assert NAMES[:6] == ["conv1", "relu1", "pool1", "fire2", "fire3", "pool3"]
    assert NAMES[6:] == ["fire4", "fire5", "pool5", "fire6", "fire7", "fire8", "fire9"]


@pytest.mark.parametrize("size", [(17, 17), (37, 50), (64, 40)])
def test_equal_to_torchvisions(file, theirs, size):
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    maps = SqueezeNet(file, layers=NAMES)(image)
    assert list(maps) == NAMES
    x = torchvision.transforms.functional.normalize(image, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    for name, module in zip(NAMES, theirs.features, strict=True):
        # Its ReLUs are in place.
        x = module(x.clone())
        torch.testing.assert_close(maps[name], x, rtol=1e-4, atol=1e-5)


def test_a_safetensors_file_of_the_features_alone(file, theirs, tmp_path, image):
    path = str(tmp_path / "net.safetensors")
    save_file({f"features.{key}": value for key, value in theirs.features.state_dict().items()}, path)
    own, same = SqueezeNet(path, layers=["fire5"]), SqueezeNet(file, layers=["fire5"])
    assert torch.equal(own(image)["fire5"], same(image)["fire5"])


def test_imagenet_loads_torchvisions_file(monkeypatch, theirs, image):
    asked = {}

    def online(url, **options):
        asked.update(url=url, **options)
        return theirs.state_dict()

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", online)
    features = SqueezeNet("imagenet", layers=["fire2"])
    assert asked["url"].endswith("squeezenet1_1-b8a52dc0.pth")
    assert asked["check_hash"]
    assert torch.equal(features.net.fire2.squeeze.weight, theirs.features[3].squeeze.weight)


def test_a_conv_layer_is_the_map_before_its_relu(net, image):
    maps = net(image)
    assert maps["conv1"].min() < 0
    assert torch.equal(maps["conv1"].relu(), maps["relu1"])
    assert all(maps[name].min() >= 0 for name in NAMES if name.startswith("fire"))


def test_random_weights_keep_pictures_apart_and_scales_level(net):
    image = torch.rand(1, 3, 96, 96) * torch.linspace(0.2, 1, 96)
    for name, x in net(torch.cat([image, image.flip(2, 3)])).items():
        if name.startswith("fire"):
            assert 0.5 < x.mean() < 2
            assert 0.35 < (x > 0).float().mean() < 0.65


def test_every_fire_averages_one_on_the_calibration_pictures():
    net = SqueezeNet(layers=NAMES)
    for module in net.modules():
        if isinstance(module, Fire):
            module.expand3x3.padding_mode = "replicate"  # as in the calibration
    for name, x in net(torch.from_numpy(pictures(np.random.RandomState(0), 64)).float()).items():
        if name.startswith(("relu", "fire")):
            assert x.mean().item() == pytest.approx(1, abs=0.002)
            assert (x > 0).float().mean().item() == pytest.approx(0.5, abs=0.05)


def test_a_cut_network_has_the_first_weights_of_the_whole(net):
    short = SqueezeNet(layers=["fire3"]).net.state_dict()
    assert len(short) == 14
    assert all(torch.equal(value, net.net.state_dict()[key]) for key, value in short.items())
    other = SqueezeNet(layers=["conv1"], seed=1).net.conv1.weight
    assert not torch.equal(other, short["conv1.weight"])


def test_pooling_follows_the_weights_and_is_rescaled(file, image):
    assert SqueezeNet().pool == "average"
    assert SqueezeNet(file).pool == "max"
    maps = SqueezeNet(file, layers=["relu1", "pool1"], pool="average")(image)
    theirs = torch.nn.functional.avg_pool2d(maps["relu1"], 3, 2, ceil_mode=True)
    torch.testing.assert_close(maps["pool1"], 1.5 * theirs)


@pytest.mark.parametrize("pool", ["max", "average"])
def test_circular_features_move_with_the_image(pool):
    features = SqueezeNet(layers=NAMES, padding="circular", pool=pool)
    image = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    maps, moved = features(image), features(image.roll((16, -16), (2, 3)))
    stride = 2
    for name in NAMES:
        stride *= 2 if name.startswith("pool") else 1
        assert maps[name].shape[2:] == (32 // stride, 48 // stride)
        expected = maps[name].roll((16 // stride, -16 // stride), (2, 3))
        torch.testing.assert_close(moved[name], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("layer", "least"), [("relu1", 3), ("pool1", 5), ("fire5", 9), ("fire9", 17)])
def test_small_images(net, layer, least):
    features = SqueezeNet(layers=[layer])
    assert features(torch.rand(1, 3, least, least))[layer].shape[-2:] == (1, 1)
    with pytest.raises(InputError, match=rf"SqueezeNet: .* up to {layer} .* at least {least}×{least} pixels"):
        features(torch.rand(1, 3, 30, least - 1))


def test_small_images_with_circular_padding():
    assert SqueezeNet(layers=["fire4"], padding="circular")(torch.rand(1, 3, 1, 1))["fire4"].shape == (1, 256, 1, 1)


def test_weights_are_frozen_and_the_image_is_not(net, image):
    assert not any(p.requires_grad for p in net.parameters())
    x = image.clone().requires_grad_()
    net(x)["fire9"].square().sum().backward()
    assert x.grad.isfinite().all()
    assert (x.grad != 0).float().mean() > 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "embedded"}, "the shipped encoder is a VGG19; take it, or give SqueezeNet"),
        ({"pool": "l2"}, 'features.pool: there is no pooling "l2"; give max or average'),
        ({"padding": "reflect"}, 'features.padding: SqueezeNet has no padding "reflect"; give zero or circular'),
        ({"layers": ["fire1"]}, 'SqueezeNet has no layer "fire1"; choose among fire9'),
        ({"layers": ["13"]}, 'has no layer "13"; choose among features.0, …, features.12'),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError) as caught:
        SqueezeNet(**options)
    assert message in str(caught.value)


def test_weights_of_another_shape_are_named(theirs, tmp_path):
    path = str(tmp_path / "net.pth")
    torch.save(theirs.state_dict() | {"features.3.squeeze.weight": torch.zeros(16, 96, 1, 1)}, path)
    with pytest.raises(InputError, match=r"features\.3\.squeeze\.weight is 16×96×1×1 in .*16×64×1×1 fits"):
        SqueezeNet(path, layers=["fire2"])


def test_layers_by_index(net, image):
    maps = SqueezeNet(layers=["features.4", "Fire2", "0"])(image)
    assert list(maps) == ["0", "Fire2", "features.4"]
    assert torch.equal(maps["features.4"], net(image)["fire3"])


def test_survives_yaml():
    parser = ArgumentParser()
    parser.add_argument("--features", type=Features)
    config = {"class_path": "lit_nst.features.SqueezeNet", "init_args": {"layers": ["fire2"], "padding": "circular"}}
    features = parser.instantiate(parser.parse_object({"features": config})).features
    assert features.layers == ["fire2"]
    assert features.net.fire2.expand3x3.padding_mode == "circular"
