import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.report.collage import EMPTY, collage
from lit_nst.report.sheet import MARGIN, PAPER, RULE

SIDE = 40


def flat(level, height=SIDE, width=SIDE):
    return torch.full((3, height, width), level / 255)


def table(rows, columns):
    """Cell (i, j) has the gray level 60 + 40·i + 10·j."""
    return [[flat(60 + 40 * i + 10 * j) for j in range(columns)] for i in range(rows)]


def first_cell(sheet):
    """Left and top of the first cell: after the line around it."""
    left = next(x for x in range(sheet.width) if sheet.getpixel((x, sheet.height - 1)) == RULE)
    top = next(y for y in range(sheet.height) if sheet.getpixel((sheet.width - 1, y)) == RULE)
    return left + MARGIN, top + MARGIN


def ends(numbers):
    return min(numbers), max(numbers)


def inked(sheet, box):
    """Columns and rows of dark pixels within a box."""
    part = sheet.crop(box).convert("L")
    return [(x, y) for x in range(part.width) for y in range(part.height) if part.getpixel((x, y)) < 110]


def test_cells_stand_in_their_row_and_column():
    sheet = collage(table(2, 3), ["conv", "relu"], ["a", "b", "c"], scale=2)
    left, top = first_cell(sheet)
    pitch = 2 * SIDE + MARGIN
    assert sheet.size == (left + 3 * pitch, top + 2 * pitch)
    for i in range(2):
        for j in range(3):
            cell = sheet.crop((left + j * pitch, top + i * pitch, left + j * pitch + 80, top + i * pitch + 80))
            assert cell.getcolors() == [(6400, (60 + 40 * i + 10 * j,) * 3)]


def test_headings_stand_over_their_column_and_names_before_their_row():
    sheet = collage(table(2, 2), ["", "WWW"], ["", "MM"], scale=2)
    left, top = first_cell(sheet)
    pitch = 2 * SIDE + MARGIN
    assert not inked(sheet, (0, 0, left + pitch - MARGIN, top - MARGIN))
    over = inked(sheet, (left + pitch, 0, left + pitch + 80, top - MARGIN))
    assert abs(sum(x for x, _ in over) / len(over) - 40) < 3
    assert not inked(sheet, (0, top, left - MARGIN, top + 80))
    before = inked(sheet, (0, top + pitch, left - MARGIN, top + pitch + 80))
    assert abs(sum(y for _, y in before) / len(before) - 40) < 4
    assert max(x for x, _ in before) < left - MARGIN - 4


def test_without_row_labels_no_room_is_taken():
    assert first_cell(collage(table(1, 2), [""], ["a", "b"], scale=2))[0] == MARGIN


def test_an_empty_cell_is_gray_with_a_dash():
    cells = table(2, 2)
    cells[0][1] = None
    sheet = collage(cells, ["x", "y"], ["a", "b"], scale=2)
    left, top = first_cell(sheet)
    cell = sheet.crop((left + 82, top, left + 162, top + 80))
    colors = sorted(cell.getcolors(), reverse=True)
    assert colors[0][1] == EMPTY
    assert 0.97 < colors[0][0] / 6400 < 1
    assert PAPER not in [color for _, color in colors]


def test_smaller_pictures_stand_in_the_middle_at_their_proportions():
    sheet = collage([[flat(0, 20, 40), flat(100)]], [""], ["", ""], scale=2)
    top = first_cell(sheet)[1]
    cell = sheet.crop((MARGIN, top, MARGIN + 80, top + 80))
    black = [(x, y) for x in range(80) for y in range(80) if cell.getpixel((x, y)) == (0, 0, 0)]
    assert (min(black), max(black)) == ((0, 20), (79, 59))
    sheet = collage([[flat(0, 40, 20)], [flat(100)]], ["", ""], [""], scale=2)
    bottom = sheet.height - 80 - 3 * MARGIN
    assert ends([x for x in range(sheet.width) if sheet.getpixel((x, bottom)) == (0, 0, 0)]) == (
        MARGIN + 20,
        MARGIN + 59,
    )


def test_notes_stand_in_the_lower_left_corner_of_their_cell():
    plain = collage(table(2, 2), ["x", "y"], ["a", "b"], scale=4)
    noted = collage(table(2, 2), ["x", "y"], ["a", "b"], scale=4, corner_notes=[[None, ""], [None, "0.12"]])
    left, top = first_cell(plain)
    changed = [
        (x, y)
        for x in range(plain.width)
        for y in range(plain.height)
        if plain.getpixel((x, y)) != noted.getpixel((x, y))
    ]
    assert min(x for x, _ in changed) == left + 4 * SIDE + MARGIN
    assert max(x for x, _ in changed) < left + 4 * SIDE + MARGIN + 80
    assert max(y for _, y in changed) == top + 8 * SIDE + MARGIN - 1
    assert min(y for _, y in changed) > top + 4 * SIDE + MARGIN + 120
    box = (left + 4 * SIDE + MARGIN, top + 4 * SIDE, left + 8 * SIDE, top + 8 * SIDE)
    assert inked(noted, box)
    assert PAPER in [color for _, color in noted.crop(box).getcolors()]


def test_a_long_note_stays_in_its_cell():
    noted = collage(table(1, 2), [""], ["", ""], scale=2, corner_notes=[[None, "W" * 90]])
    left, top = first_cell(noted)
    assert noted.crop((left, top, left + 80, top + 80)).getcolors() == [(6400, (60,) * 3)]
    assert noted.crop((left + 162, top, noted.width, top + 80)).getcolors() == [(80 * MARGIN, RULE)]


def test_small_pictures_are_enlarged_and_large_tables_reduced():
    assert collage([[flat(0, 8, 8)]], [""], [""]).width == 192 + 2 * MARGIN
    sheet = collage(table(2, 13), ["conv", "relu"], ["x"] * 13, limit=500)
    assert 400 < max(sheet.size) <= 500
    tall = collage([[flat(0, 200, 10)]] * 5, ["a"] * 5, [""], limit=300)
    assert max(tall.size) <= 300
    assert max(collage(table(1, 13), [""], [""] * 13, scale=20).size) <= 4096


def test_letters_of_a_wide_collage_are_larger():
    narrow, wide = (first_cell(collage(table(1, count), [""], ["x"] * count, scale=5))[1] for count in (2, 13))
    assert wide > 1.3 * narrow


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"row_labels": ["a"]}, "1 row and 2 column labels"),
        ({"column_labels": ["a", "b", "c"]}, "2 row and 3 column"),
        ({"cells": [[None, None], [None, None]]}, "no picture"),
        ({"cells": [[flat(0)], [flat(0), flat(0)]]}, "one label per row"),
        ({"cells": [], "row_labels": []}, "0 row"),
        ({"cells": [[flat(0), flat(0)], [None, torch.zeros(1, 3, 4, 4)]]}, "shape"),
        ({"scale": 0}, "scale=0"),
        ({"corner_notes": [["a", "b"]]}, "corner_notes"),
        ({"limit": 20}, "too many"),
    ],
)
def test_bad_input_is_named(change, message):
    arguments = {"cells": table(2, 2), "row_labels": ["a", "b"], "column_labels": ["a", "b"], **change}
    with pytest.raises(InputError, match=message):
        collage(**arguments)
