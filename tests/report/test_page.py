import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from PIL import Image, ImageChops

from lit_nst.errors import InputError
from lit_nst.report.interval import Interval
from lit_nst.report.page import Claim, Heading, Picture, Table, Text, page

EVIL = "<script>alert(\"1\")</script> & 'x'"


class Reader(HTMLParser):
    """The page as a browser reads it: tags with attributes, texts, and whether all tags are closed."""

    VOID = ("meta", "img", "br", "hr", "link", "input")

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.texts = [], [], []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.texts.append((self.open[-1] if self.open else "", text))

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def text_of(self, tag):
        return [text for inside, text in self.texts if inside == tag]


def photograph(width, height, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def shown(source):
    head, data = source.split(",", 1)
    return head, Image.open(io.BytesIO(base64.b64decode(data, validate=True)))


def test_head():
    html = page("A & B", [])
    assert html.startswith("<!DOCTYPE html>\n")
    read = Reader(html)
    assert read.all("html") == [{"lang": "en"}]
    assert read.text_of("title") == read.text_of("h1") == ["A & B"]
    assert {"charset": "utf-8"} in read.all("meta")
    assert {m.get("name") for m in read.all("meta")} >= {"viewport", "color-scheme"}


def test_every_text_is_escaped():
    image = Image.new("RGB", (4, 4))
    sections = [Heading(EVIL), Text(EVIL), Picture(image, EVIL), Table([EVIL, "b"], [[EVIL, EVIL]], EVIL)]
    html = page(EVIL, [*sections, Heading("b"), Heading("c"), Claim(EVIL, EVIL, "holds"), Text(f"`{EVIL}`")])
    read = Reader(html)
    assert "script" not in {tag for tag, _ in read.tags}
    assert sum(text == EVIL for _, text in read.texts) == 13
    assert [img["alt"] for img in read.all("img")] == [EVIL]
    assert all(set(attributes) <= {"alt", "src", "width", "height"} for attributes in read.all("img"))


def test_nothing_is_fetched_and_no_script_runs():
    html = page("t", [Heading(c) for c in "abc"] + [Picture(photograph(20, 20), "p"), Table(["a"], [[1]], "c")])
    read = Reader(html)
    links = [value for _, attributes in read.tags for key, value in attributes.items() if key in ("src", "href")]
    assert links
    assert all(link.startswith(("data:image/", "#part-")) for link in links)
    assert not re.search(r"url\(|@import|https?:", html)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in read.tags}
    policy = next(m["content"] for m in read.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_sections_stand_in_their_order_and_long_pages_have_contents():
    read = Reader(page("t", [Heading("one"), Text("1"), Heading("two"), Text("2")]))
    assert [text for _, text in read.texts if text.strip() and text in ("one", "1", "two", "2")] == [
        "one",
        "1",
        "two",
        "2",
    ]
    assert not read.all("nav")
    read = Reader(page("t", [Heading("same"), Heading("same"), Heading("other")]))
    assert [a["href"] for a in read.all("a")] == [f"#{h['id']}" for h in read.all("h2")]
    assert len({h["id"] for h in read.all("h2")}) == 3
    assert read.text_of("a") == read.text_of("h2") == ["same", "same", "other"]


def test_an_empty_line_begins_a_paragraph_and_backticks_are_code():
    read = Reader(page("t", [Text("one\nline\n\n  \n two `a < b` end\n")]))
    assert [t for t in read.text_of("p") if t.strip()] == ["one\nline", "two ", " end"]
    assert read.text_of("code") == ["a < b"]


def test_pictures_are_exact_and_have_size_and_text():
    image = photograph(60, 30)
    (tag,) = Reader(page("t", [Picture(image, "a  caption\nof `two` lines")])).all("img")
    assert (tag["width"], tag["height"], tag["alt"]) == ("60", "30", "a caption of `two` lines")
    head, found = shown(tag["src"])
    assert head == "data:image/webp;base64"
    assert ImageChops.difference(found.convert("RGB"), image).getbbox() is None


def test_a_large_picture_is_compressed_and_stays_near():
    smooth = photograph(40, 40).resize((1200, 1200), Image.Resampling.BICUBIC)
    grain = np.random.default_rng(1).integers(-4, 5, (1200, 1200, 3))
    image = Image.fromarray((np.asarray(smooth) + grain).clip(0, 255).astype(np.uint8))
    (tag,) = Reader(page("t", [Picture(image, "c")])).all("img")
    assert len(tag["src"]) < 700_000
    error = np.asarray(shown(tag["src"])[1].convert("RGB")).astype(float) - np.asarray(image)
    assert 0 < (error**2).mean() < 25


def test_a_picture_too_long_for_webp_is_png():
    (tag,) = Reader(page("t", [Picture(Image.new("L", (17000, 2), 7), "c")])).all("img")
    head, found = shown(tag["src"])
    assert (head, found.size) == ("data:image/png;base64", (17000, 2))


@pytest.mark.parametrize("mode", ["P", "LA", "1", "CMYK", "RGBA"])
def test_pictures_of_every_mode(mode):
    image = Image.new("L", (4, 4), 255).convert(mode)
    (tag,) = Reader(page("t", [Picture(image, "c")])).all("img")
    assert shown(tag["src"])[1].convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_only_wide_pictures_can_be_scrolled():
    sections = [Picture(Image.new("RGB", size), "c") for size in ((2600, 400), (1800, 1000), (200, 50))]
    read = Reader(page("t", sections))
    assert [d.get("class") for d in read.all("div")] == ["scroll wide"]
    assert read.all("div")[0] | {"tabindex": "0", "role": "region", "aria-label": "c"} == read.all("div")[0]


def test_values_of_a_table():
    row = ["conv1_1", 3, 0.123456, Interval(1.2345, 1.1, 1.36, 8), True, None, float("nan"), torch.tensor(2.0), "t"]
    read = Reader(page("t", [Table([f"c{i}" for i in range(9)], [row], "caption")]))
    assert read.text_of("th")[9:] + read.text_of("td") == [
        "conv1_1", "3", "0.123", "1.23 [1.10, 1.36]", "yes", "–", "–", "2.00", "t",
    ]  # fmt: skip
    assert read.text_of("caption") == ["caption"]
    assert [th.get("scope") for th in read.all("th")] == ["col"] * 9 + ["row"]


def test_columns_of_numbers_stand_at_the_right():
    rows = [["a", 1, 0.5, "x", True, None], ["b", None, Interval(1, 0, 2, 8), 1.0, False, None]]
    read = Reader(page("t", [Table(list("abcdef"), rows, "c")]))
    heads = ["number" if th.get("class") == "number" else "" for th in read.all("th")[:6]]
    assert heads == ["", "number", "number", "", "", ""]
    cells = [td.get("class") for td in read.all("td")]
    assert cells == ["number", "number", None, None, None] * 2


def test_a_table_without_rows():
    assert Reader(page("t", [Table(["a", "b"], [], "nothing yet")])).text_of("th") == ["a", "b"]


@pytest.mark.parametrize(
    ("verdict", "kind", "sign"), [("holds", "yes", "✓"), ("does not hold", "no", "✗"), ("not decided", "open", "?")]
)
def test_a_claim_says_its_verdict_in_a_word_a_sign_and_a_color(verdict, kind, sign):
    html = page("t", [Claim("relu is brighter.", "It is by 0.02 [0.01, 0.03].", verdict)])
    read = Reader(html)
    assert read.text_of("dt") == ["Reported earlier:", "Measured here:", "Verdict:"]
    assert [t.strip() for t in read.text_of("dd")] == ["relu is brighter.", "It is by 0.02 [0.01, 0.03].", verdict]
    assert read.text_of("span") == [sign]
    assert [s["class"] for s in read.all("section")] == [f"claim {kind}"]
    assert f".{kind} .verdict {{ color:" in html


def test_bad_input_is_named():
    with pytest.raises(InputError, match="a row of 1 values for 2 columns"):
        Table(["a", "b"], [[1, 2], [1]], "c")
    with pytest.raises(InputError, match="for 0 columns"):
        Table([], [[]], "c")
    with pytest.raises(InputError, match="verdict 'maybe'"):
        Claim("a", "b", "maybe")
