import copy
import importlib.util
import sys
import warnings
from typing import ClassVar

import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.features import VGG16, VGG19, AlexNet, SqueezeNet
from lit_nst.functional.random import normal
from lit_nst.losses import LPIPSLoss
from tests.contracts_loss import LossContract, assert_rounding_is_the_same_in_a_batch_and_on_two_threads

NETS = {"vgg": VGG16, "alex": AlexNet, "squeeze": SqueezeNet}


def heads_of(*channels):
    return {
        f"lin{i}.model.1.weight": normal((1, count, 1, 1), "heads", i).abs() + 0.1 * (i + 1)
        for i, count in enumerate(channels)
    }


def written(heads, path):
    torch.save(heads, path)
    return str(path)


@pytest.fixture(scope="class", autouse=True)
def narrow(request, tmp_path_factory):
    """Heads of two channels, for the contract's small maps."""
    if request.cls is not None:
        path = tmp_path_factory.mktemp("heads") / "narrow.pth"
        request.cls.init_args = {"net": "alex", "heads": written(heads_of(2, 2, 2, 2, 2), path)}


class TestLPIPSLoss(LossContract):
    loss = LPIPSLoss
    init_args: ClassVar = {}
    shape: ClassVar = (2, 2, 1, 2)


@pytest.fixture(scope="module", params=NETS)
def pair(request, tmp_path_factory):
    """LPIPS of the package and ours, with the same random backbone."""
    lpips, net = pytest.importorskip("lpips"), request.param
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Most of its numbers belong to a classifier that nothing uses.
        for name in ("normal_", "uniform_", "kaiming_normal_", "kaiming_uniform_"):
            patch.setattr(torch.nn.init, name, lambda x, *_, **__: x)
        theirs = lpips.LPIPS(net=net, pnet_rand=True, verbose=False).eval()
    # Its modules keep torchvision's indices as their names.
    state = {f"features.{key.split('.', 1)[1]}": value for key, value in theirs.net.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    for value in state.values():
        value.normal_(0, (2 / value[0].numel()) ** 0.5 if value.dim() > 1 else 0.1, generator=generator)
    path = tmp_path_factory.mktemp("weights") / "net.pth"
    loss = LPIPSLoss(net)
    return theirs, loss, NETS[net](written(state, path), loss.layers)


def images(*keys):
    return [(0.5 + 0.25 * normal((2, 3, 64, 64), "image", key)).clamp(0, 1) for key in keys]


def score(loss, features, x, t):
    return loss(features(x), loss.measure(features(t)))


def test_equal_to_the_package(pair):
    theirs, loss, features = pair
    x, t = images("x", "t")
    for other in (t, 0.9 * x, x.flip(3)):
        expected = theirs(x, other, normalize=True).flatten()
        torch.testing.assert_close(score(loss, features, x, other), expected, rtol=1e-5, atol=1e-7)
    assert (expected > 1e-3).all()


def test_gradient_is_the_packages(pair):
    # In float32 a rounding now and then moves the largest pixel of a pooling window.
    theirs, loss, features = (copy.deepcopy(module).double() for module in pair)
    x, t = (image[:1].double() for image in images("x", "t"))
    own, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    score(loss, features, own, t).sum().backward()
    theirs(other, t, normalize=True).sum().backward()
    assert (own.grad - other.grad).norm() < 1e-6 * other.grad.norm()


def test_by_hand(tmp_path):
    heads = heads_of(1, 1, 1, 1, 1) | {"lin0.model.1.weight": torch.tensor([3.0, 5.0]).view(1, 2, 1, 1)}
    loss = LPIPSLoss("alex", heads=written(heads, tmp_path / "heads.pth"))
    same = dict.fromkeys(loss.layers[1:], torch.ones(1, 1, 1, 1))
    # Unit vectors (1, 0) and (.6, .8) at one of two positions, equal ones at the other.
    a = same | {"relu1": torch.tensor([[[[5.0, 1.0]], [[0.0, 1.0]]]])}
    b = same | {"relu1": torch.tensor([[[[3.0, 7.0]], [[4.0, 7.0]]]])}
    assert loss(a, loss.measure(b)).tolist() == pytest.approx([(3 * 0.4**2 + 5 * 0.8**2) / 2])


def test_layers_are_summed(tmp_path):
    path = tmp_path / "heads.pth"
    maps = [{layer: normal((1, 4, 5, 5), key, layer) for layer in LPIPSLoss("alex").layers} for key in ("a", "b")]
    values = []
    for chosen in (*range(5), None):
        heads = {key: head * (chosen in (i, None)) for i, (key, head) in enumerate(heads_of(4, 4, 4, 4, 4).items())}
        loss = LPIPSLoss("alex", heads=written(heads, path))
        values.append(loss(maps[0], loss.measure(maps[1])).item())
    assert values[-1] == pytest.approx(sum(values[:-1]))
    assert min(values) > 0


def test_the_package_is_not_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "lpips", raising=False)
    for net in NETS:
        assert LPIPSLoss(net).layers
    assert "lpips" not in sys.modules


def test_heads_move_with_the_loss():
    loss = LPIPSLoss("alex").double()
    assert {value.dtype for value in loss.buffers()} == {torch.double}
    assert len(list(loss.buffers())) == 5


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_rounding_at_full_size(layout, tmp_path):
    loss = LPIPSLoss("alex", heads=written(heads_of(32, 32, 32, 32, 32), tmp_path / "heads.pth"))
    maps = (normal((3, 32, 65, 64), key).contiguous(memory_format=layout) for key in ("a", "b"))
    assert_rounding_is_the_same_in_a_batch_and_on_two_threads(
        lambda a, b: loss(dict.fromkeys(loss.layers, a), loss.measure(dict.fromkeys(loss.layers, b))), *maps
    )


@pytest.mark.parametrize(("network", "options"), [(VGG16, {"width": 0.125}), (VGG19, {"weights": "embedded"})])
def test_features_of_other_widths(network, options):
    loss = LPIPSLoss("vgg")
    features = network(layers=loss.layers, **options)
    with pytest.raises(InputError) as caught:
        loss.measure(features(torch.rand(1, 3, 16, 16)))
    message = str(caught.value)
    assert message.startswith("LPIPSLoss: relu1_2 has ")
    assert message.endswith("for 64; give --model.features VGG16 --model.features.weights imagenet")


def test_features_of_another_network():
    with pytest.raises(InputError, match='SqueezeNet has no layer "relu1_2"'):
        SqueezeNet().select(LPIPSLoss("vgg").layers)


def test_heads_of_another_network(tmp_path):
    path = written(heads_of(4, 4, 5, 4, 4), tmp_path / "other.pth")
    loss = LPIPSLoss("alex", heads=path)
    with pytest.raises(InputError, match=rf'relu3 has 4 channels, its head of "alex" in {path} is for 5; .*AlexNet'):
        loss.measure(dict.fromkeys(loss.layers, torch.ones(1, 4, 2, 2)))


def test_unknown_net():
    with pytest.raises(InputError, match=r'^LPIPSLoss: there is no net "vgg16"; give vgg, alex, squeeze$'):
        LPIPSLoss("vgg16")


def test_without_the_package(monkeypatch):
    monkeypatch.setattr("lit_nst.losses.lpips.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^LPIPSLoss: its heads come with the package lpips, .* pip install lpips"):
        LPIPSLoss("vgg")


def test_with_a_package_of_other_contents(monkeypatch, tmp_path):
    (tmp_path / "lpips").mkdir()
    (tmp_path / "lpips" / "__init__.py").touch()
    spec = importlib.util.spec_from_file_location("lpips", tmp_path / "lpips" / "__init__.py")
    monkeypatch.setattr("lit_nst.losses.lpips.find_spec", lambda name: spec)
    with pytest.raises(InputError, match=r"^LPIPSLoss.heads: there is no file .*lpips/weights/v0.1/vgg.pth; leave"):
        LPIPSLoss("vgg")


WHOLE = heads_of(4, 4, 4, 4, 4)
FIRST = "lin0.model.1.weight"


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        (heads_of(4, 4, 4, 4), "has other entries than lin0.model.1.weight, …, lin4.model.1.weight; give the net's"),
        (heads_of(4, 4, 4, 4, 4, 4, 4), "has other entries than"),
        (torch.zeros(3), "has other entries than"),
        (WHOLE | {FIRST: torch.zeros(4)}, "lin0.model.1.weight in PATH is not a tensor of 1×C×1×1"),
        (WHOLE | {FIRST: 4}, "lin0.model.1.weight in PATH is not a tensor of 1×C×1×1"),
        (WHOLE | {FIRST: torch.ones(1, 4, 1, 1).int()}, "lin0.model.1.weight in PATH is not a tensor of 1×C×1×1"),
        (WHOLE | {FIRST: torch.full((1, 4, 1, 1), -1.0)}, "lin0.model.1.weight in PATH has numbers below 0"),
        (WHOLE | {FIRST: torch.full((1, 4, 1, 1), torch.inf)}, "in PATH has numbers below 0 or not finite"),
        (LPIPSLoss, "PATH cannot be read (Weights only load failed"),
    ],
)
def test_bad_heads(heads, message, tmp_path):
    path = written(heads, tmp_path / "heads.pth")
    with pytest.raises(InputError) as caught:
        LPIPSLoss("alex", heads=path)
    assert str(caught.value).startswith("LPIPSLoss.heads: ")
    assert message.replace("PATH", path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"PK\x03\x04 broken"])
def test_a_file_that_is_no_heads(content, tmp_path):
    path = tmp_path / "heads.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"^LPIPSLoss.heads: .*heads.pth cannot be read"):
        LPIPSLoss("alex", heads=str(path))


def test_no_such_heads(tmp_path):
    with pytest.raises(InputError, match=r"^LPIPSLoss.heads: there is no file .*none.pth; leave the option out"):
        LPIPSLoss("alex", heads=str(tmp_path / "none.pth"))
