"""What a sweep over arms says of known claims about guidance."""

from lit_nst.report import Claim, Text, bootstrap_mean, paired_difference
from lit_nst.report.page import Verdict
from lit_nst.sweep.pages.guidance_judges import COLOUR, MOVED, STYLE, TEXTURE
from lit_nst.sweep.pages.guidance_rows import ALL, GUIDED, KEEPS, PROMPT, TEXT, ByArm, Setting
from lit_nst.sweep.pages.parts import Part, ratio, verdict


def claims(table: ByArm) -> list[Part]:
    """One claim after the other; one whose arms are not there is left out with a word."""
    found: list[Part] = []
    if PROMPT in table.arms():
        found.append(_wordless(table))
    else:
        found.append(Text(f"Without arm {PROMPT} it is not known what the words alone would have done."))
    found.append(_colour(table))
    if ALL in table.arms():
        found += _free(table)
    return found


def _wordless(table: ByArm) -> Claim:
    chosen, words = table.main(GUIDED), (PROMPT, table.weights(PROMPT)[0])
    gain = paired_difference(*table.pair(words, chosen, STYLE))
    means = ", ".join(
        f"{name} {table.mean(setting, STYLE)}"
        for name, setting in (("plain", table.plain), ("prompt alone", words), ("guided", chosen))
    )
    told = "How much of the text is kept is not known."
    side = 0
    if table.has(TEXT):
        kept = table.kept(chosen)
        side = 1 if kept.mean >= KEEPS else -1 if kept.side(KEEPS) < 0 else 0
        told = f"Text adherence, as a share of the plain pictures': guided {kept}, prompt alone {table.kept(words)}."
    return Claim(
        "Guidance transfers a style that the model has no word for.",
        f"Judged style distance, as it is: {means}; prompt alone − guided = {gain}, at {_weight(table, chosen)}. "
        f"{told} Rule: it holds if the interval of the difference lies above 0 and at least {KEEPS:.0%} of the text "
        "adherence is kept; it does not if the former lies below 0, or the interval of the latter below its bound.",
        _both(gain.side(), side),
    )


def _both(style: int, text: int) -> Verdict:
    """Holds if both do, and does not if one does not."""
    return verdict(-1 if -1 in (style, text) else min(style, text), 1)


def _weight(table: ByArm, chosen: Setting) -> str:
    if len(table.weights(chosen[0])) == 1:
        return f"weight {chosen[1]:g}"
    if not table.has(TEXT):
        return f"weight {chosen[1]:g}, the middle one"
    if table.kept(chosen).mean < KEEPS:
        return f"weight {chosen[1]:g}, the smallest, as none keeps {KEEPS:.0%} of the text"
    return f"weight {chosen[1]:g}, the largest that keeps {KEEPS:.0%} of the text (chosen by the text alone)"


def _colour(table: ByArm) -> Claim:
    chosen = table.main(GUIDED)
    (own_c, plain_c), (own_t, plain_t) = (table.pair(chosen, table.plain, figure) for figure in (COLOUR, TEXTURE))
    colour, texture = ratio(own_c, plain_c), ratio(own_t, plain_t)
    relative = ratio(
        [a * d for a, d in zip(own_c, plain_t, strict=True)], [b * c for b, c in zip(plain_c, own_t, strict=True)]
    )
    return Claim(
        "The likeness is more in colour than in texture.",
        f"Distances guided / plain, at {_weight(table, chosen)}: colour {colour}, texture with the colours taken out "
        f"{texture}; colour / texture = {relative}. Rule: it holds if the last interval lies below 1 and that of the "
        "colour too; it does not if the last one lies above 1.",
        _both(-relative.side(1.0), -min(colour.side(1.0), 0)),
    )


def _free(table: ByArm) -> list[Part]:
    weights = [weight for weight in table.weights(GUIDED) if weight in table.weights(ALL)]
    # Those of one run have the same prompts and noises.
    weights = [w for w in weights if len(_pair(table, w, STYLE)[0]) == len(_pair(table, weights[0], STYLE)[0])]
    if not weights:
        return [Text(f"{GUIDED} and {ALL} have no weight in common: what the free steps do is not known.")]
    named = ", ".join(f"{weight:g}" for weight in weights)
    style = ratio(*_over(table, weights, STYLE))
    cost = (
        f"Judged style distance with / without = {style}: below 1 the free steps cost no likeness, above 1 they do, "
        "and the curve of style against text shows whether a smaller weight without them would have done as well."
    )
    moved = paired_difference(*_over(table, weights, MOVED))
    found: list[Part] = [
        Claim(
            "Free first steps keep more of the plain picture.",
            f"Perceptual distance to the plain picture of the same noise, with − without free steps = {moved}, over "
            f"the weights {named}. {cost} Rule: it holds if the interval of the difference lies below 0.",
            verdict(moved.side(), -1),
        )
    ]
    if table.has(TEXT):
        with_free, without = _over(table, weights, TEXT)
        gain = paired_difference(with_free, without)
        found.append(
            Claim(
                "Free first steps keep more of the text.",
                f"Text adherence with free steps {bootstrap_mean(with_free)}, without {bootstrap_mean(without)}, "
                f"with − without = {gain}, over the weights {named}. Rule: it holds if the interval of the difference "
                "lies above 0.",
                verdict(gain.side(), 1),
            )
        )
    return found


def _over(table: ByArm, weights: list[float], figure: str) -> tuple[list[float], list[float]]:
    """A figure with and without free steps, mean over weights."""
    pairs = [_pair(table, weight, figure) for weight in weights]
    columns = [list(zip(*(pair[i] for pair in pairs), strict=True)) for i in (0, 1)]
    with_free, without = ([sum(values) / len(values) for values in column] for column in columns)
    return with_free, without


def _pair(table: ByArm, weight: float, figure: str) -> tuple[list[float], list[float]]:
    return table.pair((GUIDED, weight), (ALL, weight), figure)
