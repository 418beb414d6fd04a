import json
import struct

import pytest
import torch
from safetensors.torch import save_file

from lit_nst.errors import InputError
from lit_nst.generators.stylegan2.formats.own import FORMAT, read
from tests.conftest import tiny_state

SETTINGS = '{"lr_multiplier": 0.01, "conv_clamp": null}'


def refuses(path, words):
    with pytest.raises(InputError, match=words) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < len(str(path)) + 250


@pytest.mark.parametrize("dtype", [torch.complex64, torch.int32, torch.bool])
def test_numbers_are_floating_point(tmp_path, dtype):
    path = tmp_path / "a.safetensors"
    state = {key: value.contiguous() for key, value in tiny_state().items()}
    state["mapping.w_avg"] = state["mapping.w_avg"].to(dtype)
    save_file(state, path, {"format": FORMAT, "settings": SETTINGS})
    refuses(path, "mapping.w_avg is not a tensor of floating-point numbers")


def test_settings_that_nest(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(1)}, path, {"format": FORMAT, "settings": "[" * 100_000})
    refuses(path, "settings of a StyleGAN2 are missing or unreadable")


@pytest.mark.parametrize("dtype", ["F4", "F8_E8M0", "\u001b[2J"])
def test_types_that_torch_does_not_know(tmp_path, dtype):
    header = {"__metadata__": {"format": FORMAT}, "a": {"dtype": dtype, "shape": [4], "data_offsets": [0, 2]}}
    text = json.dumps(header).encode()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"ab")
    refuses(tmp_path / "a.safetensors", "a.safetensors: ")
