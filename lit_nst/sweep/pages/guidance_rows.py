"""Rows of a sweep over arms, paired by the noise that they were drawn from."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from lit_nst.report import Interval, bootstrap_mean
from lit_nst.sweep.arms import ARM
from lit_nst.sweep.pages.parts import ratio
from lit_nst.sweep.records import Row

PLAIN, PROMPT, GUIDED, ALL, BOTH, TRANSFER = "plain", "prompt", "guided", "guided_all", "both", "transfer"
PRESETS = ("report", "universal", "freedom", "mpgd", "tfg", "dsg")
KEEPS = 0.9
# How much of the captions the pictures show.
TEXT = "text_adherence"

Unit = tuple[str, int]
Setting = tuple[str, float]
Place = tuple[Unit, str]


@dataclass(frozen=True, eq=False)
class Sample:
    """A picture and what it is compared with.

    Attributes:
        row: Has the picture.
        setting: Arm and weight of the style.
        unit: Plain prompt and seed.
        style: Name of the style picture.
        figures: Name → value.
    """

    row: Row
    setting: Setting
    unit: Unit
    style: str
    figures: Mapping[str, float | None]


class ByArm:
    """The pictures of all arms, by the plain ones of the same prompt and noise.

    An arm ``both-waves`` counts to ``both``, so that an arm may have a prompt for each style. Its prompts are those of
    ``plain`` in the same order, said in other words. A picture that was made from a plain one has its prompt and noise.

    Args:
        rows: Of all cells.
        figures: File and name of a style that is not its row's own → figures.

    Attributes:
        samples: Setting → place → picture. A picture without guidance saw no style: it stands for all of them, unless
            its arm has one for each.
        styles: Names of the style pictures.
        left_out: Arms with rows that belong to no plain one.
    """

    def __init__(self, rows: Sequence[Row], figures: Mapping[tuple[str, str], Mapping[str, float | None]]) -> None:
        self.styles = styles_of(rows)
        self.samples: dict[Setting, dict[Place, Sample]] = {}
        self.left_out: list[str] = []
        unguided: list[tuple[Unit, Row]] = []
        for row, unit in paired(rows):
            if unit is None:
                self.left_out.append(row.labels[ARM])
                continue
            if "style" in row.images:
                self._add(row, unit, row.images["style"], row.figures)
            if arm_of(row) in (PLAIN, PROMPT):
                unguided.append((unit, row))
        for unit, row in unguided:
            for style in self.styles:
                if (str(row.file), style) in figures:
                    self._add(row, unit, style, figures[str(row.file), style])
        self.left_out = list(dict.fromkeys(self.left_out))

    def _add(self, row: Row, unit: Unit, style: str, figures: Mapping[str, float | None]) -> None:
        setting = arm_of(row), weight_of(row)
        sample = Sample(row, setting, unit, style, figures)
        self.samples.setdefault(setting, {}).setdefault((unit, style), sample)

    @cached_property
    def units(self) -> list[Unit]:
        """Prompt and seed of the plain pictures."""
        return list(dict.fromkeys(unit for unit, _ in self.samples[self.plain]))

    def has(self, figure: str) -> bool:
        """Whether the plain pictures have a figure."""
        return all(sample.figures.get(figure) is not None for sample in self.samples[self.plain].values())

    def arms(self) -> list[str]:
        """In the order of the plan."""
        return list(dict.fromkeys(arm for arm, _ in self.samples))

    def weights(self, arm: str) -> list[float]:
        """Of the style in an arm, from the smallest."""
        return sorted(weight for other, weight in self.samples if other == arm)

    def settings(self) -> list[Setting]:
        """Arms in the order of the plan, their weights from the smallest."""
        return [(arm, weight) for arm in self.arms() for weight in self.weights(arm)]

    @cached_property
    def plain(self) -> Setting:
        """The setting that all others are compared with."""
        return PLAIN, self.weights(PLAIN)[0]

    def pair(self, one: Setting, other: Setting, figure: str) -> tuple[list[float], list[float]]:
        """A figure of two settings, at the same prompts and seeds; the styles of one count as one."""
        both = [place for place in self.samples[one] if place in self.samples[other]]
        units: dict[Unit, list[Place]] = {}
        for place in both:
            units.setdefault(place[0], []).append(place)
        first, second = (
            [_mean([_figure(self.samples[setting][place], figure) for place in places]) for places in units.values()]
            for setting in (one, other)
        )
        return first, second

    def mean(self, setting: Setting, figure: str) -> Interval:
        """Mean over prompts and seeds."""
        return bootstrap_mean(self.pair(setting, setting, figure)[0])

    def share(self, setting: Setting, figure: str) -> Interval:
        """A distance as a multiple of that of the plain pictures of the same noise, geometric mean."""
        return ratio(*self.pair(setting, self.plain, figure))

    def kept(self, setting: Setting) -> Interval:
        """Text adherence as a share of that of the plain pictures, 1 + mean (aᵢ − bᵢ)/mean b."""
        own, plain = self.pair(setting, self.plain, TEXT)
        base = max(_mean(plain), 1e-9)
        return bootstrap_mean([1 + (a - b) / base for a, b in zip(own, plain, strict=True)])

    def main(self, arm: str) -> Setting:
        """The setting of an arm that is shown.

        Of ``guided`` it is the largest weight that keeps the text, whatever the style does; that of its relatives is
        the nearest to it.
        """
        weights = self.weights(arm)
        if arm in (ALL, BOTH):
            weight = self.main(GUIDED)[1]
            return arm, min(weights, key=lambda other: abs(other - weight))
        if not self.has(TEXT):
            return arm, weights[len(weights) // 2]
        return arm, max([w for w in weights if self.kept((arm, w)).mean >= KEEPS], default=weights[0])


def paired(rows: Sequence[Row]) -> Iterator[tuple[Row, Unit | None]]:
    """Every row with plain prompt and seed; None where they are not known."""
    known: dict[str, list[str]] = {}
    for row in rows:
        texts = known.setdefault(row.labels[ARM], [])
        if row.prompt is not None and row.prompt not in texts:
            texts.append(row.prompt)
    plain = next((texts for arm, texts in known.items() if root_of(arm) == PLAIN), [])
    made = {row.name: (row.prompt, seed_of(row)) for row in rows if arm_of(row) == PLAIN and row.prompt is not None}
    for row in rows:
        texts = known[row.labels[ARM]]
        if row.prompt is None:
            yield row, made.get(row.images.get("content", ""))
        elif set(texts) <= set(plain):
            yield row, (row.prompt, seed_of(row))
        else:
            yield row, (plain[texts.index(row.prompt)], seed_of(row)) if len(texts) == len(plain) else None


def styles_of(rows: Sequence[Row]) -> list[str]:
    """Names of the style pictures."""
    return list(dict.fromkeys(row.images["style"] for row in rows if "style" in row.images))


def root_of(arm: str) -> str:
    """``both`` of ``both-waves``."""
    return arm.partition("-")[0]


def arm_of(row: Row) -> str:
    """The arm that a row counts to."""
    return root_of(row.labels[ARM])


def weight_of(row: Row) -> float:
    """Weight of a row's style; 0 where none has one."""
    return float(row.weights.get("style", 0.0))


def seed_of(row: Row) -> int:
    """Number of a row's noise."""
    seed = row.figures.get("seed")
    return row.restart if seed is None else int(seed)


def _figure(sample: Sample, figure: str) -> float:
    found = sample.figures.get(figure)
    return math.nan if found is None else float(found)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(len(values), 1)
