"""Collages, curves and tables of a guidance sweep."""

import itertools
import math
from collections.abc import Sequence

from PIL import Image
from torch import Tensor

from lit_nst.report import Heading, Interval, Series, Table, Text, bars, collage, curve
from lit_nst.sweep.pages.guidance_judges import COLOUR, HSV, MOVED, SATURATED, STYLE, TEXTURE
from lit_nst.sweep.pages.guidance_rows import (
    ALL,
    BOTH,
    GUIDED,
    PLAIN,
    PRESETS,
    PROMPT,
    TEXT,
    TRANSFER,
    ByArm,
    Place,
    Sample,
    Setting,
)
from lit_nst.sweep.pages.parts import Drawn, Part, value

NAMES = {
    PLAIN: "plain",
    PROMPT: "prompt",
    GUIDED: "guided",
    ALL: "all steps",
    BOTH: "both",
    TRANSFER: "transfer",
}
LINES = 8


def pictures(table: ByArm) -> list[Part]:
    """The arms side by side, guidance by weight, and the presets side by side."""
    places = _places(table)
    compared = [table.main(arm) for arm in NAMES if arm in table.arms()]
    by_weight = [table.plain, *((GUIDED, weight) for weight in table.weights(GUIDED))]
    presets = [table.plain, *(table.main(arm) for arm in PRESETS if arm in table.arms())]
    note = "in the corner the judged style distance; lower is nearer to the style"
    heads = [_name(setting) for setting in compared]
    caption = (
        "A prompt, style and noise per line: plain; the style in the prompt; guided with free first steps, and in all "
        f"steps; by prompt and guidance both; style transfer of the plain picture; {note}."
    )
    found: list[Part] = [Drawn("arms", _collage(table, places, compared, heads), caption)]
    if len(by_weight) > 2:
        heads = ["plain", *(f"weight {weight:g}" for _, weight in by_weight[1:])]
        image = _collage(table, places[: LINES // 2], by_weight, heads)
        found.append(Drawn("weights", image, f"Guidance by its weight; {note}."))
    if len(presets) > 1:
        image = _collage(table, places, presets, [setting[0] for setting in presets])
        found.append(Drawn("presets", image, f"The presets; {note}."))
    return found


def _places(table: ByArm) -> list[Place]:
    """As many noises of each prompt and style as there is room for."""
    kinds = list(itertools.product(dict.fromkeys(prompt for prompt, _ in table.units), table.styles))[:LINES]
    each = max(1, LINES // len(kinds))
    found = []
    for prompt, style in kinds:
        seeds = [seed for own, seed in table.units if own == prompt]
        found += [((prompt, seed), style) for seed in seeds[:each]]
    return found


def _collage(table: ByArm, places: Sequence[Place], settings: Sequence[Setting], heads: Sequence[str]) -> Image.Image:
    lines: list[list[Tensor | None]] = []
    notes: list[list[str | None]] = []
    for place in places:
        chosen = [table.samples[setting].get(place) for setting in settings]
        lines.append([_style(table, place), *(None if one is None else one.row.picture for one in chosen)])
        notes.append([None, *(_note(one) for one in chosen)])
    labels = [f"{prompt}, {seed}" for (prompt, seed), _ in places]
    return collage(lines, labels, ["style", *heads], corner_notes=notes)


def _style(table: ByArm, place: Place) -> Tensor | None:
    """The style picture of a line."""
    own = (places.get(place) for places in table.samples.values())
    return next((s.row.reference("style") for s in own if s and s.row.images.get("style") == place[1]), None)


def _note(sample: Sample | None) -> str | None:
    figure = None if sample is None else sample.figures.get(STYLE)
    return None if figure is None else f"{figure:.2f}"


def _name(setting: Setting) -> str:
    arm, weight = setting
    return f"{NAMES.get(arm, arm)} ({weight:g})" if arm in (GUIDED, ALL, BOTH) else NAMES.get(arm, arm)


def curves(table: ByArm) -> list[Part]:
    """Style and text over the weight, and style against text."""
    arms = [arm for arm in (GUIDED, ALL, BOTH) if arm in table.arms()]
    fixed = [(arm, table.weights(arm)[0]) for arm in (PROMPT, TRANSFER) if arm in table.arms()]
    weights = sorted({weight for arm in arms for weight in table.weights(arm)})
    found: list[Part] = []
    if len(weights) > 1:
        image = _over_weights(table, arms, fixed, weights, STYLE)
        found.append(Drawn("style", image, "Judged style distance over the weight; the arms without one are level."))
        if table.has(TEXT):
            image = _over_weights(table, arms, fixed, weights, TEXT)
            found.append(
                Drawn("text", image, "Text adherence as a share of that of the plain pictures of the same noise.")
            )
    else:
        found.append(Text("One weight alone: give arm guided a list of weights to see a curve."))
    if table.has(TEXT):
        found.append(_against(table, arms, [table.plain, *fixed]))
    return found


def _over_weights(
    table: ByArm, arms: Sequence[str], fixed: Sequence[Setting], weights: Sequence[float], figure: str
) -> Image.Image:
    def of(setting: Setting) -> Interval:
        return table.kept(setting) if figure == TEXT else table.share(setting, figure)

    series = [Series.of(NAMES[arm], table.weights(arm), [of((arm, w)) for w in table.weights(arm)]) for arm in arms]
    series += [Series.of(NAMES[setting[0]], weights, [of(setting)] * len(weights)) for setting in fixed]
    ticks = {weight: f"{weight:g}" for weight in weights}
    label = "text adherence / plain" if figure == TEXT else "judged style distance / plain"
    title = "What guidance costs of the text" if figure == TEXT else "How near guidance comes to the style"
    return curve(series, "weight of the style", label, title, x_ticks=ticks, log_x=min(weights) > 0)


def _against(table: ByArm, arms: Sequence[str], fixed: Sequence[Setting]) -> Drawn:
    groups = [(NAMES[arm], [(arm, weight) for weight in table.weights(arm)]) for arm in arms]
    groups += [(NAMES[setting[0]], [setting]) for setting in fixed]
    groups += [(arm, [table.main(arm)]) for arm in PRESETS if arm in table.arms()]
    series = [
        Series.of(name, [table.mean(s, TEXT).mean for s in settings], [table.share(s, STYLE) for s in settings])
        for name, settings in groups
    ]
    image = curve(series, "text adherence", "judged style distance / plain", "Style against text")
    return Drawn("style_against_text", image, "Down is nearer to the style, right is nearer to the prompt.")


def bars_of(table: ByArm) -> list[Part]:
    """Colour and texture apart."""
    settings = [table.main(arm) for arm in (*NAMES, *PRESETS) if arm in table.arms() and arm != PLAIN]
    names = [_name(setting) for setting in settings]
    series = [
        Series.of(name, names, [table.share(setting, figure) for setting in settings])
        for name, figure in (("colour", COLOUR), ("texture, colours taken out", TEXTURE))
    ]
    image = bars(series, "arm", "distance to the style / plain", "Is the likeness one of colour or of texture?")
    return [
        Drawn("colour_texture", image, "Both as a multiple of the plain picture's: below 1 is nearer to the style.")
    ]


def table_of(table: ByArm) -> Table:
    """A line per arm and weight."""
    settings = [setting for setting in table.settings() if setting[0] not in PRESETS]
    return _table(table, settings, [f"{NAMES.get(arm, arm)}, {weight:g}" for arm, weight in settings], (
        "Every arm and weight. Distances as a multiple of those of the plain pictures; text adherence; perceptual "
        "distance to the plain picture; share of pixels with a channel at an end of its range; HSV saturation; cost."
    ))  # fmt: skip


def presets(table: ByArm) -> list[Part]:
    """A line per preset, and whether their cost is the same."""
    settings = [table.main(arm) for arm in PRESETS if arm in table.arms()]
    if not settings:
        return []
    passes = {arm: _cost(table, (arm, weight))[1] for arm, weight in settings}
    alike = len(set(passes.values())) == 1 and None not in passes.values()
    words = ", ".join(f"{arm} {'not known' if count is None else count}" for arm, count in passes.items())
    note = "Each made as many passes through the U-Net as the others." if alike else (
        f"They did not make equally many passes through the U-Net ({words}), so this is no comparison at equal cost."
    )  # fmt: skip
    found = _table(
        table, settings, [arm for arm, _ in settings], "The presets of known methods, as in the table above."
    )
    return [Heading("Presets"), Text(note), found]


def _table(table: ByArm, settings: Sequence[Setting], names: Sequence[str], caption: str) -> Table:
    text = table.has(TEXT)
    lines = []
    for setting, name in zip(settings, names, strict=True):
        seconds, passes = _cost(table, setting)
        figures: list[object] = [table.share(setting, figure) for figure in (STYLE, COLOUR, TEXTURE)]
        figures += [table.mean(setting, TEXT)] if text else []
        figures += [table.mean(setting, figure) for figure in (MOVED, SATURATED, HSV)]
        lines.append([name, *figures, seconds, passes])
    heads = ["arm", "style", "colour", "texture", *(["text"] if text else []), "from plain", "saturated", "HSV S"]
    return Table([*heads, "s per picture", "U-Net passes"], lines, caption)


def _cost(table: ByArm, setting: Setting) -> tuple[float | None, int | None]:
    """Seconds and U-Net passes of one picture; None where they are not known."""
    row = next(iter(table.samples[setting].values())).row
    seconds, rows, passes = (value(row, figure) for figure in ("seconds", "rows_of_run", "passes"))
    each = seconds / rows if rows > 0 else math.nan
    return (each if math.isfinite(each) else None), (int(passes) if math.isfinite(passes) else None)
