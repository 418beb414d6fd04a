import re

import pytest

from lit_nst.report.stylesheet import STYLE


def colors(block):
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})\b", block))


def luminance(color):
    """Relative luminance of the Web Content Accessibility Guidelines."""
    digits = color[1:] if len(color) == 7 else "".join(2 * c for c in color[1:])
    linear = [(int(digits[i : i + 2], 16) / 255) for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in linear]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


LIGHT, DARK, PRINT = (colors(block) for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL))


@pytest.mark.parametrize("scheme", [LIGHT, DARK, PRINT], ids=["light", "dark", "print"])
def test_text_can_be_read_on_its_ground(scheme):
    pairs = [("ink", "paper"), ("soft", "paper"), ("link", "paper"), ("ink", "card")]
    for kind in ("yes", "no", "open"):
        pairs += [(kind, f"{kind}-paper"), ("ink", f"{kind}-paper"), ("soft", f"{kind}-paper")]
    assert {
        f"{a} on {b}": contrast(scheme[a], scheme[b]) for a, b in pairs if contrast(scheme[a], scheme[b]) < 4.5
    } == {}


def test_every_scheme_has_every_color_and_every_used_one():
    assert set(LIGHT) == set(DARK) == set(PRINT) == set(re.findall(r"var\(--([\w-]+)\)", STYLE))
    assert luminance(DARK["paper"]) < 0.05 < 0.9 < luminance(LIGHT["paper"])


def test_the_sheet_stands_alone():
    assert not re.search(r"url\(|@import|http|</", STYLE)
    assert STYLE.count("{") == STYLE.count("}")
    assert all(f"@media {query}" in STYLE for query in ("(prefers-color-scheme: dark)", "(max-width: 640px)", "print"))
