"""Contents × styles × losses."""

from collections.abc import Sequence

from lit_nst.report import Claim, Heading, Interval, Series, Table, Text, bars, bootstrap_mean, collage
from lit_nst.sweep.pages.parts import Drawn, Part, about_intervals, needed, per_unit, ratio, value, verdict
from lit_nst.sweep.plan import Plan
from lit_nst.sweep.records import Row

LOSS = "model.style"
GRAM, MEANS = "GramLoss", "MeanVarLoss"
ALIKE = 1.5


def check(plan: Plan) -> None:
    """Refuses a plan without losses.

    Raises:
        InputError: It is one.
    """
    needed(plan, LOSS)


def parts(plan: Plan, rows: Sequence[Row]) -> list[Part]:
    """A table, then a collage per loss."""
    losses = {name: [row for row in rows if row.labels[LOSS] == name] for name in needed(plan, LOSS).labels}
    claims: list[Part] = [Heading("Verdict"), _alike(losses)] if {GRAM, MEANS} <= set(losses) else []
    return [
        Text(
            "Every content is drawn in every style by every loss. The judge, a network of random weights that guides "
            "no run, compares Gram matrices for the style and features place by place for the content. Lower is "
            "nearer, not prettier. Look at the pictures, too."
        ),
        about_intervals(rows),
        *claims,
        Heading("Losses"),
        *_table(losses),
        Heading("Pictures"),
        *(_collage(name, own) for name, own in losses.items()),
    ]


def _alike(losses: dict[str, list[Row]]) -> Claim:
    far = ratio(*(per_unit(losses[name], "style_distance") for name in (MEANS, GRAM)))
    return Claim(
        "Matching means and variances looks about as good as matching Gram matrices.",
        f"Judged style distance MeanVar / Gram = {far}. Rule: it holds if the interval lies below {ALIKE}, "
        "and does not if it lies above it.",
        verdict(-far.side(ALIKE), 1),
    )


def _table(losses: dict[str, list[Row]]) -> list[Part]:
    figures = {
        name: [bootstrap_mean(per_unit(rows, figure)) for figure in ("style_distance", "content_distance")]
        for name, rows in losses.items()
    }
    lines: list[Sequence[object]] = []
    for name, rows in losses.items():
        against: Interval | None = None
        if GRAM in losses and name != GRAM:
            against = ratio(*(per_unit(own, "style_distance") for own in (rows, losses[GRAM])))
        lines.append([name, *figures[name], against, value(rows[0], "seconds"), 1000 * _seconds_per_step(rows)])
    heads = ["loss", "style distance", "content distance", "style / that of Gram", "seconds", "ms per step"]
    series = [
        Series.of(what, list(figures), [pair[i] for pair in figures.values()])
        for i, what in enumerate(("style", "content"))
    ]
    image = bars(series, "loss", "judged distance", "Judged distances by loss")
    caption = (
        "Judged distances, and the wall time of one run for all rows together: it has no interval, and what else the "
        "machine did counts too."
    )
    table = Table(heads, lines, caption)
    return [table, Drawn("distances", image, "Judged distances to style and content by loss.")]


def _collage(name: str, rows: Sequence[Row]) -> Drawn:
    first: dict[tuple[str, str], Row] = {}
    for row in rows:
        first.setdefault((row.images["content"], row.images["style"]), row)
    contents, styles = (list(dict.fromkeys(pair[i] for pair in first)) for i in (0, 1))
    heads = [next(row for (_, other), row in first.items() if other == style).reference("style") for style in styles]
    lines = [[None, *heads]]
    for content in contents:
        own = [first[content, style] for style in styles]
        lines.append([own[0].reference("content"), *(row.picture for row in own)])
    image = collage(lines, ["style", *contents], ["content", *styles])
    return Drawn(f"collage_{name.replace(' ', '_')}", image, f"{name}: contents down, styles across.")


def _seconds_per_step(rows: Sequence[Row]) -> float:
    return value(rows[0], "seconds") / max(value(rows[0], "steps"), 1.0)
