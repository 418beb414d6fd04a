import json

import numpy as np
import pytest
import torch
from PIL import Image

from lit_nst.commands import align as command
from lit_nst.commands.align import EYES, HALO, LINE, MOUTH, figure, main
from lit_nst.data import read_image
from lit_nst.data.alignment import Aligned, align, face_quad
from lit_nst.data.detect import Face
from lit_nst.data.landmarks import Landmarks
from lit_nst.errors import InputError

POINTS = [[50.0, 40.0], [70.0, 41.0], [55.0, 60.0], [66.0, 61.0]]
FIVE = [*POINTS[:2], [60.0, 50.0], *POINTS[2:]]


def photograph(path, height=110, width=120, **options):
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    levels = np.stack([x, y, (np.sin(9 * x) * np.cos(7 * y) + 1) / 2], -1)
    picture = Image.fromarray((levels * 255).astype(np.uint8))
    picture.save(path, **options)
    return path


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photograph(tmp_path / "ann.png")
    (tmp_path / "points.json").write_text(json.dumps({"ann.png": POINTS, "bob": POINTS}))
    return tmp_path


def found(monkeypatch, *faces):
    monkeypatch.setattr(command, "detect", lambda image, detector: list(faces))


ANN = ["ann.png", "--out", "out", "--size", "64"]


class TestFiles:
    def test_by_landmarks(self, photos, capsys):
        main([*ANN, "--landmarks", "points.json"])
        assert sorted(path.name for path in (photos / "out").iterdir()) == ["ann.json", "ann.png", "ann_alignment.png"]
        image, _ = read_image("ann.png")
        expected = align(image, Landmarks(POINTS), 64)
        assert (read_image("out/ann.png")[0] - expected.image).abs().max() <= 0.501 / 255
        record = json.loads((photos / "out/ann.json").read_text())
        assert record == {
            "source": "ann.png",
            "source_width": 120,
            "source_height": 110,
            "size": 64,
            "quad": expected.quad.tolist(),
            "landmarks": POINTS,
            "detector": None,
            "version": 1,
        }
        assert "ann.png: square of 80 pixels, turned by 0.7°" in capsys.readouterr().out

    def test_by_a_detector(self, photos, monkeypatch):
        found(monkeypatch, Face((40, 20, 80, 70), np.array(FIVE), 0.75))
        main(ANN)
        record = json.loads((photos / "out/ann.json").read_text())
        assert record["detector"] == "centerface"
        assert record["box"] == [40, 20, 80, 70]
        assert record["score"] == 0.75
        assert record["landmarks"] == POINTS

    def test_the_record_serves_as_landmarks(self, photos):
        main([*ANN, "--landmarks", "points.json"])
        main(["ann.png", "--out", "again", "--size", "64", "--landmarks", "out/ann.json"])
        assert (photos / "again/ann.png").read_bytes() == (photos / "out/ann.png").read_bytes()

    def test_one_of_several_faces(self, photos, monkeypatch):
        found(monkeypatch, Face((0, 0, 90, 90), np.array(FIVE), 0.9), Face((9, 9, 50, 60), np.array(FIVE) - 4, 0.8))
        with pytest.raises(InputError, match=r"^ann\.png: 2 faces were found .*--face largest"):
            main(ANN)
        assert not (photos / "out").exists()
        for which, first in (("largest", 50), ("1", 50), ("2", 46)):
            main([*ANN, "--face", which])
            assert json.loads((photos / "out/ann.json").read_text())["landmarks"][0][0] == first

    def test_sizes(self, photos):
        main([*ANN, "--landmarks", "points.json", "--transform_size", "64"])
        coarse = read_image("out/ann.png")[0]
        expected = align(read_image("ann.png")[0], Landmarks(POINTS), 64, 64).image
        assert (coarse - expected).abs().max() <= 0.501 / 255
        with pytest.raises(InputError, match=r"80 pixels wide, less than 256 .*1024.*--smallest 0"):
            main(["ann.png", "--out", "out", "--landmarks", "points.json"])
        main(["ann.png", "--out", "out", "--landmarks", "points.json", "--size", "400", "--smallest", "0"])
        assert read_image("out/ann.png")[0].shape == (3, 400, 400)

    def test_a_photo_that_lies_on_its_side(self, photos):
        exif = Image.Exif()
        exif[0x0112] = 6
        with Image.open("ann.png") as picture:
            picture.transpose(Image.Transpose.ROTATE_90).save("bob.png", exif=exif)
        main(["ann.png", "bob.png", "--out", "out", "--size", "64", "--landmarks", "points.json"])
        assert (photos / "out/bob.png").read_bytes() == (photos / "out/ann.png").read_bytes()
        record = json.loads((photos / "out/bob.json").read_text())
        assert (record["source_width"], record["source_height"]) == (120, 110)

    def test_the_figure_where_it_is_wanted(self, photos):
        main([*ANN, "--landmarks", "points.json", "--figure", "figures/a.png"])
        assert (photos / "figures/a.png").is_file()
        assert not (photos / "out/ann_alignment.png").exists()


class TestFolder:
    def test_one_that_fails_does_not_stop_the_others(self, photos, capsys):
        folder = photos / "photos"
        folder.mkdir()
        (folder / "a.png").write_bytes(b"broken")
        photograph(folder / "ann.png")
        photograph(folder / "zoe.png")
        with pytest.raises(InputError, match=r"^2 of 3 photos failed, for the reasons above: a\.png, zoe\.png$"):
            main(["photos", "--out", "out", "--size", "64", "--landmarks", "points.json"])
        assert (photos / "out/ann.json").is_file()
        assert not (photos / "out/zoe.png").exists()
        shown = capsys.readouterr().out
        assert "a.png: failed: " in shown
        assert 'zoe.png: failed: points.json: there is no "zoe.png" in it' in shown

    def test_landmarks_of_each(self, photos):
        (photos / "points").mkdir()
        (photos / "points/ann.csv").write_text("\n".join(f"{x},{y}" for x, y in POINTS))
        main([*ANN, "--landmarks", "points"])
        assert json.loads((photos / "out/ann.json").read_text())["landmarks"] == POINTS


class TestRefused:
    @pytest.mark.parametrize(
        ("args", "words"),
        [
            (["ann.png"], "lit-nst align: .*--out"),
            ([*ANN, "--face", "big"], "'big' is no number; give 1, 2, … or largest"),
            (["nobody.png", "--out", "out"], "nobody.png does not exist"),
            (["ann.png", "--out", "."], "--out: ann.png is the photo itself"),
            (["ann.png", "--out", "points.json"], "--out: points.json is a file"),
            (["ann.png", "ANN.jpg", "--out", "out"], "would both be written as ANN.png"),
            ([*ANN, "--figure", "a.jpg"], "--figure is a.jpg; give a .png file"),
            (["bob.png", *ANN, "--figure", "a.png"], "--figure is a.png; .*single photo"),
            ([*ANN, "--figure", "ann.png"], "ann.png is the photo itself"),
            ([*ANN, "--figure", "out/ann.png"], "ann.png would be written twice"),
            (["ann.png", "--out", ".", "--landmarks", "ann.json"], "ann.png is the photo itself"),
            (["ann.png", "--out", "faces", "--landmarks", "faces/ann.json"], "ann.json is a file of landmarks"),
            (["ann.png", "--out", "faces", "--landmarks", "faces"], "ann.json is a file of landmarks"),
            (["bob.png", "bob_alignment.png", "--out", "out"], "bob_alignment.png would be written twice"),
            (["bob.jpg", "bob_alignment.png", "--out", "."], "bob_alignment.png is the photo itself"),
            ([*ANN, "--landmarks", "points.json", "--smallest", "nan"], "less than nan"),
            ([*ANN, "--detector", "nothing"], "ann.png: --detector: nothing is not a file"),
        ],
    )
    def test_before_anything_is_written(self, photos, args, words):
        photograph(photos / "ANN.jpg")
        for name in ("bob.png", "bob.jpg", "bob_alignment.png"):
            photograph(photos / name)
        (photos / "faces").mkdir()
        (photos / "faces/ann.json").write_text(json.dumps(POINTS))
        before = (photos / "ann.png").read_bytes()
        with pytest.raises(InputError, match=words):
            main(args)
        assert not (photos / "out").exists()
        assert (photos / "ann.png").read_bytes() == before
        assert (photos / "faces/ann.json").read_text() == json.dumps(POINTS)


def moved(dx, dy):
    return np.array(POINTS) + np.array([dx, dy])


class TestFigure:
    def draw(self, dx, dy, height=200, width=300):
        landmarks = Landmarks(moved(dx, dy))
        aligned = Aligned(torch.zeros(3, 128, 128), face_quad(landmarks))
        return np.asarray(figure(torch.zeros(3, height, width), aligned, landmarks)).astype(int), aligned.quad

    def test_points_and_quad_are_where_they_belong(self):
        drawn, quad = self.draw(60, 40)
        scale = 512 / 200
        for (x, y), color in zip(moved(60, 40), (EYES, EYES, MOUTH, MOUTH), strict=True):
            assert drawn[16 + round((y + 0.5) * scale), 16 + round((x + 0.5) * scale)].tolist() == list(color)
        middle_of_top = 16 + ((quad[0] + quad[3]) / 2 + 0.5) * scale
        assert drawn[round(middle_of_top[1]), round(middle_of_top[0])].tolist() == list(LINE)

    def test_points_in_the_aligned_face(self):
        drawn, quad = self.draw(60, 40)
        left = 16 + round(300 * 512 / 200) + 16
        for (x, y), color in zip(moved(60, 40), (EYES, EYES, MOUTH, MOUTH), strict=True):
            u, v = np.linalg.solve(np.stack([quad[3] - quad[0], quad[1] - quad[0]], 1), [x, y] - quad[0])
            assert drawn[16 + round(v * 512), left + round(u * 512)].tolist() == list(color)

    def test_a_quad_outside_is_shown_whole(self):
        drawn, _ = self.draw(-50, -30)
        line = (np.abs(drawn - LINE).max(-1) < 5).nonzero()
        whole, _ = self.draw(60, 40)
        assert len(line[0]) > 0.7 * (np.abs(whole - LINE).max(-1) < 5).sum() * (200 / 240) ** 2
        assert line[0].min() >= 16
        assert line[1].min() >= 16
        assert (np.abs(drawn - HALO).max(-1) < 5).any()
