"""One HTML file that needs nothing but itself."""

import base64
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal, get_args

from PIL import Image
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.report.interval import NONE, Interval, figure
from lit_nst.report.stylesheet import STYLE

Verdict = Literal["holds", "does not hold", "not decided"]

# A sign and a word beside the color, for those who do not see it.
_SIGNS: dict[str, tuple[str, str]] = {
    "holds": ("yes", "✓"),
    "does not hold": ("no", "✗"),
    "not decided": ("open", "?"),
}
WIDE = 1000
LOSSLESS_BYTES = 1_000_000
WEBP_SIDE = 16383


@dataclass(frozen=True)
class Heading:
    """The title of a part; pages with several have a list of contents.

    Args:
        text: One line.
    """

    text: str


@dataclass(frozen=True)
class Text:
    """Paragraphs.

    Args:
        text: Plain text; an empty line begins a paragraph, ``code`` stands between backticks.
    """

    text: str


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture with a line under it.

    Args:
        image: Of any size; one wider than the page is shown reduced, on a phone in a frame to scroll.
        caption: What is seen; it is the alternative text too.
    """

    image: Image.Image
    caption: str


@dataclass(frozen=True)
class Table:
    """Figures in rows.

    Args:
        columns: Headings.
        rows: One value per column: text, integer, float (three significant digits), ``Interval``
            ("1.23 [1.10, 1.36]"), tensor of one element, truth value, None (–). The first one names the row.
        caption: What the table shows.

    Raises:
        InputError: No column, or a row of another length.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str

    def __post_init__(self) -> None:
        for row in self.rows:
            if not self.columns or len(row) != len(self.columns):
                raise InputError(
                    f"Table {self.caption!r}: a row of {len(row)} values for {len(self.columns)} columns; give one each"
                )


@dataclass(frozen=True)
class Claim:
    """What was reported, what is measured, and whether they agree.

    Args:
        text: The claim of an earlier report.
        measured: The figures found here, with their intervals, in plain words.
        verdict: ``"holds"``, ``"does not hold"`` or ``"not decided"``.

    Raises:
        InputError: Another verdict.
    """

    text: str
    measured: str
    verdict: Verdict

    def __post_init__(self) -> None:
        if self.verdict not in _SIGNS:
            raise InputError(f"Claim: verdict {self.verdict!r}; give one of {get_args(Verdict)}")


Section = Heading | Text | Picture | Table | Claim


def page(title: str, sections: Sequence[Section]) -> str:
    """A self-contained HTML page: style and pictures inside, no script, no request to any network.

    Pictures are exact (lossless WebP, which takes half the bytes of PNG), since noise is judged by them;
    one that would be over a million bytes is WebP of quality 90, one longer than WebP allows is PNG. All
    text is escaped. The page suits phone, screen and paper, a light and a dark scheme.

    Args:
        title: Heading of the page and title of its window.
        sections: Parts in their order.

    Returns:
        The file's text; write it as UTF-8.

    >>> page("Sweep", [Text("a < b")]).count("a &lt; b")
    1
    """
    headings = [section for section in sections if isinstance(section, Heading)]
    numbers = {id(heading): i for i, heading in enumerate(headings, 1)}
    body = [_html(section, numbers.get(id(section), 0)) for section in sections]
    contents = _contents(headings) if len(headings) > 2 else ""
    return "\n".join(
        (
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            # Whatever a text might smuggle in, the browser runs no script and fetches nothing.
            '<meta http-equiv="Content-Security-Policy" '
            "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">",
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            "</head>",
            "<body>",
            "<main>",
            f"<h1>{escape(title)}</h1>",
            *([contents] if contents else []),
            *body,
            "</main>",
            "</body>",
            "</html>",
            "",
        )
    )


def _contents(headings: Sequence[Heading]) -> str:
    lines = (f'<li><a href="#part-{i}">{escape(heading.text)}</a></li>' for i, heading in enumerate(headings, 1))
    return f'<nav aria-label="Contents"><ul>{"".join(lines)}</ul></nav>'


def _html(section: Section, number: int) -> str:
    match section:
        case Heading():
            return f'<h2 id="part-{number}">{escape(section.text)}</h2>'
        case Text():
            return _paragraphs(section.text)
        case Picture():
            return _figure(section)
        case Table():
            return _table(section)
        case Claim():
            return _claim(section)


def _inline(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _paragraphs(text: str) -> str:
    parts = (part.strip() for part in re.split(r"\n\s*\n", text))
    return "\n".join(f"<p>{_inline(part)}</p>" for part in parts if part)


def _figure(section: Picture) -> str:
    image, caption = section.image, escape(" ".join(section.caption.split()))
    tag = f'<img src="{_data_uri(image)}" width="{image.width}" height="{image.height}" alt="{caption}">'
    if image.width > WIDE and image.width > 2 * image.height:
        tag = f'<div class="scroll wide" tabindex="0" role="region" aria-label="{caption}">{tag}</div>'
    return f"<figure>{tag}<figcaption>{_inline(section.caption)}</figcaption></figure>"


def _data_uri(image: Image.Image) -> str:
    plain = image if image.mode in ("RGB", "RGBA", "L") else image.convert("RGB")
    if max(plain.size) > WEBP_SIDE:
        kind, data = "png", _encoded(plain, "PNG", {"optimize": True})
    else:
        kind, data = "webp", _encoded(plain, "WEBP", {"lossless": True, "method": 2})
        if len(data) > LOSSLESS_BYTES:
            data = min(data, _encoded(plain, "WEBP", {"quality": 90}), key=len)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _encoded(image: Image.Image, form: str, options: Mapping[str, object]) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def _table(section: Table) -> str:
    caption = escape(section.caption)
    right = [_is_numeric([row[i] for row in section.rows]) for i in range(len(section.columns))]
    sides = [' class="number"' if numeric else "" for numeric in right]
    head = "".join(f'<th scope="col"{s}>{escape(c)}</th>' for c, s in zip(section.columns, sides, strict=True))
    lines = []
    for row in section.rows:
        tags = ['th scope="row"'] + ["td"] * (len(row) - 1)
        cells = (
            f"<{tag}{side}>{_inline(_value(value))}</{tag[:2]}>"
            for tag, side, value in zip(tags, sides, row, strict=True)
        )
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{caption}"><table>'
        f"<caption>{_inline(section.caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _is_numeric(values: Sequence[object]) -> bool:
    """Whether a column has numbers and nothing else; what is missing does not count."""
    known = [value for value in values if value is not None]
    kinds = int | float | Interval | Tensor
    return bool(known) and all(isinstance(value, kinds) and not isinstance(value, bool) for value in known)


def _value(value: object) -> str:
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    if value is None:
        return NONE
    if isinstance(value, bool):
        return ("no", "yes")[value]
    if isinstance(value, float):
        return figure(value) if math.isfinite(value) else NONE
    return str(value)


def _claim(section: Claim) -> str:
    kind, sign = _SIGNS[section.verdict]
    return (
        f'<section class="claim {kind}"><dl>'
        f"<div><dt>Reported earlier:</dt> <dd>{_inline(section.text)}</dd></div>"
        f"<div><dt>Measured here:</dt> <dd>{_inline(section.measured)}</dd></div>"
        f'<div><dt>Verdict:</dt> <dd class="verdict"><span aria-hidden="true">{sign}</span> '
        f"{section.verdict}</dd></div>"
        "</dl></section>"
    )
