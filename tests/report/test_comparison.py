import pytest
import torch
from PIL import ImageChops

from lit_nst.errors import InputError
from lit_nst.report.comparison import Row, comparison, error_scale, heat
from lit_nst.report.sheet import PAPER

BLACK, BRIGHT = (0, 0, 4), (252, 255, 164)
SIDE, CELL, PITCH = 64, 192, 194


def flat(*color):
    return torch.tensor(color).view(3, 1, 1).expand(3, SIDE, SIDE)


RED, GREEN, BLUE = flat(1.0, 0, 0), flat(0, 1.0, 0), flat(0, 0, 1.0)


def top_of(sheet, rows, band=0, footer=0):
    """Where the first line of pictures starts."""
    return sheet.height - footer - rows * (PITCH + band)


def middle(sheet, column, columns):
    """x of the middle of a column, counted from the right edge."""
    return sheet.width - 2 - (columns - column) * PITCH + CELL // 2


def columns_of(sheet):
    return [sheet.getpixel((middle(sheet, i, 4), sheet.height - 100)) for i in range(4)]


def test_columns_stand_in_their_order():
    sheet = comparison([Row("", RED, GREEN, BLUE)])
    assert sheet.width == 4 * PITCH + 2
    assert columns_of(sheet) == [(255, 0, 0), (0, 255, 0), (0, 0, 255), BRIGHT]


def test_rows_stand_in_their_order_with_the_name_at_the_left():
    sheet = comparison([Row("first", RED, RED, RED), Row("", GREEN, GREEN, GREEN)])
    names = sheet.crop((0, 0, sheet.width - 4 * PITCH - 2, sheet.height))
    left, top, right, bottom = ImageChops.invert(names.convert("L")).getbbox()
    assert 0 < left < right < names.width
    first = top_of(sheet, 2)
    assert abs((top + bottom) / 2 - (first + CELL / 2)) < 4
    assert [sheet.getpixel((middle(sheet, 0, 4), first + 90 + j * PITCH)) for j in range(2)] == [
        (255, 0, 0),
        (0, 255, 0),
    ]


def test_the_error_of_equal_pictures_is_black():
    sheet = comparison([Row("", RED, RED, RED)])
    cell = sheet.crop((sheet.width - 2 - CELL, sheet.height - 2 - CELL, sheet.width - 2, sheet.height - 2))
    assert cell.getcolors() == [(CELL * CELL, BLACK)]


def test_the_error_is_brightest_where_it_is_largest():
    target = torch.full((3, SIDE, SIDE), 0.5)
    result = target.clone()
    result[1, 10:30, 40:60] += 0.1
    result[0, 20, 50] -= 0.2
    row = Row("", target, None, result)
    error = row.error()
    assert error[20, 50] == pytest.approx(0.2)
    assert error[10, 40] == pytest.approx(0.1)
    assert error[0, 0] == 0
    sheet = comparison([row])
    left, top = sheet.width - 2 - CELL, sheet.height - 2 - CELL
    light = {
        at: sum(sheet.getpixel((left + 3 * at[0] + 1, top + 3 * at[1] + 1))) for at in ((50, 20), (40, 10), (0, 0))
    }
    assert light[50, 20] >= light[40, 10] > light[0, 0]
    assert sheet.getpixel((left + 3 * 50 + 1, top + 3 * 20 + 1)) == BRIGHT
    assert sheet.getpixel((left + 1, top + 1)) == BLACK


def test_one_scale_holds_for_all_rows():
    gray = torch.full((3, SIDE, SIDE), 0.5)
    sheet = comparison([Row("", gray, None, gray + 0.05), Row("", gray, None, gray + 0.2)])
    x, first = middle(sheet, 2, 3), top_of(sheet, 2) + 90
    expected = heat(torch.tensor([[0.25, 1.0]])).mul(255).round()[:, 0].T.tolist()
    shown = [sheet.getpixel((x, first + j * PITCH)) for j in range(2)]
    assert shown[1] == tuple(expected[1]) == BRIGHT
    assert max(abs(a - b) for a, b in zip(shown[0], expected[0], strict=True)) <= 1


@pytest.mark.parametrize(("peak", "scale"), [(0.0, 0.05), (0.05, 0.05), (0.06, 0.1), (0.3, 0.5), (0.51, 1.0)])
def test_the_scale_is_rounded_up(peak, scale):
    assert error_scale([torch.zeros(4, 4), torch.full((4, 4), peak)]) == scale


def test_a_few_outliers_do_not_set_the_scale():
    error = torch.full((20, 20), 0.04)
    error[0, :3] = 1.0
    assert error_scale([error]) == 0.05
    error[0, :5] = 1.0
    assert error_scale([error]) == 1.0


def test_the_scale_stands_in_the_header():
    headers = []
    for step in (0.05, 0.2):
        sheet = comparison([Row("", torch.zeros(3, SIDE, SIDE), None, torch.full((3, SIDE, SIDE), step))])
        headers.append(sheet.crop((sheet.width - PITCH, 0, sheet.width, sheet.height - 2 - PITCH)))
    ends = [header.crop((CELL - 20, 0, *header.size)) for header in headers]
    assert all(min(end.convert("L").tobytes()) < 100 for end in ends)
    assert ImageChops.difference(*ends).getbbox() is not None
    bar = [headers[0].getpixel((x, headers[0].height // 2)) for x in range(headers[0].width)]
    light = [sum(color) for color in bar[bar.index(BLACK) : bar.index(BRIGHT) + 1]]
    assert len(light) > 60
    assert light == sorted(light)


def test_the_heat_map_rises_in_lightness():
    color = heat(torch.linspace(0, 1, 256).view(1, -1))[:, 0]
    lightness = torch.tensor([0.2126, 0.7152, 0.0722]) @ color.pow(2.2)
    assert bool((lightness.diff() > -1e-4).all())
    assert lightness[-1] - lightness[0] > 0.9
    assert tuple(color[:, 0].mul(255).round().int().tolist()) == BLACK
    assert tuple(color[:, -1].mul(255).round().int().tolist()) == BRIGHT
    middle_of_two = heat(torch.tensor([[1.5 / 8]]))[:, 0, 0] * 255
    torch.testing.assert_close(middle_of_two, torch.tensor([58.0, 14.0, 90.0]))


def test_a_small_measurement_is_enlarged_by_nearest_neighbour():
    measurement = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    sheet = comparison([Row("", None, measurement, RED)])
    left, top = sheet.width - 2 * PITCH, sheet.height - 2 - CELL
    levels = measurement.mul(255).round().int()
    for x, y in ((0, 0), (15, 0), (7, 11), (15, 15)):
        block = sheet.crop((left + 12 * x, top + 12 * y, left + 12 * x + 12, top + 12 * y + 12))
        assert block.getcolors() == [(144, tuple(levels[:, y, x].tolist()))]


def test_columns_that_no_row_has_are_left_out():
    assert comparison([Row("", None, GREEN, BLUE)]).width == 2 * PITCH + 2
    assert comparison([Row("", RED, None, BLUE)]).width == 3 * PITCH + 2
    assert comparison([Row("", None, None, BLUE)]).width == PITCH + 2


def test_a_row_without_truth_beside_one_with_it_is_empty_there():
    sheet = comparison([Row("", RED, GREEN, BLUE), Row("", None, GREEN, BLUE)])
    y = sheet.height - 30
    assert [sheet.getpixel((middle(sheet, i, 4), y)) for i in range(4)] == [PAPER, (0, 255, 0), (0, 0, 255), PAPER]
    for i in (0, 3):
        x = middle(sheet, i, 4)
        sign = sheet.crop((x - 20, sheet.height - CELL, x + 20, sheet.height)).convert("L")
        assert ImageChops.invert(sign).getbbox() is not None


def test_figures_stand_under_their_picture():
    plain = comparison([Row("", RED, GREEN, BLUE)])
    sheet = comparison([Row("", RED, GREEN, BLUE, {"result": "24.1 dB"})])
    band = sheet.height - plain.height
    assert band > 12
    bands = [
        sheet.crop((middle(sheet, i, 4) - 90, sheet.height - band, middle(sheet, i, 4) + 90, sheet.height))
        for i in range(4)
    ]
    assert [ImageChops.invert(b.convert("L")).getbbox() is not None for b in bands] == [False, False, True, False]


def test_at_most_sixteen_rows_are_shown():
    sixteen = comparison([Row("", None, None, RED)] * 16)
    more = comparison([Row("", None, None, RED)] * 17)
    assert comparison([Row("", None, None, RED)] * 16, 1).tobytes() == more.tobytes()
    assert more.width == sixteen.width
    footer = more.height - sixteen.height
    assert 12 < footer < 60
    text = more.crop((0, more.height - footer, more.width, more.height))
    assert min(text.convert("L").tobytes()) < 100
    other = comparison([Row("", None, None, RED)] * 28).crop((0, more.height - footer, more.width, more.height))
    assert ImageChops.difference(text, other).getbbox() is not None


def test_many_large_rows_stay_below_the_limit():
    big = torch.zeros(3, 320, 20)
    assert max(comparison([Row("a name", big, big, big, {"result": "x"})] * 17).size) <= 4096


def test_pictures_of_other_sizes_are_fitted_into_the_cells():
    sheet = comparison([Row("", None, None, RED), Row("", None, None, GREEN[:, :32])])
    assert sheet.width == PITCH + 2
    y = top_of(sheet, 2) + PITCH
    assert sheet.getpixel((98, y + CELL // 2)) == (0, 255, 0)
    assert sheet.getpixel((98, y + 20)) == sheet.getpixel((98, y + CELL - 20)) == PAPER


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: comparison([]), "no row"),
        (lambda: Row("a", RED, GREEN, BLUE[None]), "result of 'a' has shape"),
        (lambda: Row("a", RED, GREEN[:1], BLUE), "measurement of 'a' has shape"),
        (lambda: Row("a", RED[:, :8], GREEN, BLUE), "differ in size"),
        (lambda: Row("a", RED, GREEN, BLUE, {"truth": "x"}), "'truth'"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(InputError, match=message):
        make()
