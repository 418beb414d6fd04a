from inspect import cleandoc

import pytest
import torch

from lit_nst.report.summary import human_time, summary_table

INF, NAN = float("inf"), float("nan")


def test_table_of_several_rows():
    records = [
        {"name": "anna.png", "psnr": 24.1234, "ssim": 0.84319, "loss": 1.25e-5, "steps": 500},
        {"name": "b.png", "psnr": 9.5, "ssim": 0.9, "loss": 3e-6, "steps": 20},
    ]
    assert summary_table(records) == cleandoc("""
        name       psnr    ssim       loss  steps
        --------  -----  ------  ---------  -----
        anna.png  24.12  0.8432  1.250e-05    500
        b.png      9.50  0.9000  3.000e-06     20
        --------  -----  ------  ---------  -----
        mean      16.81  0.8716  7.750e-06
    """)


def test_a_single_row_has_no_mean():
    assert summary_table([{"name": "a", "psnr": 24.1234}]) == cleandoc("""
        name   psnr
        ----  -----
        a     24.12
    """)
    assert summary_table([{"psnr": 24.1234}]) == " psnr\n-----\n24.12"


def test_a_failed_row_has_no_figure_and_leaves_no_mean():
    text = summary_table([{"row": 0, "psnr": NAN, "x": INF}, {"row": 1, "psnr": 20.0, "x": 1.5}])
    assert text.splitlines() == [
        " row   psnr      x",
        "----  -----  -----",
        "   0      –      –",
        "   1  20.00  1.500",
        "----  -----  -----",
        "mean      –      –",
    ]


def test_missing_values_are_left_out_of_the_mean():
    records = [{"name": "a", "psnr": 10.0}, {"name": "b"}, {"name": "c", "psnr": None}, {"name": "d", "psnr": 20}]
    assert summary_table(records) == cleandoc("""
        name   psnr
        ----  -----
        a     10.00
        b         –
        c         –
        d     20.00
        ----  -----
        mean  15.00
    """)


def test_columns_of_other_kinds():
    records = [{"name": "a", "ok": True, "note": "fine", "d": torch.tensor(1234.5)}, {"name": "b", "ok": False}]
    assert summary_table(records) == cleandoc("""
        name  ok   note     d
        ----  ---  ----  ----
        a     yes  fine  1234
        b     no   –        –
        ----  ---  ----  ----
        mean             1234
    """)


def test_records_without_a_name_get_a_column_for_the_mean():
    assert summary_table([{"psnr": 10.0}, {"psnr": 20.0}]).splitlines() == [
        "       psnr",
        "----  -----",
        "      10.00",
        "      20.00",
        "----  -----",
        "mean  15.00",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"),
        (-24.5678, "-24.57"),
        (0.001, "0.001000"),
        (0.00099, "9.900e-04"),
        (123456.7, "123457"),
        (2.5e7, "2.500e+07"),
    ],
)
def test_digits(value, text):
    assert summary_table([{"name": "a", "x": value}]).splitlines()[-1].split() == ["a", text]


def test_nothing_to_show():
    assert summary_table([]) == summary_table([{}]) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0996, "0.1 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (86369, "23 h 59 min"),
        (86399, "1 d 00 h"),
        (200000, "2 d 08 h"),
        (-5, "-5.0 s"),
        (INF, "–"),
        (NAN, "–"),
    ],
)
def test_human_time(seconds, text):
    assert human_time(seconds) == text
