"""Feature inversion over depth, before and after the ReLU."""

import math
from collections.abc import Sequence
from statistics import median

import torch
from torch import Tensor

from lit_nst.report import (
    Claim,
    Heading,
    Interval,
    Table,
    Text,
    bootstrap_mean,
    collage,
    curve,
    paired_difference,
    trend,
)
from lit_nst.sweep.pages.depth import KINDS, ByDepth, check_layers
from lit_nst.sweep.pages.parts import Drawn, Part, about_intervals, between, ratio, verdict
from lit_nst.sweep.plan import Plan
from lit_nst.sweep.records import Row

KEY = "model.target.layers"
SHOWN = 4


def check(plan: Plan) -> None:
    """Refuses a plan without single layers of both kinds."""
    check_layers(plan, KEY)


def parts(plan: Plan, rows: Sequence[Row]) -> list[Part]:
    """Verdicts, collages, curves, tables."""
    table = ByDepth(rows, KEY)
    return [
        Text(
            "Each picture was found from noise so that one layer of the network answers to it as to the target. What "
            "is lost of the target is what that layer does not see. `conv` is the map before its ReLU, `relu` the one "
            "after it."
        ),
        about_intervals(rows),
        Heading("Verdicts"),
        *_content(table),
        *_losses(table),
        _brighter(table),
        Heading("Reconstructions"),
        *_collages(table),
        Heading("Over depth"),
        *_curves(table),
        Heading("Which is brighter"),
        _brightness_table(table),
    ]


def _content(table: ByDepth) -> list[Part]:
    first, last = table.depths[0], table.depths[-1]
    falls, words = [], []
    for kind in KINDS:
        # One number per picture, since its depths are not independent.
        rho = [trend(table.depths, line, 99).correlation for line in table.per_picture(kind, "psnr")]
        falls.append(bootstrap_mean(rho))
        ends = [table.mean(kind, depth, "psnr") for depth in (first, last)]
        words.append(f"{kind}: PSNR from {ends[0]} to {ends[1]} dB, rank correlation with depth {falls[-1]}")
    sides = [fall.side() for fall in falls]
    recognised = {kind: [_recognised(table, kind, depth) for depth in (first, last)] for kind in KINDS}
    chance = 1 / len(table.units)
    left = [recognised[kind][1].side(chance) for kind in KINDS]
    seen = "; ".join(
        f"{kind}: {a.mean:.0%} at the first, {b.mean:.0%} [{b.low:.0%}, {b.high:.0%}] at the last depth"
        for kind, (a, b) in recognised.items()
    )
    return [
        Claim(
            "Content fades with depth.",
            f"{'; '.join(words)}. Rule: it holds if the rank correlation of PSNR with depth is below 0 for both kinds.",
            verdict(sides[0] if sides[0] == sides[1] else 0, -1),
        ),
        Claim(
            "Content vanishes with depth.",
            f"How often a reconstruction is more like its own target than like the others (correlation of the pixels; "
            f"chance is {chance:.0%}): {seen}. Rule: it does not hold if that is above chance at the last depth for "
            "both kinds; it holds if it is below one half and not above chance for both.",
            "does not hold"
            if min(left) > 0
            else "holds"
            if max(left) == 0 and all(recognised[kind][1].side(0.5) < 0 for kind in KINDS)
            else "not decided",
        ),
    ]


def _losses(table: ByDepth) -> list[Part]:
    found = []
    for figure, name in (("normalised_target", "divided by the target's energy"), ("raw_target", "as it is")):
        # The median, since where a loss is next to nothing its ratio is that of what was left at the last step.
        own, other = (table.per_picture(kind, figure) for kind in ("relu", "conv"))
        shares = [_median_ratio(*pair) for pair in zip(own, other, strict=True)]
        share = ratio(shares, [1.0] * len(shares))
        below = sum(ratio(*(table.values(k, d, figure) for k in ("relu", "conv"))).side(1.0) < 0 for d in table.depths)
        above = sum(ratio(*(table.values(k, d, figure) for k in ("relu", "conv"))).side(1.0) > 0 for d in table.depths)
        found.append(
            Claim(
                f"The loss of relu is slightly below that of conv ({name}).",
                f"relu / conv = {share} (median over depths); below 1 at {below} of {len(table.depths)} "
                f"depths, above 1 at {above}. Rule: it holds if the interval of the ratio lies between 0.5 and 1.",
                verdict(between(share, 0.5, 1.0), 1),
            )
        )
    note = (
        "The raw loss of relu is lower at one and the same picture already, since a ReLU brings no two maps further "
        "apart; the ratio by energy takes the smaller size of its maps into account."
    )
    return [*found, Text(note)]


def _brighter(table: ByDepth) -> Claim:
    means = {k: [sum(x) / len(x) for x in table.per_picture(k, "brightness_gain")] for k in KINDS}
    gains = {kind: bootstrap_mean(values) for kind, values in means.items()}
    difference = paired_difference(means["relu"], means["conv"])
    return Claim(
        "Reconstructions from relu are brighter.",
        f"Mean brightness minus that of the target, over all depths: conv {gains['conv']}, relu {gains['relu']}; "
        f"relu − conv = {difference}, of a range of 1. Rule: it holds if the interval of the difference lies above 0.",
        verdict(difference.side(), 1),
    )


def _collages(table: ByDepth) -> list[Part]:
    drawn: list[Part] = []
    for row in table.units[:SHOWN]:
        lines = [[row.reference("target")] * len(table.depths)]
        for kind in KINDS:
            chosen = [table.shown(kind, depth, row.unit) for depth in table.depths]
            lines.append([None if one is None else one.picture for one in chosen])
        name = row.images["target"]
        image = collage(lines, ["target", *KINDS], list(table.ticks.values()))
        drawn.append(Drawn(f"collage_{name}", image, f"Picture {name}: the target, and what each layer gives of it."))
    return drawn


def _curves(table: ByDepth) -> list[Part]:
    wanted = (
        ("loss_normalised", "normalised_target", "loss / energy of the target", "Loss over depth, by energy", True),
        ("loss_raw", "raw_target", "mean squared difference of the maps", "Loss over depth, as it is", True),
        ("psnr", "psnr", "PSNR in dB", "Likeness to the target over depth", False),
        ("brightness", "brightness_gain", "brightness minus the target's", "Brightness over depth", False),
    )
    drawn: list[Part] = [
        Drawn(name, curve(table.curves(figure), "layer", label, title, log, table.ticks), f"{title}; conv and relu.")
        for name, figure, label, title, log in wanted
    ]
    ratios = [ratio(*(table.values(kind, d, "normalised_target") for kind in ("relu", "conv"))) for d in table.depths]
    lines = [
        [
            table.ticks[d],
            *(table.mean(kind, d, figure) for figure in ("normalised_target", "psnr") for kind in KINDS),
            r,
        ]
        for d, r in zip(table.depths, ratios, strict=True)
    ]
    heads = ["layer", "loss conv", "loss relu", "PSNR conv", "PSNR relu", "loss relu / conv"]
    return [*drawn, Table(heads, lines, "Loss by the target's energy, and PSNR in dB.")]


def _brightness_table(table: ByDepth) -> Table:
    lines = []
    for depth in table.depths:
        conv, relu = (table.values(kind, depth, "brightness_gain") for kind in KINDS)
        difference = paired_difference(relu, conv)
        which = {1: "relu", -1: "conv", 0: "not decided"}[difference.side()]
        lines.append([table.ticks[depth], bootstrap_mean(conv), bootstrap_mean(relu), difference, which])
    heads = ["layer", "conv − target", "relu − target", "relu − conv", "brighter"]
    return Table(heads, lines, "Mean brightness, from 0 (black) to 1 (white), paired by picture.")


def _recognised(table: ByDepth, kind: str, depth: int) -> Interval:
    """Share of the reconstructions that are most like their own target."""
    chosen = [(row, table.shown(kind, depth, row.unit)) for row in table.units]
    targets = [row.reference("target") for row, _ in chosen]
    hits = []
    for i, (_, row) in enumerate(chosen):
        if row is None:
            continue
        likeness = [-math.inf if target is None else _correlation(row.picture, target) for target in targets]
        hits.append(float(likeness.index(max(likeness)) == i))
    return bootstrap_mean(hits)


def _correlation(a: Tensor, b: Tensor) -> float:
    x, y = (image - image.mean((1, 2), keepdim=True) for image in (a, b))
    return float((x * y).sum() / (torch.linalg.vector_norm(x) * torch.linalg.vector_norm(y)).clamp_min(1e-12))


def _median_ratio(a: Sequence[float], b: Sequence[float]) -> float:
    """Median of aᵢ/bᵢ; NaN where one is not above 0, as that of a failed run."""
    return median(x / y for x, y in zip(a, b, strict=True)) if all(x > 0 for x in (*a, *b)) else math.nan
