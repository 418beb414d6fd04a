import numpy as np
import pytest
import torch
import torchvision
from jsonargparse import ArgumentParser
from safetensors.torch import save_file
from torch import nn

from lit_nst.errors import InputError
from lit_nst.features import VGG16, VGG19, Features
from lit_nst.features.calibration import pictures
from lit_nst.features.layers import vgg_names

NAMES = {VGG16: vgg_names([2, 2, 3, 3, 3]), VGG19: vgg_names([2, 2, 4, 4, 4])}


@pytest.fixture(scope="module")
def image():
    return torch.rand(2, 3, 37, 50, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def narrow():
    return VGG19(layers=NAMES[VGG19], width=0.125)


@pytest.mark.parametrize("network", [VGG16, VGG19])
def test_names_and_shapes(network, image):
    maps = network(layers=NAMES[network], width=0.125)(image)
    assert list(maps) == NAMES[network]
    height, width = 37, 50
    for name, x in maps.items():
        if name.startswith("pool"):
            height, width = height // 2, width // 2
        channels = {"1": 8, "2": 16, "3": 32, "4": 64, "5": 64}[name[4]]
        assert x.shape == (2, channels, height, width)


@pytest.mark.parametrize(("width", "channels"), [(1, 64), (0.5, 32), (0.02, 4), (0.1, 6)])
def test_width(width, channels):
    assert VGG16(layers=["conv1_1"], width=width).net.conv1_1.out_channels == channels


@pytest.mark.parametrize("padding", ["zero", "circular"])
@pytest.mark.parametrize("pool", ["max", "average", "l2"])
def test_a_conv_layer_is_the_map_before_its_relu(pool, padding, image):
    maps = VGG19(layers=NAMES[VGG19], width=0.125, pool=pool, padding=padding)(image)
    convolutions = [name for name in maps if name.startswith("conv")]
    assert len(convolutions) == 16
    for name in convolutions:
        assert maps[name].min() < 0
        assert torch.equal(maps[name].relu(), maps[name.replace("conv", "relu")])


def test_only_the_chosen_layers_in_depth_order(narrow, image):
    cut = VGG19(layers=["relu2_1", "conv1_2", "relu2_1"], width=0.125)
    maps = cut(image)
    assert list(maps) == cut.layers == ["conv1_2", "relu2_1"]
    whole = narrow(image)
    assert all(torch.equal(maps[name], whole[name]) for name in maps)


def test_deeper_convolutions_are_never_made(monkeypatch):
    made = []
    original = nn.Conv2d.__init__

    def init(self, *args, **options):
        made.append(args)
        original(self, *args, **options)

    monkeypatch.setattr(nn.Conv2d, "__init__", init)
    features = VGG16(layers=["relu2_1"], width=0.125)
    assert len(made) == 3
    assert list(features.net._modules) == NAMES[VGG16][:7]
    assert sum(p.numel() for p in features.parameters()) == (3 * 8 + 8 * 8 + 8 * 16) * 9 + 8 + 8 + 16


def test_selecting_again(narrow, image):
    features = VGG19(layers=["relu3_1"], width=0.125)
    for layers in (["relu1_1"], ["conv2_2", "relu4_1"]):
        features.select(layers)
        maps = features(image)
        assert list(maps) == layers
        assert all(torch.equal(maps[name], narrow(image)[name]) for name in layers)


def test_a_failed_selection_changes_nothing(image):
    features = VGG19(layers=["relu1_1"], width=0.125)
    with pytest.raises(InputError, match="relu9_9"):
        features.select(["relu9_9"])
    assert list(features(image)) == ["relu1_1"]


def test_nothing_is_built_before_a_selection(image):
    features = VGG16(width=0.125)
    assert not list(features.parameters())
    with pytest.raises(InputError, match="VGG16 was called before its layers were chosen; call select first"):
        features(image)
    features.select(["relu1_1"])
    assert list(features(image)) == ["relu1_1"]


@pytest.mark.parametrize("shape", [(1, 3, 3, 9), (3, 8, 8), (1, 1, 8, 8)])
def test_wrong_images(shape):
    features = VGG16(layers=["relu3_1"], width=0.125)
    with pytest.raises(InputError, match=r"at least 4×4 pixels"):
        features(torch.zeros(shape))
    assert features(torch.zeros(1, 3, 4, 4))["relu3_1"].shape[-2:] == (1, 1)


def test_weights_are_frozen_and_the_image_is_not(image):
    features = VGG19(layers=["relu5_4"], width=0.125)
    assert not features.training
    assert not features.net.conv1_1.training
    assert not any(p.requires_grad for p in features.parameters())
    x = image.clone().requires_grad_()
    features(x)["relu5_4"].square().sum().backward()
    assert x.grad.isfinite().all()
    assert (x.grad != 0).float().mean() > 0.9
    assert all(p.grad is None for p in features.parameters())


def test_precision_is_kept_at_a_new_selection():
    features = VGG16(layers=["conv2_1"], width=0.125).double()
    assert features(torch.rand(1, 3, 8, 8, dtype=torch.double))["conv2_1"].dtype == torch.double
    features.select(["conv2_2"])
    assert features.net.conv2_2.weight.dtype == torch.double


def test_channels_last_in_memory(image):
    features = VGG16(layers=["relu2_1"], width=0.125)
    assert features.net.conv1_2.weight.is_contiguous(memory_format=torch.channels_last)
    entering = []
    features.net.conv1_1.register_forward_pre_hook(lambda module, inputs: entering.extend(inputs))
    assert features(image)["relu2_1"].is_contiguous(memory_format=torch.channels_last)
    assert entering[0].is_contiguous(memory_format=torch.channels_last)


@pytest.fixture
def file(tmp_path):
    """A short, narrow VGG with metadata of one's choice."""

    def write(metadata=None):
        path = tmp_path / "net.safetensors"
        state = {"features.0.weight": torch.rand(8, 3, 3, 3), "features.0.bias": torch.zeros(8)}
        state |= {"features.2.weight": torch.rand(5, 8, 3, 3), "features.2.bias": torch.zeros(5)}
        save_file(state, path, metadata)
        return str(path)

    return write


def test_pooling_follows_the_weights(file):
    assert VGG16().pool == "average"
    assert VGG16(file()).pool == "max"
    assert VGG16(file(), pool="average").pool == "average"
    assert VGG16(file({"pool": "average"})).pool == "average"
    assert VGG16(file({"pool": "average"}), pool="max").pool == "max"
    with pytest.raises(InputError, match=r'net\.safetensors says its pooling is "median"; write max or average or l2'):
        VGG16(file({"pool": "median"}))


@pytest.mark.parametrize(
    ("native", "pool", "factor"),
    [
        (None, "max", 1),
        (None, "average", 2),
        (None, "l2", 0.78),
        ("average", "average", 1),
        ("average", "max", 0.5),
        ("average", "l2", 0.39),
        ("average", None, 1),
    ],
)
def test_another_pooling_than_the_weights_own_is_rescaled(file, image, native, pool, factor):
    maps = VGG16(file({"pool": native} if native else None), ["relu1_2", "pool1"], pool=pool)(image)
    theirs = {"max": nn.MaxPool2d(2), "average": nn.AvgPool2d(2), "l2": nn.LPPool2d(2, 2)}[pool or native]
    torch.testing.assert_close(maps["pool1"], factor * theirs(maps["relu1_2"]))


@pytest.mark.parametrize("pool", ["max", "average", "l2"])
def test_random_weights_are_calibrated_through_the_pooling(pool):
    drawn = torch.from_numpy(pictures(np.random.RandomState(0))).float()
    features = VGG19(layers=["relu1_2", "pool1", "relu4_1"], width=0.25, pool=pool)
    for module in features.net:
        if isinstance(module, nn.Conv2d):
            module.padding_mode = "replicate"  # as in the calibration
    maps = features(drawn)
    theirs = {"max": nn.MaxPool2d(2), "average": nn.AvgPool2d(2), "l2": nn.LPPool2d(2, 2)}[pool]
    torch.testing.assert_close(maps["pool1"], theirs(maps["relu1_2"]))
    assert maps["relu4_1"].mean().item() == pytest.approx(1, abs=0.002)


def test_l2_pooling_has_finite_gradients_where_all_is_black(file):
    features = VGG16(file(), ["pool1"], pool="l2")
    with torch.no_grad():
        features.net.conv1_1.bias.fill_(-1e3)
        features.net.conv1_2.bias.fill_(-1.0)
    image = torch.zeros(1, 3, 8, 8, requires_grad=True)
    maps = features(image)["pool1"]
    assert maps.abs().max() < 1e-5
    maps.sum().backward()
    assert image.grad.isfinite().all()


@pytest.mark.parametrize(("padding", "mode"), [("replicate", "edge"), ("reflect", "reflect"), ("circular", "wrap")])
def test_padding_of_the_first_convolution(padding, mode, image):
    features = VGG19(layers=["conv1_1", "conv1_2"], width=0.125, padding=padding)
    maps = features(image)
    x = torchvision.transforms.functional.normalize(image, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    x = torch.from_numpy(np.pad(x.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)), mode=mode))
    expected = nn.functional.conv2d(x, features.net.conv1_1.weight, features.net.conv1_1.bias)
    torch.testing.assert_close(maps["conv1_1"], expected, rtol=1e-4, atol=1e-5)
    second = "wrap" if padding == "circular" else "constant"
    x = torch.from_numpy(np.pad(expected.relu().numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)), mode=second))
    expected = nn.functional.conv2d(x, features.net.conv1_2.weight, features.net.conv1_2.bias)
    torch.testing.assert_close(maps["conv1_2"], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", ["replicate", "reflect", "circular"])
def test_random_weights_and_memory_do_not_depend_on_the_padding(padding, narrow, image):
    features = VGG19(layers=["relu3_1"], width=0.125, padding=padding)
    assert all(torch.equal(value, narrow.net.state_dict()[key]) for key, value in features.net.state_dict().items())
    assert features(image)["relu3_1"].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("pool", ["max", "average", "l2"])
def test_circular_features_move_with_the_image(pool):
    features = VGG19(layers=NAMES[VGG19], width=0.125, padding="circular", pool=pool)
    image = torch.rand(1, 3, 32, 64, generator=torch.Generator().manual_seed(0))
    maps, moved = features(image), features(image.roll((32, -32), (2, 3)))
    stride = 1
    for name in NAMES[VGG19]:
        stride *= 2 if name.startswith("pool") else 1
        expected = maps[name].roll((32 // stride, -32 // stride), (2, 3))
        torch.testing.assert_close(moved[name], expected, rtol=1e-4, atol=1e-4)


def test_zero_padding_does_not_move_with_the_image(narrow):
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    moved = narrow(image.roll(16, 3))["relu2_1"].roll(-8, 3)
    assert (moved - narrow(image)["relu2_1"]).abs().max() > 0.1


def test_layers_by_other_spellings(narrow, image):
    features = VGG19(layers=["21", "ReLU1-2", "features.21", "conv4_2"], width=0.125)
    maps = features(image)
    assert list(maps) == features.layers == ["ReLU1-2", "21", "features.21", "conv4_2"]
    whole = narrow(image)
    assert torch.equal(maps["ReLU1-2"], whole["relu1_2"])
    assert all(torch.equal(maps[name], whole["conv4_2"]) for name in features.layers[1:])


def test_small_images():
    with pytest.raises(InputError, match="at least 2×2 pixels"):
        VGG16(layers=["relu1_1"], width=0.125, padding="reflect")(torch.rand(1, 3, 1, 1))
    for padding in ("zero", "replicate", "circular"):
        assert VGG16(layers=["relu1_1"], width=0.125, padding=padding)(torch.rand(1, 3, 1, 1))["relu1_1"].shape[2] == 1
    with pytest.raises(InputError, match=r"up to pool5 .* at least 32×32 pixels"):
        VGG19(layers=["pool5"], width=0.125)(torch.rand(1, 3, 31, 40))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "features.width is 0; give a positive factor"),
        ({"seed": -1}, "features.seed is -1; give a number from 0 to 4294967295"),
        ({"pool": "sum"}, 'features.pool: there is no pooling "sum"; give max, average or l2'),
        (
            {"padding": "valid"},
            'features.padding: VGG16 has no padding "valid"; give zero, replicate, reflect or circular',
        ),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError) as caught:
        VGG16(**options)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("network", "theirs", "suffix"),
    [(VGG16, torchvision.models.vgg16, "pth"), (VGG19, torchvision.models.vgg19, "safetensors")],
)
def test_equal_to_torchvisions(tmp_path, network, theirs, suffix):
    with torch.device("meta"):  # its classifier alone would take half a gigabyte
        reference = theirs(weights=None).features
    reference.to_empty(device="cpu").requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for module in reference:
        if isinstance(module, nn.Conv2d):
            module.weight.normal_(0, (2 / 9 / module.in_channels) ** 0.5, generator=generator)
            module.bias.normal_(0, 0.1, generator=generator)
    state = {f"features.{key}": value for key, value in reference.state_dict().items()}
    path = str(tmp_path / f"net.{suffix}")
    save_file(state, path) if suffix == "safetensors" else torch.save(state, path)

    image = torch.rand(1, 3, 32, 40, generator=generator)
    maps = network(path, layers=NAMES[network])(image)
    x = torchvision.transforms.functional.normalize(image, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    for name, module in zip(NAMES[network], reference, strict=True):
        x = module(x)
        torch.testing.assert_close(maps[name], x, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("network", ["VGG16", "VGG19"])
def test_survives_yaml(network):
    parser = ArgumentParser()
    parser.add_argument("--features", type=Features)
    config = {
        "class_path": f"lit_nst.features.{network}",
        "init_args": {"layers": ["relu1_1"], "width": 0.25, "pool": "l2"},
    }
    features = parser.instantiate(parser.parse_object({"features": config})).features
    assert features.layers == ["relu1_1"]
    assert features.net.conv1_1.out_channels == 16
    assert features.pool == "l2"
