import os
import stat

import numpy as np
import pytest
import torch
from PIL import Image

from lit_nst.data.read import read_image
from lit_nst.data.write import write_png
from lit_nst.files import write_atomically


def image(*levels):
    return torch.tensor(levels).expand(3, 2, len(levels)).clone()


class TestPNG:
    def test_rounds_and_clamps(self, tmp_path):
        write_png(
            image(-1.0, 0.0, 0.4999 / 255, 0.5001 / 255, 0.5, 254.4999 / 255, 254.5001 / 255, 1.0, 9.0),
            tmp_path / "a.png",
        )
        with Image.open(tmp_path / "a.png") as picture:
            assert picture.mode == "RGB"
            assert np.asarray(picture)[0, :, 0].tolist() == [0, 0, 0, 1, 128, 254, 255, 255, 255]

    def test_every_level_comes_back(self, tmp_path):
        levels = torch.rand(3, 16, 17, generator=torch.Generator().manual_seed(0)).mul(255).round() / 255
        write_png(levels, tmp_path / "a.png")
        torch.testing.assert_close(read_image(tmp_path / "a.png")[0], levels, rtol=0, atol=0)

    def test_half_precision_and_gradients(self, tmp_path):
        values = torch.arange(2049).div(2048).half()
        write_png(values.expand(3, 2, -1).clone().requires_grad_(), tmp_path / "a.png")
        expected = np.floor(values.double().numpy() * 255 + 0.5)
        with Image.open(tmp_path / "a.png") as picture:
            assert np.array_equal(np.asarray(picture)[0, :, 0], expected)

    def test_text(self, tmp_path):
        text = {"Software": "lit_nst", "step": "300", "note": "Φ ≥ ½\nnew line"}
        write_png(image(0.5, 0.5), str(tmp_path / "a.png"), text)
        with Image.open(tmp_path / "a.png") as picture:
            assert picture.text == text

    @pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
    def test_not_finite(self, tmp_path, bad):
        path = tmp_path / "a.png"
        path.write_bytes(b"old")
        with pytest.raises(ValueError, match=r"a\.png is not written.*not finite"):
            write_png(image(0.5, bad), path)
        assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.png", b"old")]

    @pytest.mark.parametrize("shape", [(1, 4, 4), (4, 4), (1, 3, 4, 4)])
    def test_shape(self, tmp_path, shape):
        with pytest.raises(ValueError, match=r"a\.png is not written.*not 3×H×W"):
            write_png(torch.zeros(shape), tmp_path / "a.png")


class TestAtomic:
    def test_new_and_again(self, tmp_path):
        path = tmp_path / "deep" / "a.json"
        for data in (b"one", b"", b"three"):
            write_atomically(path, data)
            assert path.read_bytes() == data
        assert os.listdir(path.parent) == ["a.json"]

    @pytest.mark.parametrize("step", ["fsync", "replace"])
    def test_failure_leaves_the_old_file(self, tmp_path, monkeypatch, step):
        path = tmp_path / "a.json"
        path.write_bytes(b"old")

        def full(*args):
            raise OSError("disk full")

        monkeypatch.setattr(os, step, full)
        with pytest.raises(OSError, match="disk full"):
            write_atomically(path, b"new")
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["a.json"]

    def test_bytes_are_on_the_disk_before_the_name_changes(self, tmp_path, monkeypatch):
        path, events = tmp_path / "a.json", []
        sync, replace = os.fsync, os.replace

        def recorded(part, final):
            events.append((part.parent, part.suffix, part.read_bytes(), final))
            replace(part, final)

        monkeypatch.setattr(os, "fsync", lambda descriptor: (events.append("fsync"), sync(descriptor)))
        monkeypatch.setattr(os, "replace", recorded)
        write_atomically(path, b"new")
        assert events[:2] == ["fsync", (tmp_path, ".part", b"new", path)]
        assert events[2:] == ["fsync"] * hasattr(os, "O_DIRECTORY")

    def test_folder_in_the_way(self, tmp_path):
        (tmp_path / "a.json").mkdir()
        with pytest.raises(OSError, match=r"a\.json"):
            write_atomically(tmp_path / "a.json", b"new")
        assert os.listdir(tmp_path) == ["a.json"]

    def test_long_names(self, tmp_path):
        path = tmp_path / ("n" * 251 + ".png")
        write_atomically(path, b"new")
        assert path.read_bytes() == b"new"

    def test_permissions_are_the_usual_ones(self, tmp_path):
        write_atomically(tmp_path / "a", b"")
        (tmp_path / "b").touch()
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE((tmp_path / "b").stat().st_mode)
