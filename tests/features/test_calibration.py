import hashlib

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lit_nst.features import VGG16, VGG19
from lit_nst.features.calibration import calibrate, pictures
from lit_nst.features.layers import vgg_names

WHOLE = vgg_names([2, 2, 4, 4, 4])


def seen(seed=0):
    return torch.from_numpy(pictures(np.random.RandomState(seed))).float()


def sha256(features):
    digest = hashlib.sha256()
    for value in features.net.state_dict().values():
        digest.update(value.contiguous().numpy().astype("<f4").tobytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def net():
    return VGG19(layers=WHOLE, width=0.25)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (VGG16, "fc21948df643a2e69ff7f2f5693ab5b0cc08ba4633bb603bbc721f1b3a1810c8"),
        (VGG19, "a735ac536d39c30b0d04bbdbb0385d0d72230b2497e549316add041c1aaf0b57"),
    ],
)
def test_weights_are_the_same_on_every_machine(network, expected):
    assert sha256(network(layers=["pool5"], width=0.25)) == expected


def test_weights_do_not_depend_on_the_number_of_threads_nor_on_the_global_streams():
    threads = torch.get_num_threads()
    digests = []
    for count in (1, 2):
        torch.set_num_threads(count)
        torch.manual_seed(count)
        np.random.seed(count)
        digests.append(sha256(VGG16(layers=["relu3_1"], width=0.25)))
    torch.set_num_threads(threads)
    assert digests[0] == digests[1]


def test_global_streams_are_left_alone():
    before, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()
    VGG16(layers=["relu2_1"], width=0.25)
    assert torch.equal(before, torch.get_rng_state())
    assert (numpys == np.random.get_state()[1]).all()


def test_seeds_differ():
    assert sha256(VGG16(layers=["conv1_1"], seed=0)) != sha256(VGG16(layers=["conv1_1"], seed=1))


def test_every_relu_passes_half_and_averages_one():
    net = VGG19(layers=WHOLE, width=0.25)
    for module in net.net:
        if isinstance(module, nn.Conv2d):
            module.padding_mode = "replicate"  # as in the calibration
    for name, x in net(seen()).items():
        if name.startswith("conv"):
            assert x.mean((0, 2, 3)).abs().max() < 0.01
            spread = x.std((0, 2, 3))
            assert spread.max() / spread.min() < 1.01
        elif name.startswith("relu"):
            assert x.mean().item() == pytest.approx(1, abs=0.002)
            assert (x > 0).float().mean().item() == pytest.approx(0.5, abs=0.03)


@pytest.fixture(scope="module")
def others(net):
    return net(F.interpolate(seen(7)[::3], scale_factor=4, mode="bilinear"))


def test_the_statistics_hold_for_other_and_larger_pictures(others):
    for name, x in others.items():
        if name.startswith("relu"):
            assert 0.6 < x.mean() < 1.6
            assert 0.4 < (x > 0).float().mean() < 0.6


def test_features_of_different_pictures_stay_apart_with_depth(others):
    maps = F.normalize(others["relu5_4"].flatten(1))
    alike = (maps @ maps.T).fill_diagonal_(0).sum() / (8 * 7)
    assert alike < 0.6  # 0.49; without the centring 0.80


@pytest.mark.parametrize(("width", "layer"), [(0.25, "conv1_1"), (1, "conv1_1"), (0.25, "conv3_2")])
def test_filters_are_orthogonal_but_for_the_gains(width, layer):
    weight = VGG19(layers=[layer], width=width).net[-1].weight.flatten(1).double()
    if weight.shape[0] <= weight.shape[1]:
        rows = F.normalize(weight)
        assert torch.allclose(rows @ rows.T, torch.eye(len(rows)).double(), atol=0.01)
    else:
        assert torch.linalg.matrix_rank(weight) == weight.shape[1]  # no direction of the input is lost


def test_first_layer_sees_brightness():
    features = VGG19(layers=["conv1_1"], width=0.25)
    dark, bright = features(torch.full((1, 3, 8, 8), 0.3)), features(torch.full((1, 3, 8, 8), 0.7))
    assert (bright["conv1_1"] - dark["conv1_1"])[..., 4, 4].abs().mean() > 0.5


@pytest.mark.parametrize("pool", ["max", "average"])
def test_a_cut_network_has_the_first_weights_of_the_whole(pool):
    short = VGG19(layers=["relu2_1"], width=0.25, pool=pool, seed=3).net.state_dict()
    long = VGG19(layers=["relu4_1"], width=0.25, pool=pool, seed=3).net.state_dict()
    assert len(short) == 6
    assert all(torch.equal(value, long[key]) for key, value in short.items())


def test_weights_are_exact_in_float32():
    chain = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1)).double()
    calibrate(chain, 0, lambda image: image)
    for value in chain.state_dict().values():
        assert torch.equal(value, value.float().double())


def test_pictures_are_an_eight_bit_files():
    levels = pictures(np.random.RandomState(0)) * 255
    assert levels.shape == (24, 3, 32, 32)
    assert levels.min() >= 0
    assert levels.max() <= 255
    assert np.abs(levels - levels.round()).max() < 1e-9
    assert (levels.std((1, 2, 3)) > 10).all()
