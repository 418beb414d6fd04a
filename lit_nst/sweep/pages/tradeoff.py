"""What a sweep over weights and steps says of earlier reports."""

import math
from collections import Counter
from collections.abc import Sequence

from lit_nst.report import Claim, Interval, bootstrap_mean, trend
from lit_nst.report.page import Verdict
from lit_nst.sweep.pages.parts import Part, ratio, verdict
from lit_nst.sweep.pages.weights import ByWeight

# What the report gave to plain inversion.
PLAIN = 0.001
# A change of the judged distance by less than a twentieth is none.
MATTERS = 0.95
REALISM = {
    "latent_distance": "distance from the mean latent",
    "generator_distance": "distance from its samples' features",
}


def claims(table: ByWeight) -> list[Part]:
    """One claim of the report after the other."""
    found: list[Part] = [*(_nearer(table, figure) for figure in REALISM if table.has(figure)), _costs(table)]
    if not table.judged:
        return found
    found += [_right_weight(table), *_steps(table)]
    if table.degraded and PLAIN in table.weights[:-1]:
        found.append(_larger(table))
    return found


def fidelity(table: ByWeight) -> tuple[str, str]:
    """The figure that says how well a result fits what was given, and its name."""
    if table.degraded:
        return "consistency_psnr", "PSNR of the measurement"
    return "psnr", "PSNR"


def _nearer(table: ByWeight, figure: str) -> Claim:
    fall = _trend(table, figure)
    first, last = (table.mean(weight, table.last, figure) for weight in (table.weights[0], table.weights[-1]))
    return Claim(
        f"A larger weight brings the result nearer to the generator's own pictures ({REALISM[figure]}).",
        f"From {first} at {table.weights[0]:g} to {last} at {table.weights[-1]:g}, where a typical picture of the "
        f"generator has 1; rank correlation with the weight {fall}. Rule: it holds if its interval lies below 0.",
        verdict(fall.side(), -1),
    )


def _costs(table: ByWeight) -> Claim:
    figure, name = fidelity(table)
    fall = _trend(table, figure)
    first, last = (table.mean(weight, table.last, figure) for weight in (table.weights[0], table.weights[-1]))
    return Claim(
        "A larger weight costs fidelity to what was given.",
        f"{name} from {first} to {last} dB; rank correlation with the weight {fall}. Rule: it holds if its interval "
        "lies below 0.",
        verdict(fall.side(), -1),
    )


def _right_weight(table: ByWeight) -> Claim:
    others = [weight for weight in table.weights if weight != table.weight]
    found = {f"weight {weight:g}": _relative(table, (weight, table.last)) for weight in others}
    return Claim(
        f"A weight of {table.weight:g} is the right one.",
        f"Judged distance to the truth as a multiple of that at {table.weight:g}: {_listed(found)}. Rule: it holds if "
        f"no other weight's interval reaches below {MATTERS}; it does not if one lies below it.",
        _none_below(list(found.values())),
    )


def _steps(table: ByWeight) -> list[Part]:
    later = [steps for steps in table.steps if steps > table.last]
    before = [steps for steps in table.steps if steps < table.last]
    found: list[Part] = []
    if before:
        share = _relative(table, (table.weight, table.last), (table.weight, before[-1]))
        found.append(
            Claim(
                f"{before[-1]} steps are not enough.",
                f"Judged distance to the truth after {table.last} steps as a multiple of that after {before[-1]}: "
                f"{share}. Rule: it holds if the interval lies below {MATTERS}, and does not if it lies above.",
                verdict(share.side(MATTERS), -1),
            )
        )
    if later:
        shares = {f"{steps} steps": _relative(table, (table.weight, steps)) for steps in later}
        found.append(
            Claim(
                f"More than {table.last} steps do not help.",
                f"Judged distance to the truth as a multiple of that after {table.last} steps: {_listed(shares)}. "
                f"Rule: it holds if every interval lies above {MATTERS}, and does not if one lies below.",
                _none_below(list(shares.values())),
            )
        )
    return found


def _larger(table: ByWeight) -> Claim:
    """One number per picture, so that choosing the best of several is no advantage."""
    lines = [[math.inf if math.isnan(x) else x for x in line] for line in table.per_picture(table.judged)]
    best = [line.index(min(line)) for line in lines]
    above = bootstrap_mean([float(index - table.weights.index(PLAIN)) for index in best])
    counts = Counter(best)
    words = ", ".join(f"{table.weights[index]:g} for {counts[index]}" for index in sorted(counts))
    return Claim(
        f"Restoration wants a larger weight than the {PLAIN:g} of plain inversion.",
        f"Best weight by judged distance to the truth, and for how many of the {len(best)} pictures: {words}. Places "
        f"above {PLAIN:g} in the list of weights: {above}. Rule: it holds if the interval lies above 0.",
        verdict(above.side(), 1),
    )


def _trend(table: ByWeight, figure: str) -> Interval:
    """Rank correlation with the weight, one per picture, since the weights of one are not independent."""
    return bootstrap_mean([trend(table.weights, line, 99).correlation for line in table.per_picture(figure)])


def _relative(table: ByWeight, setting: tuple[float, int], to: tuple[float, int] | None = None) -> Interval:
    """Judged distance of a setting over that of another one; None: the main one."""
    own, other = (table.values(*at, table.judged) for at in (setting, to or (table.weight, table.last)))
    return ratio(own, other)


def _none_below(intervals: Sequence[Interval]) -> Verdict:
    sides = [interval.side(MATTERS) for interval in intervals]
    return verdict(min(sides), 1) if min(sides) else "not decided"


def _listed(found: dict[str, Interval]) -> str:
    return "; ".join(f"{name}: {interval}" for name, interval in found.items())
