import ast
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageColor

from lit_nst.errors import InputError
from lit_nst.report import curves
from lit_nst.report.curves import COLOURS, Series, bars, curve
from lit_nst.report.interval import Interval

DEPTH = [1, 2, 3, 4, 5]


def pixels(image, color, tolerance=3):
    """Rows and columns of the pixels of a color."""
    difference = np.asarray(image).astype(int) - ImageColor.getrgb(color)
    return np.nonzero((abs(difference) <= tolerance).all(2))


def runs(numbers):
    """First and last of each run of whole numbers without a gap."""
    numbers = np.unique(numbers)
    return [(int(run[0]), int(run[-1])) for run in np.split(numbers, np.nonzero(np.diff(numbers) > 1)[0] + 1)]


def is_drawn(image, color):
    return len(pixels(image, color)[0]) > 200


def test_a_line_rises_where_its_series_does():
    rows, columns = pixels(curve([Series("a", DEPTH, [0.0, 1.0, 2.0, 3.0, 4.0])], "x", "y"), COLOURS[0])
    assert np.corrcoef(rows, columns)[0, 1] < -0.999
    rows, columns = pixels(curve([Series("a", DEPTH, [4.0, 3.0, 2.0, 1.0, 0.0])], "x", "y"), COLOURS[0])
    assert np.corrcoef(rows, columns)[0, 1] > 0.999


def test_a_logarithmic_axis_makes_powers_a_straight_line():
    series = [Series("a", DEPTH, [10.0**d for d in DEPTH])]
    straight, bent = (abs(np.corrcoef(*pixels(curve(series, "x", "y", log_y=log), COLOURS[0]))[0, 1]) for log in (1, 0))
    assert straight > 0.999 > 0.9 > bent
    series = [Series("a", [10.0**d for d in DEPTH], [float(d) for d in DEPTH])]
    straight, bent = (abs(np.corrcoef(*pixels(curve(series, "x", "y", log_x=log), COLOURS[0]))[0, 1]) for log in (1, 0))
    assert straight > 0.999 > 0.9 > bent


@pytest.mark.parametrize(("gap", "log"), [(math.nan, False), (math.inf, False), (0.0, True), (-3.0, True)])
def test_what_cannot_be_drawn_is_a_gap(gap, log):
    rows, columns = pixels(curve([Series("a", DEPTH, [2.0] * 5)], "x", "y", log_y=log), COLOURS[0])
    rows_left, left = pixels(curve([Series("a", DEPTH, [2.0, 2.0, gap, 2.0, 2.0])], "x", "y", log_y=log), COLOURS[0])
    whole, broken = runs(columns), runs(left)
    assert np.ptp(rows_left) == np.ptp(rows)
    assert (len(whole), len(broken)) == (1, 2)
    assert broken[1][0] - broken[0][1] > 0.3 * (whole[0][1] - whole[0][0])


def test_intervals_reach_from_low_to_high():
    y, low, high = [2.0, 2.0, 2.0], [1.0, 1.5, 2.0], [4.0, 2.5, 2.0]
    image = curve([Series("a", [1, 2, 3], y, low, high)], "x", "y")
    rows, columns = pixels(image, COLOURS[0])
    first, last = columns.min(), columns.max()
    heights = [np.ptp(rows[abs(columns - x) < 40]) for x in (first, (first + last) // 2, last)]
    assert heights[0] == pytest.approx(3 * heights[1], rel=0.08)
    assert heights[2] < heights[1] / 4
    band = pixels(image, "#d9eaf3", 6)
    assert len(band[0]) > 20000
    assert len(pixels(curve([Series("a", [1, 2, 3], y)], "x", "y"), "#d9eaf3", 6)[0]) < 200


def test_an_interval_need_not_enclose_the_mean_or_stay_above_zero():
    curve([Series("a", DEPTH, [1.0] * 5, [2.0] * 5, [3.0] * 5)], "x", "y")
    image = curve([Series("a", DEPTH, [1.0] * 5, [-2.0] * 5, [3.0] * 5)], "x", "y", log_y=True)
    assert is_drawn(image, COLOURS[0])


def test_every_line_has_its_color_and_more_lines_than_colors_can_be_told_apart():
    series = [Series(f"s{i}", DEPTH, [float(i)] * 5) for i in range(len(COLOURS))]
    image = curve(series, "x", "y")
    assert all(is_drawn(image, color) for color in COLOURS)
    more = [Series("a", DEPTH, [0.0] * 5), *series[1:], Series("b", DEPTH, [9.0] * 5)]
    rows, columns = pixels(curve(more, "x", "y").crop((0, 100, 1800, 1000)), COLOURS[0])
    top, bottom = (columns[abs(rows - row) < 30] for row in (rows.min() + 15, rows.max()))
    assert len(top) < 0.9 * len(bottom)


def test_one_line_has_no_legend_and_two_have_one():
    def drawn(*names):
        return curve([Series(name, DEPTH, [1.0, 2.0, 3.0, 2.0, 1.0]) for name in names], "x", "y")

    assert drawn("short") == drawn("another name")
    assert drawn("a", "b") != drawn("a", "c")


def test_labels_stand_in_their_order_and_are_shared():
    a, b = Series("a", ["z", "m", "a"], [1.0, 2.0, 3.0]), Series("b", ["m", "q"], [2.5, 2.5])
    image = curve([a, b, Series("top and bottom", ["z", "z"], [0.0, 4.0])], "x", "y").crop((0, 130, 1800, 1000))
    first, second = (pixels(image, color) for color in COLOURS[:2])
    assert np.corrcoef(*first)[0, 1] < -0.99
    pitch = (np.ptp(first[1]) - 40) / 2
    assert second[1].min() - first[1].min() == pytest.approx(pitch, abs=15)
    assert second[1].max() - first[1].max() == pytest.approx(pitch, abs=15)


def test_ticks_may_be_named():
    series = [Series("a", DEPTH, [1.0] * 5)]
    named = curve(series, "x", "y", x_ticks={1: "1_1", 5: "3_1"})
    assert named != curve(series, "x", "y") == curve(series, "x", "y", x_ticks={d: str(d) for d in DEPTH})


def test_a_dollar_is_a_letter_and_all_texts_are_drawn():
    series = [Series("$\\frac$", ["$\\x$"], [1.0]), Series("b", ["$\\x$"], [1.0])]
    texts = {"x_label": "$\\frac$", "y_label": "y $\\frac$", "title": "t $\\frac$"}
    for draw in (curve, bars):
        plain = draw(series, **texts)
        assert all(draw(series, **{**texts, key: "other"}) != plain for key in texts)


@pytest.mark.parametrize("count", [2, 9])
def test_a_legend_leaves_the_lines_room(count):
    series = [Series(f"a rather long name {i}", DEPTH, [float(i)] * 5) for i in range(count)]
    image = curve(series, "x", "y", "a title")
    assert image.size == (1800, 1000)
    assert image.mode == "RGB"
    assert np.ptp(pixels(image, "#e4e4e4", 0)[1]) > 900
    assert {image.getpixel(p) for p in ((0, 0), (1799, 0), (0, 999), (1799, 999))} == {(255, 255, 255)}


def test_bars_stand_at_zero_and_are_as_high_as_their_numbers():
    rows, columns = pixels(bars([Series("a", [100, 1000, 20000], [1.0, 2.0, -1.0])], "x", "y"), COLOURS[0])
    spans = runs(columns)
    assert len(spans) == 3
    tops = [
        (rows[(columns >= a) & (columns <= b)].min(), rows[(columns >= a) & (columns <= b)].max()) for a, b in spans
    ]
    heights = [high - low for low, high in tops]
    assert heights[1] == pytest.approx(2 * heights[0], rel=0.03)
    assert heights[2] == pytest.approx(heights[0], rel=0.03)
    assert tops[0][1] == pytest.approx(tops[1][1], abs=3)
    assert tops[2][0] == pytest.approx(tops[0][1], abs=6)


def test_bars_of_one_group_stand_side_by_side_and_missing_ones_leave_their_place():
    series = [Series("a", ["p", "q"], [1.0, 1.0]), Series("b", ["p", "q"], [math.nan, 1.0])]
    image = bars(series, "x", "y").crop((0, 130, 1800, 1000))
    blue, red = (runs(pixels(image, color)[1]) for color in COLOURS[:2])
    assert (len(blue), len(red)) == (2, 1)
    assert 0 < red[0][0] - blue[1][1] < 40


def test_a_group_stands_over_its_tick():
    image = bars([Series(name, ["p", "q"], [1.0, 1.0]) for name in "abc"], "x", "y").crop((0, 130, 1800, 1000))
    axis, across = pixels(image, "#999999", 0)
    spine = np.bincount(axis).argmax()
    ticks = [(a + b) / 2 for a, b in runs(across[axis == spine + 6])]
    middles = [(a + b) / 2 for a, b in runs(pixels(image, COLOURS[1])[1])]
    assert ticks == pytest.approx(middles, abs=3)


def test_bars_have_their_intervals():
    def whiskers(low, high):
        """Height of the dark line over each bar."""
        image = bars([Series("a", ["p", "q", "r"], [2.0, 2.0, 2.0], low, high)], "x", "y")
        rows, columns = pixels(image, COLOURS[0])
        above = image.crop((0, 0, 1800, int(rows.max()) - 20))
        dark, across = pixels(above, "#333333", 8)
        return [len(np.unique(dark[(across >= a) & (across <= b)])) for a, b in runs(columns)]

    wide, narrow, none = whiskers([1.0, 1.5, math.nan], [3.0, 2.5, 3.0])
    assert wide == pytest.approx(2 * narrow, rel=0.08)
    assert none == 0
    assert whiskers(None, None) == [0, 0, 0]


def test_bars_on_a_logarithmic_axis():
    y, low, high = [0.01, 1.0, 100.0, -1.0], [0.0, 0.5, 50.0, -2.0], [0.1, 2.0, 200.0, 1.0]
    rows, columns = pixels(bars([Series("a", list("pqrs"), y, low, high)], "x", "y", log_y=True), COLOURS[0])
    tops = [rows[(columns >= a) & (columns <= b)].min() for a, b in runs(columns)]
    assert tops[-1] - tops[-2] == pytest.approx(tops[-2] - tops[-3], rel=0.05)


def test_series_of_intervals():
    one = Series.of("a", ["x", "y"], [Interval(2.0, 1.0, 3.0, 9), Interval(5.0, 5.0, 5.0, 1)])
    assert (one.y, one.low[0], one.high[0]) == ([2.0, 5.0], 1.0, 3.0)
    assert math.isnan(one.low[1])
    assert math.isnan(one.high[1])


def test_matplotlib_is_imported_late_and_has_no_global_state():
    tree = ast.parse(Path(curves.__file__).read_text())
    at_start = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert at_start
    assert "matplotlib" not in "".join(map(ast.unparse, at_start))
    assert "pyplot" not in ast.unparse(tree)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Series("a", [1, 2], [1.0]), "'a'"),
        (lambda: Series("a", [], []), "from 1 up"),
        (lambda: Series("a", [1], [1.0], low=[0.0]), "low or high alone"),
        (lambda: Series("a", [1], [1.0], [0.0, 0.0], [1.0]), "points"),
        (lambda: Series("a", [1, "b"], [1.0, 2.0]), "numbers and labels"),
        (lambda: curve([], "x", "y"), "curve: no series"),
        (lambda: bars([], "x", "y"), "bars: no series"),
        (lambda: curve([Series("a", [1], [1.0]), Series("b", ["p"], [1.0])], "x", "y"), "numbers as x"),
        (lambda: curve([Series("a", [1], [math.nan])], "x", "y"), "no finite point"),
        (lambda: bars([Series("a", [1], [-1.0])], "x", "y", log_y=True), "no positive finite point"),
        (lambda: curve([Series("a", [0, 1], [1.0, 1.0])], "x", "y", log_x=True), "log_x"),
        (lambda: curve([Series("a", ["p"], [1.0])], "x", "y", log_x=True), "log_x"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
