import json

import numpy as np
import pytest
import torch
from PIL import Image

from lit_nst.commands import align as align_command
from lit_nst.commands.paste import main
from lit_nst.data import read_image, write_png
from lit_nst.data.alignment import paste
from lit_nst.errors import InputError
from tests.commands.test_align import POINTS, photograph

ARGS = ["ann.png", "face.png", "--alignment", "out/ann.json", "--out", "result.png"]


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photograph(tmp_path / "ann.png")
    (tmp_path / "points.json").write_text(json.dumps(POINTS))
    align_command.main(["ann.png", "--out", "out", "--size", "128", "--landmarks", "points.json"])
    write_png(torch.tensor([1.0, 0.0, 0.5]).view(3, 1, 1).expand(3, 40, 40), "face.png")
    return tmp_path


def quad(folder):
    return np.array(json.loads((folder / "out/ann.json").read_text())["quad"])


def levels(name):
    with Image.open(name) as picture:
        return np.asarray(picture).astype(int)


def test_there_and_back(photos, capsys):
    main(["ann.png", "out/ann.png", "--alignment", "out/ann.json", "--out", "deep/result.png"])
    before, after = levels("ann.png"), levels("deep/result.png")
    assert np.abs(after - before).mean() < 0.5
    assert np.abs(after - before).max() <= 3
    assert "deep/result.png" in capsys.readouterr().out


def test_an_edited_face(photos):
    main([*ARGS, "--feather", "0.2"])
    expected = paste(read_image("ann.png")[0], read_image("face.png")[0], quad(photos), 0.2)
    assert (read_image("result.png")[0] - expected).abs().max() <= 0.501 / 255
    before, after = levels("ann.png"), levels("result.png")
    x, y = quad(photos).mean(0).round().astype(int)
    assert after[y, x].tolist() == [255, 0, 128]
    assert (after[:, 105:] == before[:, 105:]).all()
    assert (after != before).any()


def test_the_default_feather(photos):
    main(ARGS)
    expected = paste(read_image("ann.png")[0], read_image("face.png")[0], quad(photos), 0.1)
    assert (read_image("result.png")[0] - expected).abs().max() <= 0.501 / 255


def test_another_photo(photos):
    photograph(photos / "bob.png", width=121)
    with pytest.raises(InputError, match=r"bob\.png is 121×110, and out/ann\.json was made from ann\.png of 120×110"):
        main(["bob.png", *ARGS[1:]])
    assert not (photos / "result.png").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a record of align"),
        ("{}", "it has no 'source_width'"),
        ('{"version": 2}', "has version 2, not 1; align the photo again"),
        ('{"version": ["' + "x" * 9999 + '"]}', r"has version \['x+, not 1"),
        ("[" * 100_000, "is not JSON"),
        (
            '{"source_width": 9, "source_height": 9, "source": "\\u001b' + "x" * 9999 + '", "quad": []}',
            r"\\x1bx+ of 9×9",
        ),
        (
            '{"source_width": 120, "source_height": 110, "quad": [[1e300, 1], [1, 2], [1, 2], [1, 2]]}',
            "not four points",
        ),
        ('{"source_width": 120, "source_height": 110}', "it has no 'quad'"),
        ('{"source_width": 120, "source_height": 110, "quad": "x"}', "is not a record of align"),
        ('{"source_width": Infinity, "source_height": 110, "quad": []}', "is not a record of align"),
        ('{"source_width": 120, "source_height": 110, "quad": [[1, 2]]}', "is not four points"),
        ('{"source_width": 120, "source_height": 110, "quad": [[1, 2], [1, NaN], [1, 2], [1, 2]]}', "not four points"),
        ('{"source_width": 120, "source_height": 110, "quad": [[1, 2], [1, 2], [1, 2], [1, 2]]}', "not a square"),
    ],
)
def test_a_broken_record(photos, content, words):
    (photos / "out/ann.json").write_text(content)
    with pytest.raises(InputError, match=words) as caught:
        main(ARGS)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400
    assert not (photos / "result.png").exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (ARGS[:4], "lit-nst paste: .*--out"),
        ([*ARGS[:4], "--out", "result.jpg"], "--out: result.jpg is not a .png file"),
        ([*ARGS[:4], "--out", "ann.png"], "--out: ann.png is one of the pictures given"),
        ([*ARGS[:4], "--out", "face.png"], "--out: face.png is one of the pictures given"),
        ([*ARGS[:3], "no.json", "--out", "r.png"], "--alignment: no.json does not exist"),
        (["no.png", *ARGS[1:]], "no.png does not exist"),
        ([*ARGS, "--feather", "0.7"], "feather is 0.7"),
    ],
)
def test_refused(photos, args, words):
    before = (photos / "ann.png").read_bytes()
    with pytest.raises(InputError, match=words):
        main(args)
    assert not (photos / "result.png").exists()
    assert (photos / "ann.png").read_bytes() == before
