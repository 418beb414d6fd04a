import pytest
import torch

from lit_nst.callbacks.judge import Judge
from lit_nst.errors import InputError
from lit_nst.features import VGG16
from lit_nst.functional.random import generator
from lit_nst.generators import Pixels, StyleGAN2
from lit_nst.losses import LPIPSLoss, PerceptualLoss
from lit_nst.report import feature_distance


def network():
    return VGG16("random", ["relu1_2", "relu2_1"], width=0.1, seed=3)


def pictures(count=2, side=32):
    return torch.rand(count, 3, side, side, generator=generator("judge", count, side))


def test_distance_of_its_own():
    a, b = pictures(10), pictures(10, 32).flip(0)
    judge, net = Judge(network()), network()
    assert judge.name == "perceptual"
    torch.testing.assert_close(judge.between(a, b), feature_distance(net(a), net(b)), rtol=1e-5, atol=1e-6)


def test_another_distance():
    loss = PerceptualLoss(["relu2_1"], normalize=False)
    judge, net = Judge(network(), loss), network()
    a, b = pictures(3), pictures(3).flip(0)
    expected = (net(a)["relu2_1"] - net(b)["relu2_1"]).square().mean((1, 2, 3))
    assert (judge.name, judge.network.layers) == ("perceptualloss", ["relu2_1"])
    torch.testing.assert_close(judge.between(a, b), expected, rtol=1e-4, atol=1e-6)


def test_lpips_by_its_name():
    pytest.importorskip("lpips")
    judge = Judge(VGG16("random", pool="max"), LPIPSLoss("vgg"))
    assert judge.name == "lpips"
    assert judge.between(pictures(1, 16), pictures(1, 16)).item() == pytest.approx(0, abs=1e-6)


def test_network_without_layers():
    with pytest.raises(InputError, match=r"^results\.judge: VGG16 has no layers to compare; give --results\.judge\.l"):
        Judge(VGG16("random"))


def test_network_of_other_channels_than_the_distance():
    pytest.importorskip("lpips")
    judge = Judge(VGG16("random", width=0.25), LPIPSLoss("vgg"))
    with pytest.raises(InputError, match=r"^results\.judge: LPIPSLoss: relu1_2 has 16 channels, .* for 64; give --r"):
        judge.check((16, 16))
    assert judge.realism(pictures()) is None
    assert Judge(network()).check((1024, 1024)) is None


def test_realism_of_samples_is_about_one_and_of_noise_large(tiny_generator):
    judge, net = Judge(network()), StyleGAN2(str(tiny_generator), samples=50)
    assert judge.realism(pictures()) is None
    judge.know(net, 64)
    own = judge.realism(net(net.sample(8, 77)).clamp(0, 1))
    assert 0.5 < own.median() < 2
    assert (judge.realism(pictures(4, 16)) > 2 * own.median()).all()


def test_needs_a_generator_with_samples():
    with pytest.raises(InputError, match="Pixels has no samples"):
        Judge(network()).know(Pixels(), 8)
