"""Guided diffusion against prompts, style transfer and itself."""

from collections.abc import Sequence

from lit_nst.errors import InputError
from lit_nst.report import Heading, Text
from lit_nst.sweep.arms import ARM
from lit_nst.sweep.pages.guidance_claims import claims
from lit_nst.sweep.pages.guidance_figures import bars_of, curves, pictures, presets, table_of
from lit_nst.sweep.pages.guidance_judges import measure as judge
from lit_nst.sweep.pages.guidance_judges import other_styles
from lit_nst.sweep.pages.guidance_rows import GUIDED, PLAIN, TEXT, ByArm, root_of
from lit_nst.sweep.pages.parts import Part, needed
from lit_nst.sweep.plan import Plan
from lit_nst.sweep.records import Row


def check(plan: Plan) -> None:
    """Refuses a plan without plain and guided pictures, or with other things that vary beside the arms.

    Raises:
        InputError: It is one.
    """
    names = {root_of(str(name)) for name in needed(plan, ARM).values} if plan.arms else set()
    for name in (PLAIN, GUIDED):
        if name not in names:
            raise InputError(f"page {plan.page}: it compares arms, and there is no arm {name}; add it, or give no page")
    for axis in plan.axes:
        if axis.key != ARM:
            raise InputError(f"--vary {axis.key}: page {plan.page} compares arms alone; put it into the arms")


def measure(plan: Plan, rows: Sequence[Row]) -> None:
    """Adds the judges' figures to the rows."""
    judge(rows)


def parts(plan: Plan, rows: Sequence[Row]) -> list[Part]:
    """Verdicts, pictures, curves, tables."""
    table = ByArm(rows, other_styles(rows))
    for name in (PLAIN, GUIDED):
        if name not in table.arms():
            raise InputError(
                f"page {plan.page}: no row of arm {name} has a prompt of {PLAIN} and a style; look at them"
            )
    return [
        Text(
            "Every line begins with one prompt and one noise. Plain is what the model draws of them; the other arms "
            "add the style in the prompt, by guidance, by both, or by style transfer of the plain picture. The "
            "judges guided nothing: style is the distance of Gram matrices of a VGG16 of random weights, colour the "
            "sliced Wasserstein distance of the palettes, texture the root of the distance of Gram matrices of both "
            "pictures in grey of one brightness and contrast; text is the share of shape, colour and background of "
            "the plain prompt that a classifier reads right. Distances are given as a multiple of that of the plain "
            "picture of the same noise: 1 is no nearer to the style, 0 is equal to it."
        ),
        *_notes(table),
        Heading("Verdicts"),
        *claims(table),
        Heading("Pictures"),
        *pictures(table),
        Heading("Style against text"),
        *curves(table),
        *bars_of(table),
        table_of(table),
        *presets(table),
    ]


def _notes(table: ByArm) -> list[Part]:
    prompts = dict.fromkeys(prompt for prompt, _ in table.units)
    seeds = dict.fromkeys(seed for _, seed in table.units)
    words = [
        f"Intervals are 95 % bootstrap intervals over {len(table.units)} pairs of prompt and noise ({len(prompts)} "
        f"prompts: {'; '.join(f'`{prompt}`' for prompt in prompts)}; {len(seeds)} noises); the {len(table.styles)} "
        f"styles of one pair ({', '.join(table.styles)}) count as one."
    ]
    if len(prompts) > 1:
        words.append("Pairs with the same noise are not quite independent, so they are rather too narrow.")
    if len(table.units) < 6:
        words.append("Fewer than six decide nothing, however clear they look.")
    if not table.has(TEXT):
        words.append("How much of the text the pictures show is not known: no judge reads these prompts.")
    if table.left_out:
        words.append(f"Left out, since its prompts are not those of {PLAIN}: {', '.join(table.left_out)}.")
    return [Text(" ".join(words))]
