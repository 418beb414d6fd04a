import pytest
import torch
from PIL import ImageFont

from lit_nst.errors import InputError
from lit_nst.report.sheet import INK, MARGIN, PAPER, RULE, cell_size, contact_sheet, fitted, picture, shortened


def flat(*levels):
    """One gray 4×4 picture per level of 0 … 255."""
    return torch.tensor(levels, dtype=torch.float32).div(255).view(-1, 1, 1, 1).expand(-1, 3, 4, 4)


def test_cells_stand_row_by_row_with_light_margins():
    sheet = contact_sheet(flat(10, 60, 110, 160, 210), columns=2, scale=2)
    assert sheet.size == (2 * 10 + 2, 3 * 10 + 2)
    for i, level in enumerate((10, 60, 110, 160, 210)):
        left, top = MARGIN + i % 2 * 10, MARGIN + i // 2 * 10
        for x, y in ((left, top), (left + 7, top + 7)):
            assert sheet.getpixel((x, y)) == (level,) * 3
    assert sheet.getpixel((0, 0)) == sheet.getpixel((10, 5)) == sheet.getpixel((21, 11)) == RULE
    assert sheet.getpixel((17, 27)) == PAPER


def test_enlargement_keeps_every_pixel_a_sharp_square():
    image = torch.randint(0, 256, (1, 3, 5, 7), generator=torch.Generator().manual_seed(0))
    sheet = contact_sheet(image / 255, scale=3)
    for y in range(5):
        for x in range(7):
            block = sheet.crop((2 + 3 * x, 2 + 3 * y, 5 + 3 * x, 5 + 3 * y))
            assert block.getcolors() == [(9, tuple(image[0, :, y, x].tolist()))]


@pytest.mark.parametrize(("side", "cell"), [(8, 192), (50, 200), (64, 192), (200, 200)])
def test_small_pictures_are_shown_at_192_pixels_or_more(side, cell):
    assert contact_sheet(torch.zeros(1, 3, side, side)).size == (cell + 4, cell + 4)


@pytest.mark.parametrize(
    ("count", "grid"), [(1, (1, 1)), (2, (2, 1)), (3, (3, 1)), (6, (3, 2)), (7, (4, 2)), (8, (4, 2)), (12, (4, 3))]
)
def test_columns_are_chosen_for_a_full_grid(count, grid):
    assert contact_sheet(torch.zeros(count, 3, 4, 4), scale=2).size == (10 * grid[0] + 2, 10 * grid[1] + 2)


@pytest.mark.parametrize(("shape", "columns"), [((9, 3, 64, 2048), 2), ((10, 3, 8, 8), 1), ((3, 3, 30, 30), None)])
def test_sheet_stays_below_the_limit(shape, columns):
    assert max(contact_sheet(torch.zeros(shape), columns, captions=["x"] * shape[0], limit=400).size) <= 400


def test_more_columns_than_images_make_no_empty_cells():
    assert contact_sheet(flat(0, 0), columns=5, scale=2).size == (22, 12)


def test_default_limit():
    assert 4000 < max(contact_sheet(torch.zeros(2, 3, 64, 4000)).size) <= 4096


def test_reduced_pictures_are_averaged():
    stripes = torch.tensor([0.0, 1.0]).repeat(64).expand(1, 3, 128, 128)
    sheet = contact_sheet(stripes, limit=68)
    assert sheet.size == (68, 68)
    assert sheet.getpixel((30, 30)) in ((127,) * 3, (128,) * 3)


def test_captions_are_written_under_their_own_picture():
    plain = contact_sheet(flat(0, 100), columns=2, scale=30)
    sheet = contact_sheet(flat(0, 100), columns=2, scale=30, captions=["", "WWW"])
    assert sheet.width == plain.width
    assert sheet.height > plain.height + 12
    left, right = (sheet.crop((x, 2 + 120 + MARGIN, x + 120, sheet.height)) for x in (2, 124))
    assert left.getcolors() == [(120 * left.height, PAPER)]
    inked = [(x, y) for x in range(120) for y in range(right.height) if max(right.getpixel((x, y))) < 128]
    assert inked
    assert abs(sum(x for x, _ in inked) / len(inked) - 59.5) < 3
    assert 1 <= min(y for _, y in inked) < max(y for _, y in inked) < right.height - 4
    assert min(right.getpixel(p) for p in inked) == INK


def test_a_long_caption_stays_in_its_cell():
    sheet = contact_sheet(flat(0, 0, 0), columns=3, scale=30, captions=["", "W" * 200, ""])
    for x in (2, 246):
        assert sheet.crop((x, 124, x + 120, sheet.height)).getcolors(1) is not None
    assert sheet.crop((124, 124, 244, sheet.height)).getcolors(1) is None


def test_shortened_is_the_longest_start_that_fits():
    font = ImageFont.load_default(size=14)
    text = "a very long caption indeed.png"
    assert shortened(text, font, 1000) == text
    width = font.getlength("a very long c…")
    assert shortened(text, font, width) == "a very long c…"
    assert shortened(text, font, width - 0.5) == "a very long…"
    assert shortened(text, font, 1) == "…"


def test_letters_without_a_sign_in_the_font_are_replaced():
    font = ImageFont.load_default(size=14)
    assert shortened("Zoë\n×4 – 中 · ±1", font, 1000) == "Zoe x4 - ? · ±1"


def test_picture_clamps_and_takes_half_precision():
    image = torch.tensor([-1.0, 0.5, 3.0], dtype=torch.float16).view(3, 1, 1)
    assert picture(image).getpixel((0, 0)) == (0, 128, 255)
    assert picture(torch.tensor([float("nan"), float("inf"), 1.0]).view(3, 1, 1)).getpixel((0, 0)) == (0, 255, 255)


def test_fitted_keeps_the_proportions():
    assert fitted(picture(torch.zeros(3, 10, 20)), (64, 64)).size == (64, 32)
    assert fitted(picture(torch.zeros(3, 200, 100)), (64, 64)).size == (32, 64)


def test_cell_size_takes_whole_multiples_then_reductions():
    assert cell_size((10, 20), (1000, 1000), 3) == (30, 60)
    assert cell_size((10, 20), (29, 1000), 3) == (20, 40)
    assert cell_size((10, 20), (1000, 10), 3) == (5, 10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": torch.zeros(3, 4, 4)}, "shape"),
        ({"images": torch.zeros(0, 3, 4, 4)}, "shape"),
        ({"images": torch.zeros(1, 1, 4, 4)}, "shape"),
        ({"images": torch.zeros(2, 3, 4, 4), "captions": ["a"]}, "1 captions for 2 images"),
        ({"images": torch.zeros(2, 3, 4, 4), "columns": 0}, "columns=0"),
        ({"images": torch.zeros(2, 3, 4, 4), "scale": -1}, "scale=-1"),
        ({"images": torch.zeros(50, 3, 4, 4), "columns": 1, "limit": 100}, "too many pictures"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(InputError, match=message):
        contact_sheet(**arguments)
