import pytest
import torch

from lit_nst.callbacks.figures import Pictures
from lit_nst.callbacks.part import Part
from lit_nst.callbacks.sheets import first_places, kept_pictures, lines_of, sheet
from tests.fitting import inversion, smooth


class Best:
    """A task that keeps the best of three restarts."""

    class search:  # noqa: N801
        keep, restarts = "best", 3


def pictures(count, kind):
    return torch.stack([smooth(8, 8, kind, i) for i in range(count)])


def test_first_sixteen_rows(tiny_generator):
    task = inversion(tiny_generator)
    assert first_places(task, range(14, 20), torch.zeros(6)) == [0, 1]
    assert first_places(task, range(16, 20), torch.zeros(4)) == []


def test_best_restarts_of_the_first_sixteen_problems():
    losses = torch.tensor([torch.nan, torch.inf, 2.0, 2.0, torch.nan, 1.0, 0.0])
    # Problems 13 (its last one), 14 (all), 15 (two), 16.
    assert first_places(Best(), [41, 42, 43, 44, 46, 45, 48], losses) == [0, 2, 5]


def test_lines_are_those_of_their_rows():
    styles = [smooth(5, 9, "s"), smooth(9, 5, "t")]
    own = Pictures(pictures(4, "truth"), pictures(4, "content"), [[(1.0, styles[i % 2])] for i in range(4)])
    found = {"result": pictures(4, "result"), "measurement": 3 * pictures(4, "measurement") - 1}
    tensors = kept_pictures([5, 6, 7, 8], [1, 2], found, own)
    lines = lines_of(Part([5, 6, 7, 8], [{}] * 4, tensors))
    assert sorted(lines) == [6, 7]
    assert torch.equal(lines[7].result, found["result"][2])
    assert torch.equal(lines[7].truth, own.truth[2])
    assert torch.equal(lines[7].content, own.content[2])
    assert torch.equal(lines[7].measurement, found["measurement"][2].clamp(0, 1))
    assert [picture.shape for picture in lines[6].styles] == [(3, 9, 5)]
    assert torch.equal(lines[7].styles[0], styles[0])


def test_composite_is_the_result():
    found = {"result": pictures(2, "result"), "composite": pictures(2, "composite")}
    lines = lines_of(Part([0, 1], [{}] * 2, kept_pictures([0, 1], [0, 1], found, Pictures())))
    assert torch.equal(lines[1].result, found["composite"][1])
    assert lines[1].truth is lines[1].measurement is lines[1].content is None
    assert kept_pictures([0], [], found, Pictures()) == {}


@pytest.mark.parametrize("styled", [False, True])
def test_sheet(styled):
    own = Pictures(pictures(3, "truth"), None, [[(1.0, smooth(8, 8, "style"))]] * 3 if styled else [])
    tensors = kept_pictures([0, 1, 2], [0, 1, 2], {"result": pictures(3, "result")}, own)
    lines = list(lines_of(Part([0, 1, 2], [{}] * 3, tensors)).values())
    names = [{"name": f"{i}", "psnr": 20.0 + i} for i in range(3)]
    picture, longer = sheet(lines, names, 0), sheet(lines, names, 54)
    assert picture.tobytes() != sheet(lines[::-1], names, 0).tobytes()
    assert (longer.height > picture.height) != styled
