import json
import math

import pytest
import torch
from safetensors.torch import save_file

from lit_nst.callbacks import Part, read_part, write_part
from lit_nst.errors import InputError


def test_every_bit_comes_back(tmp_path):
    figures = [{"name": "é", "loss": 0.1 + 0.2, "psnr": math.inf, "images": {"target": "a"}}, {"loss": -math.inf}]
    tensors = {"w": torch.rand(2, 3, dtype=torch.float64), "shown": torch.tensor([5, 7])}
    part = Part([5, 7], figures, tensors, 20, 8, 1 / 3, {6: "no image", 9: "gone"})
    write_part(tmp_path / "a.safetensors", part)
    found = read_part(tmp_path / "a.safetensors")
    assert all(torch.equal(found.tensors[key], value) for key, value in tensors.items())
    found.tensors = tensors
    assert found == part


def test_numbers_that_are_none_come_back(tmp_path):
    write_part(tmp_path / "a.safetensors", Part([0], [{"loss": math.nan, "stopped_at_step": None}]))
    figures = read_part(tmp_path / "a.safetensors").figures[0]
    assert math.isnan(figures["loss"])
    assert figures["stopped_at_step"] is None


def test_empty_one(tmp_path):
    write_part(tmp_path / "a.safetensors", Part.empty({3: "gone"}))
    assert read_part(tmp_path / "a.safetensors") == Part([], [], unreadable={3: "gone"})


def test_files_that_are_none_are_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    write_part(path, Part([0], [{}], {"w": torch.zeros(9)}))
    cut = path.read_bytes()[:-5]
    told = {"rows": [0], "figures": [], "unreadable": []}
    for kind in ("none", "cut", "other", "rows", "fields", "deep"):
        path.unlink(missing_ok=True)
        if kind == "cut":
            path.write_bytes(cut)
        elif kind != "none":
            text = {
                "rows": json.dumps(told),
                "fields": json.dumps({**told, "rows": [], "more": 1}),
                "deep": "[" * 10**5,
            }
            save_file({"w": torch.zeros(1)}, path, {"part": text[kind]} if kind in text else None)
        with pytest.raises(InputError, match=r"a\.safetensors: not what a fit leaves \(.*\); remove it"):
            read_part(path)
