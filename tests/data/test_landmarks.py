import json
import math

import numpy as np
import pytest

from lit_nst.data.landmarks import Landmarks, read_landmarks
from lit_nst.errors import InputError

FOUR = [[40.0, 41.0], [60.0, 40.0], [44.0, 70.0], [57.0, 71.0]]
FIVE = [*FOUR[:2], [50.0, 55.0], *FOUR[2:]]


def of_ibug():
    """68 points whose reduction is FOUR; the others lie where they would spoil it."""
    points = np.full((68, 2), 500.0)
    for start, eye in ((36, FOUR[0]), (42, FOUR[1])):
        ring = [(3 * math.cos(k * math.pi / 3), 2 * math.sin(k * math.pi / 3)) for k in range(6)]
        points[start : start + 6] = np.array(eye) + ring
    points[48], points[54] = FOUR[2], FOUR[3]
    return points


def turned(points, degrees):
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return (np.array(points) - 50) @ np.array([[c, s], [-s, c]]) + 50


class TestLandmarks:
    @pytest.mark.parametrize("points", [FOUR, FIVE, of_ibug()], ids=["4", "5", "68"])
    def test_reduction(self, points):
        np.testing.assert_allclose(Landmarks(points).points, FOUR, atol=1e-12)

    def test_vectors(self):
        face = Landmarks(FOUR)
        assert face.between_eyes.tolist() == [20, -1]
        assert face.middle_of_eyes.tolist() == [50, 40.5]
        assert face.eyes_to_mouth.tolist() == [0.5, 30]

    @pytest.mark.parametrize("degrees", [0, 45, 90, 180, -120])
    def test_order_of_a_person_is_put_into_that_of_the_picture(self, degrees):
        upright = turned(FOUR, degrees)
        np.testing.assert_array_equal(Landmarks(upright).points, upright)
        np.testing.assert_array_equal(Landmarks(upright[[1, 0, 3, 2]]).points, upright)

    @pytest.mark.parametrize("order", [[1, 0, 2, 3], [0, 1, 3, 2]])
    def test_contradicting_order(self, order):
        with pytest.raises(InputError, match="opposite directions; give all points in one order"):
            Landmarks(np.array(FOUR)[order])

    @pytest.mark.parametrize(
        "points",
        [[[5, 5]] * 4, [[0, 0], [9, 0], [4, 0], [6, 0]], [[5, 5], [5, 5], [4, 9], [6, 9]], [[0, 0], [9, 9]] * 2],
        ids=["one point", "one line", "one eye", "two points"],
    )
    def test_degenerate(self, points):
        with pytest.raises(InputError, match="on one line, or on one point"):
            Landmarks(points)

    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    def test_not_finite(self, bad):
        with pytest.raises(InputError, match="not finite"):
            Landmarks([*FOUR[:3], [bad, 1]])

    @pytest.mark.parametrize("points", [FOUR[:3], [*FIVE, [1, 1]], [[1, 2, 3]] * 4, [1, 2, 3, 4], 7, [FOUR]])
    def test_number(self, points):
        with pytest.raises(InputError, match="give 4, 5 or 68 points"):
            Landmarks(points)

    @pytest.mark.parametrize("points", [{"x": 1}, np.array(FOUR) * 1j, "text", [[1, 2], [3]], [["a", "b"]] * 4])
    def test_no_points(self, points):
        with pytest.raises(InputError, match="not a list of points"):
            Landmarks(points)


def rows(sign):
    return "\n".join(f"{x}{sign}{y}" for x, y in FIVE)


PTS = "version: 1\nn_points: 68\n{\n" + "\n".join(f"{x + 1} {y + 1}" for x, y in of_ibug().tolist()) + "\n}\n"


def npy(shape):
    """An array that says more than it holds."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


class TestFiles:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("a.json", json.dumps(FIVE)),
            ("a.json", json.dumps({"landmarks": FOUR, "quad": [[0, 0]]})),
            ("a.json", json.dumps({"photo.jpg": FIVE, "other": FIVE[::-1]})),
            ("a.json", json.dumps({"photo": FIVE})),
            ("a.csv", rows(",")),
            ("a.CSV", "x,y\n" + rows(" , ") + "\n\n"),
            ("a.csv", "\ufeff" + rows(";")),
            ("a.txt", rows("\t")),
            ("a.pts", PTS),
        ],
    )
    def test_text(self, tmp_path, name, text):
        (tmp_path / name).write_text(text, "utf-8")
        np.testing.assert_allclose(read_landmarks(tmp_path / name, "photo.jpg").points, FOUR, atol=1e-9)

    def test_npy(self, tmp_path):
        np.save(tmp_path / "a.npy", np.array(FIVE, np.float32))
        assert read_landmarks(tmp_path / "a.npy").points.tolist() == FOUR

    def test_a_pickle_is_not_opened(self, tmp_path):
        np.save(tmp_path / "a.npy", np.array([{}, []], object), allow_pickle=True)
        with pytest.raises(InputError, match=r"a\.npy cannot be read.*pickle"):
            read_landmarks(tmp_path / "a.npy")

    def test_one_picture_needs_no_name(self, tmp_path):
        (tmp_path / "a.json").write_text(json.dumps({"photo.jpg": FOUR}))
        assert read_landmarks(tmp_path / "a.json").points.tolist() == FOUR

    def test_folder(self, tmp_path):
        (tmp_path / "photo.csv").write_text(rows(","))
        (tmp_path / "other.json").write_text("[]")
        assert read_landmarks(tmp_path, "photo.jpg").points.tolist() == FOUR
        with pytest.raises(InputError, match=r"holds no landmarks of third\.jpg"):
            read_landmarks(tmp_path, "third.jpg")
        with pytest.raises(InputError, match="is a folder; give a file"):
            read_landmarks(tmp_path)

    @pytest.mark.parametrize(
        ("name", "data", "words"),
        [
            ("a.json", b"{", "cannot be read"),
            ("a.json", b"\xff\xfe\x00", "cannot be read"),
            (
                "a.json",
                json.dumps({"x.jpg": FOUR, "y.jpg": FOUR}).encode(),
                'no "photo.jpg" in it; it holds x.jpg, y.jpg',
            ),
            ("a.json", b"{}", "it holds nothing"),
            ("a.json", b"[[1, 2], [NaN, 1], [1, 1], [2, 2]]", "not finite"),
            ("a.json", b"null", "4, 5 or 68 points"),
            ("a.npy", b"", "cannot be read"),
            ("a.csv", b"1,2\n3\n", 'a line is "3"; give x and y'),
            ("a.csv", b"1,2\n3,b4\n", "cannot be read"),
            ("a.csv", b"", "4, 5 or 68 points"),
            ("a.pts", b"1 2\n", "give a .pts file"),
            ("a.mat", b"1", "the kind .mat are unknown"),
            ("a.json", b"[" * 100_000, "cannot be read"),
            ("a.json", b"[" * 80 + b"]" * 80, "not a list of points"),
            ("a.json", b"[[1" + b"0" * 400 + b", 1], [1, 2], [1, 1], [2, 2]]", "not a list of points"),
            ("a.json", b"[[1e300, 1], [1, 2], [1, 1], [2, 2]]", "landmarks hold 1e+300, which is in no picture"),
            ("a.json", b'{"\\u001b' + b"x" * 5000 + b'": []}', r"it holds \x1bxxx"),
            ("a.csv", b"1 " * 100_000, 'a line is "1 1 1 1 1"'),
            ("a.npy", npy("(1099511627776, 64, 64)"), "cannot be read"),
        ],
    )
    def test_bad(self, tmp_path, name, data, words):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError) as caught:
            read_landmarks(tmp_path / name, "photo.jpg")
        message = str(caught.value)
        assert words in message
        assert str(tmp_path / name) in message
        assert message.isprintable()
        assert len(message) < len(str(tmp_path)) + 400

    def test_missing(self, tmp_path):
        with pytest.raises(InputError, match=r"a\.json does not exist"):
            read_landmarks(tmp_path / "a.json")
