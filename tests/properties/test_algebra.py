"""What holds for every size, picture and number."""

import math
import os

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lit_nst.data.resize import fit_image, fit_inside, fit_mask
from lit_nst.errors import InputError, quote
from lit_nst.files import write_atomically
from lit_nst.functional.color import match_colors
from lit_nst.functional.random import generator as keyed
from lit_nst.generators import Pixels
from lit_nst.tasks.grid import Grid

ROLES = st.dictionaries(st.sampled_from(["content", "style", "target"]), st.integers(1, 3), max_size=3)
LISTS = st.lists(st.floats(0, 1e6), min_size=1, max_size=3, unique_by="{:g}".format)
WEIGHTS = st.dictionaries(st.sampled_from(["content", "style", "pixel"]), LISTS, max_size=3)
GRIDS = st.builds(Grid, ROLES, WEIGHTS, st.integers(1, 3))


@given(counts=ROLES, weights=WEIGHTS, restarts=st.integers(1, 3))
def test_a_grid_is_a_product(counts, weights, restarts):
    grid = Grid(counts, weights, restarts)
    assert len(grid) == math.prod(counts.values()) * math.prod(map(len, weights.values())) * restarts
    rows = [(*grid[i].images.items(), *grid[i].setting.items(), grid[i].restart) for i in range(len(grid))]
    assert len(set(rows)) == len(rows)
    assert all(grid.weight(row, term) in weights[term] for row in range(len(grid)) for term in weights)


@given(grid=GRIDS, data=st.data())
def test_the_best_row_of_a_problem_is_a_minimum(grid, data):
    size = len(grid)
    losses = data.draw(st.lists(st.floats(), min_size=size, max_size=size))
    best = grid.best(losses)
    assert len(best) * grid.restarts == size
    for problem, row in enumerate(best):
        own = range(problem * grid.restarts, (problem + 1) * grid.restarts)
        assert row in own
        known = [losses[other] for other in own if not math.isnan(losses[other])]
        assert not known or losses[row] == min(known) or (math.isnan(losses[row]) and min(known) == math.inf)


STEMS = st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=80)


@given(grid=GRIDS, stems=st.lists(STEMS, min_size=3, max_size=3, unique_by=str.casefold))
def test_no_two_rows_have_one_name(grid, stems):
    for rows in (None, list(range(0, len(grid), grid.restarts))):
        names = grid.names(dict.fromkeys(("content", "style", "target"), stems), rows)
        assert len({name.casefold() for name in names}) == len(names) == (len(grid) if rows is None else len(rows))
        assert all(len(name.encode()) < 250 for name in names)


sides = st.integers(1, 40)
fits = st.sampled_from(["crop", "pad", "stretch"])


@given(old=st.tuples(sides, sides), new=st.tuples(sides, sides), how=fits, key=st.integers())
def test_fitting_keeps_range_and_gives_the_size(old, new, how, key):
    image = torch.rand(3, *old, generator=keyed(key)).round()
    fitted, mask = fit_image(image, new, how), fit_mask(image[:1], new, how)
    assert fitted.shape == (3, *new)
    assert mask.shape == (1, *new)
    assert 0 <= fitted.min() <= fitted.max() <= 1
    assert set(mask.unique().tolist()) <= set(image[:1].unique().tolist())


@given(old=st.tuples(sides, sides), new=st.tuples(sides, sides), how=fits, value=st.floats(0, 1, width=32))
def test_a_picture_of_one_colour_stays_one(old, new, how, value):
    fitted = fit_image(torch.full((3, *old), value), new, how)
    torch.testing.assert_close(fitted, torch.full((3, *new), value), atol=1e-6, rtol=0)


@given(old=st.tuples(sides, sides), longest=st.integers(1, 50))
def test_shrinking_gives_the_longer_side(old, longest):
    height, width = fit_inside(torch.rand(3, *old), longest).shape[1:]
    assert max(height, width) == min(longest, max(old))
    assert height >= 1
    assert width >= 1


@given(new=st.tuples(st.integers(-3, 1), st.integers(-3, 0)), how=fits)
def test_a_size_of_nothing_is_refused(new, how):
    with pytest.raises(InputError, match="give sides of at least 1 pixel"):
        fit_image(torch.rand(3, 4, 4), new, how)


@given(sizes=st.tuples(sides, sides, sides, sides), keys=st.tuples(st.integers(), st.integers()))
def test_colours_go_there_and_back(sizes, keys):
    height, width = 4 + sizes[0], 4 + sizes[1]
    image = torch.rand(3, height, width, generator=keyed(keys[0], "image"))
    like = torch.rand(3, 4 + sizes[2], 4 + sizes[3], generator=keyed(keys[1], "like"))
    torch.testing.assert_close(match_colors(match_colors(image, like), image), image, atol=1e-3, rtol=0)
    grey = torch.full_like(image, 0.5)
    assert match_colors(grey, like).isfinite().all()
    assert match_colors(image, grey).isfinite().all()


@given(size=st.tuples(sides, sides), box=st.sampled_from(["none", "clamp", "sigmoid"]), spectrum=st.floats(0, 2))
def test_a_picture_is_its_own_start(size, box, spectrum):
    image = 0.01 + 0.98 * torch.rand(1, 3, *size, generator=keyed(*size))
    pixels = Pixels(box, spectrum)
    torch.testing.assert_close(pixels(pixels.encode(image)), image, atol=2e-3, rtol=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@given(first=st.binary(max_size=50), second=st.binary(max_size=50), step=st.sampled_from(["fsync", "replace", "none"]))
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, MemoryError])
def test_a_file_is_the_old_one_or_the_new_one(folder, error, first, second, step):
    path = folder / "deep" / "file"
    write_atomically(path, first)
    with pytest.MonkeyPatch.context() as patch:
        if step != "none":

            def fail(*_):
                raise error("full")

            patch.setattr(os, step, fail)
            with pytest.raises(error):
                write_atomically(path, second)
        else:
            write_atomically(path, second)
    assert path.read_bytes() == (second if step == "none" else first)
    assert list(path.parent.iterdir()) == [path]


@given(text=st.text(), longest=st.integers(0, 100))
def test_a_quoted_text_is_one_line(text, longest):
    quoted = quote(text, longest)
    assert quoted.isprintable()
    assert quoted.isascii()
