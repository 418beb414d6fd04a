"""Inversion and restoration by a generator: weight of the regulariser against steps."""

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from lit_nst.report import Heading, Series, Table, Text, collage, curve
from lit_nst.sweep.pages.parts import Drawn, Part, about_intervals
from lit_nst.sweep.pages.tradeoff import REALISM, claims, fidelity
from lit_nst.sweep.pages.way import frames, losses
from lit_nst.sweep.pages.weights import ByWeight, check_weights
from lit_nst.sweep.plan import Plan
from lit_nst.sweep.records import Row

SHOWN = 4
_REALISM_TEXT = {
    "latent_distance": "the squared distance of the latent from the mean latent",
    "generator_distance": "the distance of the picture's features from those of the generator's own random pictures",
}


def check(plan: Plan) -> None:
    """Refuses a plan without several weights."""
    check_weights(plan)


def parts(plan: Plan, rows: Sequence[Row]) -> list[Part]:
    """What was run, verdicts, the main setting, its way, all settings."""
    table = ByWeight.of(plan, rows)
    return [
        _about(plan, table),
        _commands(plan, table),
        about_intervals(rows),
        Heading("Verdicts"),
        *claims(table),
        Heading(f"Results at weight {table.weight:g} after {table.last} steps"),
        _compared(table),
        Heading("On the way"),
        *frames(table),
        *losses(table),
        Heading("Realism against fidelity"),
        _by_weight(table),
        *_figures(table),
        _table(table),
    ]


def _about(plan: Plan, table: ByWeight) -> Text:
    row = table.main[0]
    through = " and ".join(_degradations(row.config))
    listed = ", ".join(f"{weight:g}" for weight in table.weights)
    seen = f"Each picture is known through {through} alone." if through else "Each picture is known as it is."
    known = "fits what is known" if through else "is the picture"
    judged = (
        " The judge, a network that guides no run, compares features with those of the truth; lower is nearer."
        if table.judged
        else ""
    )
    realism = [_REALISM_TEXT[figure] for figure in REALISM if table.has(figure)]
    return Text(
        f"{seen} Sought is the latent of a generator whose picture {known}; a regulariser keeps the latent near the "
        f"mean latent. Its weights are {listed}, the numbers of steps {', '.join(map(str, table.steps))}. "
        f"{_reported(plan, table)}\n\n"
        f"Fidelity is the {fidelity(table)[1]}; higher is nearer.{judged} Realism is {' and '.join(realism)}: 1 for a "
        "typical picture of the generator, lower is nearer to what it draws by itself."
    )


def _reported(plan: Plan, table: ByWeight) -> str:
    weight, steps = table.wanted(plan)
    if (weight, steps) == (table.weight, table.last):
        return f"The report's setting, {weight:g} and {steps} steps, is the main one here."
    return (
        f"The report's setting, {weight:g} and {steps} steps, was not run; the main one here is the nearest to it, "
        f"{table.weight:g} and {table.last} steps."
    )


def _commands(plan: Plan, table: ByWeight) -> Text:
    configs = " ".join(f"--config {path.name}" for path in plan.configs)
    run = f"python cli.py fit {configs} --model.regulariser.weight {table.weight:g} --trainer.max_steps {table.last}"
    return Text(
        f"The whole page: `python cli.py sweep --config sweeps/{plan.name}.yaml`. The main setting alone: `{run}`. "
        "Either runs on a generator of photographs and a picture of your own with "
        "`--model.generator.weights ffhq.pkl --data.target face.png`; `python cli.py align --help` says how a "
        "photograph is cropped for it."
    )


def _degradations(config: Mapping[str, Any]) -> list[str]:
    """The operators of a run, in words: ``GaussianBlur`` (sigma 3)."""
    found = []
    for callback in config["trainer"].get("callbacks") or []:
        operator = (callback.get("init_args") or {}).get("operator")
        if isinstance(operator, dict):
            settings = {k: v for k, v in (operator.get("init_args") or {}).items() if v is not None}
            words = ", ".join(f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
                              for key, value in settings.items())  # fmt: skip
            found.append(f"`{operator['class_path'].rpartition('.')[2]}`" + (f" ({words})" if words else ""))
    return found


def _compared(table: ByWeight) -> Drawn:
    with Image.open(table.main[0].file.parent / "comparison.png") as image:
        drawn = image.convert("RGB")
    columns = "target, measurement, result and error" if table.degraded else "target, result and error"
    return Drawn("main", drawn, f"Weight {table.weight:g}, {table.last} steps: {columns}, with PSNR to the target.")


def _by_weight(table: ByWeight) -> Drawn:
    units = list(dict.fromkeys(row.unit for row in table.main))[:SHOWN]
    lines, notes = [], []
    for unit in units:
        own = [next(row for row in table.at(weight, table.last) if row.unit == unit) for weight in table.weights]
        lines.append([own[0].reference("target"), *(row.picture for row in own)])
        notes.append([None, *(_decibels(row) for row in own)])
    image = collage(lines, [unit[0] for unit in units], ["target", *(f"{weight:g}" for weight in table.weights)],
                    corner_notes=notes)  # fmt: skip
    told = ", with PSNR to the target" if table.has("psnr") else ""
    return Drawn("weights", image, f"Results after {table.last} steps by weight of the regulariser{told}.")


def _decibels(row: Row) -> str | None:
    value = row.figures.get("psnr")
    return None if value is None else f"{value:.1f} dB"


def _figures(table: ByWeight) -> list[Part]:
    drawn: list[Part] = []
    figure, name = fidelity(table)
    listed = ", ".join(f"{weight:g}" for weight in table.weights)
    for realism, what in _realism(table).items():
        series = [
            Series.of(
                f"{steps} steps",
                [table.mean(weight, steps, figure).mean for weight in table.weights],
                [table.mean(weight, steps, realism) for weight in table.weights],
            )
            for steps in table.steps
        ]
        main = [table.mean(table.weight, table.last, each).mean for each in (figure, realism)]
        series += [_least(table, figure, realism), Series("main", main[:1], main[1:])]
        # Distances of latents differ by powers of ten.
        log = realism == "latent_distance"
        image = curve(series, f"{name} in dB", what, f"Realism against fidelity: {what}", log_y=log)
        caption = f"Right is more faithful, down is nearer to the generator. A line has a point per weight, {listed}."
        drawn.append(Drawn(f"tradeoff_{realism}", image, caption))
    if table.judged:
        places = _places(table.weights)
        ticks = {place: f"{weight:g}" for place, weight in zip(places, table.weights, strict=True)}
        image = curve(table.over_weights(table.judged, places), "weight of the regulariser",
                      "judged distance to the truth", "Which weight comes nearest to the truth", x_ticks=ticks,
                      log_x=True)  # fmt: skip
        drawn.append(Drawn("truth", image, "Judged distance to the true picture by weight; lower is nearer."))
    return drawn


def _least(table: ByWeight, x: str, y: str) -> Series:
    """A line over steps at the smallest weight: where the others begin."""
    weight = table.weights[0]
    places, heights = ([table.mean(weight, steps, figure).mean for steps in table.steps] for figure in (x, y))
    return Series(f"weight {weight:g}", places, heights)


def _places(weights: Sequence[float]) -> list[float]:
    """Places on a logarithmic axis; 0 stands a decade before the others."""
    least = min((weight for weight in weights if weight > 0), default=1.0)
    return [weight if weight > 0 else least / 10 for weight in weights]


def _realism(table: ByWeight) -> dict[str, str]:
    return {figure: name for figure, name in REALISM.items() if table.has(figure)}


def _table(table: ByWeight) -> Table:
    names = {
        "consistency_psnr": "PSNR, measured",
        "psnr": "PSNR, truth",
        table.judged: "judged, truth",
        "latent_distance": "mean latent",
        "generator_distance": "its samples",
    }
    figures = [figure for figure in names if table.has(figure)]
    lines = [
        [
            f"{weight:g}" + (" (main)" if (weight, steps) == (table.weight, table.last) else ""),
            steps,
            *(table.mean(weight, steps, figure) for figure in figures),
        ]
        for weight in table.weights
        for steps in table.steps
    ]
    heads = ["weight", "steps", *(names[figure] for figure in figures)]
    caption = (
        "Means over pictures: fidelity to the measurement and the truth, PSNR in dB; then distance from the "
        "generator's mean latent and from the features of its samples."
    )
    return Table(heads, lines, caption)
