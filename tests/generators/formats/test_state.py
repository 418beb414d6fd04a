from pathlib import Path

import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.generators.stylegan2.formats.rosinality import from_rosinality, to_rosinality
from lit_nst.generators.stylegan2.formats.state import build, infer, shapes
from lit_nst.generators.stylegan2.network import Architecture
from tests.conftest import TINY, tiny_state

ONE_BLOCK = Architecture(5, 7, (9,), 1)


@pytest.mark.parametrize("architecture", [TINY, ONE_BLOCK, Architecture(3, 4, (5, 6), 3)])
def test_shapes_are_those_of_the_networks(architecture):
    assert shapes(architecture) == {key: value.shape for key, value in build(architecture).state_dict().items()}


def test_building_leaves_the_global_stream():
    before = torch.random.get_rng_state()
    build(TINY)
    assert torch.equal(torch.random.get_rng_state(), before)


def small(key, *shape):
    """Sizes of a network without its numbers."""
    state = {"mapping.fc0.weight": torch.empty(8, 8), "synthesis.b4.conv1.weight": torch.empty(8, 8, 3, 3)}
    return state | {key: torch.empty(shape)}


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (small("mapping.fc0.weight", 2**62, 0), "its w 4611686018427387904; no more than 2048"),
        (small("mapping.fc0.weight", 1, 2049), "its z has 2049 numbers"),
        (small("mapping.fc0.weight", 0, 0), "its z has 0"),
        (small("synthesis.b4.conv1.weight", 2**40, 0, 3, 3), "1099511627776 channels at 4×4, too many"),
    ],
)
def test_sizes_that_would_fill_the_memory(state, words):
    with pytest.raises(InputError, match=words) as caught:
        infer(state, 0.01, None, Path("a.pkl"))
    assert str(caught.value).startswith("a.pkl: ")


def test_the_largest_of_the_releases_is_not_refused():
    channels = (512, 512, 512, 512, 512, 256, 128, 64, 32, 16, 8)
    blocks = {f"synthesis.b{4 * 2**k}.conv1.weight": torch.empty(n, 0, 3, 3) for k, n in enumerate(channels)}
    found = infer({"mapping.fc0.weight": torch.empty(512, 512), **blocks}, 0.01, None, Path("a.pkl"))
    assert found.channels == channels
    wide = blocks | {"synthesis.b4096.conv1.weight": torch.empty(16, 0, 3, 3)}
    with pytest.raises(InputError, match="16 channels at 4096×4096"):
        infer({"mapping.fc0.weight": torch.empty(512, 512), **wide}, 0.01, None, Path("a.pkl"))


def test_the_same_for_files_by_rosinality():
    content = to_rosinality(ONE_BLOCK, tiny_state(ONE_BLOCK))
    content["g_ema"]["style.1.weight"] = torch.empty(7, 3000)
    with pytest.raises(InputError, match="its z has 3000"):
        from_rosinality(content, Path("a.pt"))
