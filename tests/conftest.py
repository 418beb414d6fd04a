"""Small networks and pictures for all tests."""

import gc
import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from lit_nst.features import chain
from lit_nst.functional.random import generator as keyed
from lit_nst.generators.stylegan2.checkpoint import write
from lit_nst.generators.stylegan2.network import Architecture, Mapping, Synthesis

# Examples that are the same at every run; ``--hypothesis-profile thorough`` looks for new ones.
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
settings.register_profile("brief", max_examples=15, deadline=None, derandomize=True, suppress_health_check=SLOW)
settings.register_profile("thorough", max_examples=500, deadline=None, print_blob=True, suppress_health_check=SLOW)
settings.load_profile("brief")

TINY = Architecture(z_dim=8, w_dim=8, channels=(8, 8, 6), mapping_layers=2, lr_multiplier=0.01)


def tiny_state(architecture: Architecture = TINY, seed: int = 0) -> dict[str, torch.Tensor]:
    """A StyleGAN2 of random weights by NVlabs' names, with noise and w_avg that matter."""
    nets = torch.nn.ModuleDict({"mapping": Mapping(architecture), "synthesis": Synthesis(architecture)})
    state = nets.state_dict()
    numbers = keyed(seed, "tiny")
    for name, value in state.items():
        if "resample_filter" in name:
            continue
        draw = torch.randn(value.shape, generator=numbers)
        scale = 100.0 if "mapping.fc" in name and name.endswith("weight") else 0.3 if "bias" in name else 1.0
        offset = 1.0 if name.endswith("affine.bias") else 0.0
        value.copy_(draw * (0.1 if name.endswith("noise_strength") else scale) + offset)
    return state


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Small tensors are faster on one thread: two wait for each other, four times as long in a line search."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def no_waiting():
    """Nothing waits for the disk, and what was imported is not searched for garbage again and again."""
    gc.collect()
    gc.freeze()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield
    gc.unfreeze()


def once(calibrate):
    """Calibrates a network of each shape once, and copies its weights the next time."""
    done = {}

    def remembering(net, seed, normalise, size=32):
        plain = (str, int, float, bool)
        shapes = [(repr(module), *(item for item in vars(module).items() if isinstance(item[1], plain)))
                  for module in net.modules()]  # fmt: skip
        key = repr((seed, normalise, size, shapes))
        if key not in done:
            calibrate(net, seed, normalise, size)
            done[key] = {name: value.clone() for name, value in net.state_dict().items()}
        net.load_state_dict(done[key])

    return remembering


CALIBRATED = once(chain.calibrate)


@pytest.fixture(scope="module", autouse=True)
def calibrated_once(request: pytest.FixtureRequest):
    """Random networks of one shape share the work of their weights, except where that work is tested."""
    with pytest.MonkeyPatch.context() as patch:
        if request.path.parent.name not in ("features", "embedded"):
            patch.setattr(chain, "calibrate", CALIBRATED)
        yield


@pytest.fixture(scope="session")
def tiny_generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 16×16 StyleGAN2 file."""
    path = tmp_path_factory.mktemp("generator") / "tiny.safetensors"
    write(path, TINY, tiny_state())
    return path


@pytest.fixture
def smooth_images() -> torch.Tensor:
    """Four smooth 16×16 pictures in [0, 1]."""
    coarse = torch.rand(4, 3, 4, 4, generator=keyed(0, "pictures"))
    return torch.nn.functional.interpolate(coarse, size=16, mode="bilinear")
