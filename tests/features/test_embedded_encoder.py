"""The encoder that is shipped."""

import numpy as np
import pytest
import torch
from safetensors import safe_open

from lit_nst.embedded import locate
from lit_nst.features import VGG19
from lit_nst.features.calibration import pictures


@pytest.fixture(scope="module")
def encoder():
    return VGG19("embedded", layers=list(VGG19.names))


@pytest.fixture(scope="module")
def maps(encoder):
    # Varied ones: blurred noise alone does not show what a channel is for.
    return encoder(torch.from_numpy(pictures(np.random.RandomState(5), 64)).float())


def test_the_file_is_small_half_precision_and_says_its_pooling():
    path = locate("embedded:encoder.safetensors")
    assert path.stat().st_size < 8e6
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["pool"] == "average"
        for key in file.keys():  # noqa: SIM118 (not a dict)
            assert file.get_slice(key).get_dtype() == "F16"


def test_every_layer_is_there_and_finite(maps):
    assert list(maps) == list(VGG19.names)
    assert all(x.isfinite().all() for x in maps.values())


def test_it_has_average_pooling_and_float32_weights(encoder):
    assert encoder.pool == encoder.native == "average"
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}


@pytest.mark.parametrize("layer", [name for name in VGG19.names if name.startswith("relu")])
def test_no_layer_is_dead(maps, layer):
    x = maps[layer]
    assert (x.amax((0, 2, 3)) > 0).float().mean() > 0.5, "most channels never fire"
    assert 0.02 < (x > 0).float().mean() < 0.98


def test_convolutions_are_before_their_relus(maps):
    for name in VGG19.names:
        if name.startswith("conv"):
            assert maps[name].min() < 0
            assert torch.equal(maps[name].relu(), maps[name.replace("conv", "relu")])


def test_pictures_stay_apart_with_depth(maps):
    codes = torch.nn.functional.normalize(maps["relu5_1"].flatten(1))
    alike = (codes @ codes.T).fill_diagonal_(0).sum() / (24 * 23)
    assert alike < 0.9
