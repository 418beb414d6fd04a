"""Textures from single layers, before and after the ReLU."""

from collections.abc import Sequence

import torch

from lit_nst.functional.random import generator
from lit_nst.report import Claim, Heading, Table, Text, collage, curve, paired_difference
from lit_nst.sweep.pages.depth import KINDS, ByDepth, check_layers
from lit_nst.sweep.pages.parts import Drawn, Part, about_intervals, ratio, verdict
from lit_nst.sweep.plan import Plan
from lit_nst.sweep.records import Row

KEY = "model.style.layers"
SHOWN = 4
NEAR_FIFTH = (4, 5, 6)
NOISY = 1.5
RESAMPLES = 2000


def check(plan: Plan) -> None:
    """Refuses a plan without single layers of both kinds."""
    check_layers(plan, KEY)


def parts(plan: Plan, rows: Sequence[Row]) -> list[Part]:
    """Verdicts, collages, curves, tables."""
    table = ByDepth(rows, KEY)
    return [
        Text(
            "Each texture was found from noise so that the statistics of one layer are those of the style. `conv` is "
            "the map before its ReLU, `relu` the one after it. The judge, a network of random weights that guides no "
            "run, compares the Gram matrices of three of its layers: 0 is equal, 1 is the distance of a black picture."
        ),
        about_intervals(rows),
        Heading("Verdicts"),
        *(_best(table, kind) for kind in KINDS),
        _noise(table),
        Heading("Textures"),
        *_collages(table),
        Heading("Over depth"),
        *_curves(table),
    ]


def _best(table: ByDepth, kind: str) -> Claim:
    """Whether one layer is best, by how often it is when other styles are drawn."""
    values = torch.tensor(table.per_picture(kind, "style_distance"), dtype=torch.float64).log()
    best = table.depths[int(values.mean(0).argmin())]
    random = generator(0, "bootstrap", kind)
    drawn = torch.randint(len(values), (RESAMPLES, len(values)), generator=random)
    winners = torch.tensor(table.depths)[values[drawn].mean(1).argmin(1)]
    near = float(sum((winners == depth).double().mean() for depth in NEAR_FIFTH))
    top = float((winners == best).double().mean())
    enough = len(values) >= 6 and bool(values.isfinite().all())
    side = 0 if not enough else 1 if near >= 0.95 else -1 if near <= 0.05 else 0
    return Claim(
        f"Of {kind}, one layer near the fifth makes the best textures.",
        f"The lowest judged style distance is at {kind}{table.ticks[best]} (depth {best}), geometric mean "
        f"{float(values.mean(0).min().exp()):.3g}; of {RESAMPLES} bootstrap samples of the styles it is the best in "
        f"{top:.0%}, and a layer of depth 4, 5 or 6 is in {near:.0%}. Rule: it holds if the latter is at least 95 %, "
        "and does not if it is at most 5 %.",
        verdict(side, 1),
    )


def _noise(table: ByDepth) -> Claim:
    onsets = {kind: _onsets(table, kind) for kind in KINDS}
    difference = paired_difference(onsets["relu"], onsets["conv"])
    shares = {kind: [sum(x) / len(x) for x in table.per_picture(kind, "high_frequency_share")] for kind in KINDS}
    none = table.depths[-1] + 1
    words = ", ".join(f"{kind} {_words(values, none)}" for kind, values in onsets.items())
    return Claim(
        "Textures from relu get noisy earlier.",
        f"Depth from which the share of high frequencies stays above {NOISY} times that of the style, mean over "
        f"styles: {words}; relu − conv = {difference} layers. Mean share over all depths, relu / conv = "
        f"{ratio(shares['relu'], shares['conv'])}. Rule: it holds if the interval of the difference in depth lies "
        "below 0.",
        verdict(difference.side(), -1),
    )


def _words(values: Sequence[float], none: int) -> str:
    never = sum(value == none for value in values)
    mean = f"{sum(values) / len(values):.1f}"
    return f"{mean} ({never} of {len(values)} never, counted as {none})" if never else mean


def _onsets(table: ByDepth, kind: str) -> list[float]:
    """Per style the depth from which on its textures are noisy; one beyond the last where they never are."""
    own, gain = (table.per_picture(kind, figure) for figure in ("high_frequency_share", "high_frequency_gain"))
    found = []
    for shares, gains in zip(own, gain, strict=True):
        onset = table.depths[-1] + 1
        for depth, share, more in reversed(list(zip(table.depths, shares, gains, strict=True))):
            if not share > NOISY * (share - more):
                break
            onset = depth
        found.append(float(onset))
    return found


def _collages(table: ByDepth) -> list[Part]:
    drawn: list[Part] = []
    for row in table.units[:SHOWN]:
        style = row.reference("style")
        lines, notes = [], []
        for kind in KINDS:
            chosen = [table.shown(kind, depth, row.unit) for depth in table.depths]
            judged = [None if one is None else one.figures.get("style_distance") for one in chosen]
            lines.append([style, *(None if one is None else one.picture for one in chosen)])
            notes.append([None, *(None if figure is None else f"{figure:.2g}" for figure in judged)])
        heads = ["style", *table.ticks.values()]
        image = collage(lines, list(KINDS), heads, corner_notes=notes)
        name = row.images["style"]
        drawn.append(Drawn(f"collage_{name}", image, f"Style {name}; in the corner the judged style distance."))
    return drawn


def _curves(table: ByDepth) -> list[Part]:
    wanted = (
        ("style_distance", "judged style distance", "Style distance over depth", True),
        ("high_frequency_share", "share of high frequencies", "High frequencies over depth", False),
        ("high_frequency_gain", "share of high frequencies minus the style's", "Noise over depth", False),
    )
    drawn: list[Part] = [
        Drawn(figure, curve(table.curves(figure), "layer", label, title, log, table.ticks), f"{title}; conv and relu.")
        for figure, label, title, log in wanted
    ]
    lines = [
        [
            table.ticks[depth],
            *(
                table.mean(kind, depth, figure)
                for figure in ("style_distance", "high_frequency_gain")
                for kind in KINDS
            ),
            ratio(*(table.values(kind, depth, "style_distance") for kind in ("relu", "conv"))),
        ]
        for depth in table.depths
    ]
    heads = ["layer", "style conv", "style relu", "noise conv", "noise relu", "style relu / conv"]
    return [
        *drawn,
        Table(heads, lines, "Judged style distance, and share of high frequencies minus that of the style."),
    ]
