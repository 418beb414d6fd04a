"""Rows by weight of the regulariser and number of steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lit_nst.errors import InputError
from lit_nst.report import Interval, Series, bootstrap_mean
from lit_nst.sweep.axis import plain_key
from lit_nst.sweep.pages.parts import per_unit
from lit_nst.sweep.plan import Plan
from lit_nst.sweep.records import Row

CLASS, WEIGHT, STEPS = "model.regulariser", "model.regulariser.weight", "trainer.max_steps"


def check_weights(plan: Plan) -> None:
    """Refuses a plan without a run per weight: a run's curves and pictures on the way are of one setting.

    Raises:
        InputError: It is one.
    """
    form = f"--vary '{CLASS}=[{{class_path: LatentDistance, init_args: {{weight: 0.1}}}}, ...]'"
    if plan.axis(WEIGHT) is not None or any(plain_key(key) == WEIGHT for key, _ in plan.overrides):
        raise InputError(f"--{WEIGHT}: page {plan.page} needs a run per weight; give {form}")
    axis = plan.axis(CLASS)
    if axis is None or len(axis.values) < 2:
        raise InputError(f"page {plan.page}: it compares weights of the regulariser; give {form}, or no page")
    for value in axis.values:
        weight = value.get("init_args", {}).get("weight") if isinstance(value, dict) else None
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise InputError(f"--vary {CLASS}: page {plan.page} needs the weight of each; give {form}")


@dataclass(frozen=True)
class ByWeight:
    """The rows of a sweep over weights and steps.

    Attributes:
        rows: All of them.
        weight: That of the main setting.
        last: Its number of steps.
    """

    rows: Sequence[Row]
    weight: float
    last: int

    @classmethod
    def of(cls, plan: Plan, rows: Sequence[Row]) -> "ByWeight":
        """The main setting is what the recipe's options say, or the nearest to it that was run."""
        every = cls(rows, 0.0, 0)
        weight, steps = every.wanted(plan)
        nearest = min(every.weights, key=lambda x: abs(x - weight)), min(every.steps, key=lambda x: abs(x - steps))
        return cls(rows, *nearest)

    def wanted(self, plan: Plan) -> tuple[float, int]:
        """Weight and steps that the recipe's options give; without them a middle weight and the most steps."""
        given = {plain_key(key): value for key, value in plan.options}
        weight = given.get(WEIGHT, self.weights[len(self.weights) // 2])
        return float(weight), int(given.get(STEPS, self.steps[-1]))

    @property
    def weights(self) -> list[float]:
        """Those that were run, from the smallest."""
        return sorted({weight_of(row) for row in self.rows})

    @property
    def steps(self) -> list[int]:
        """The numbers of steps that were run, from the fewest."""
        return sorted({steps_of(row) for row in self.rows})

    @property
    def main(self) -> list[Row]:
        """The rows of the main setting."""
        return self.at(self.weight, self.last)

    @property
    def degraded(self) -> bool:
        """Whether a degradation lies between target and loss."""
        return self.has("consistency_psnr")

    @property
    def judged(self) -> str:
        """The figure that says how far results are from the truth; empty where it is not known."""
        return next((figure for figure in ("lpips", "perceptual") if self.has(figure)), "")

    def has(self, figure: str) -> bool:
        """Whether every row has a figure."""
        return all(figure in row.figures for row in self.rows)

    def at(self, weight: float, steps: int) -> list[Row]:
        """The rows of one setting."""
        return [row for row in self.rows if weight_of(row) == weight and steps_of(row) == steps]

    def values(self, weight: float, steps: int, figure: str) -> list[float]:
        """A figure of one setting, a mean per picture."""
        return per_unit(self.at(weight, steps), figure)

    def mean(self, weight: float, steps: int, figure: str) -> Interval:
        """Mean over pictures in one setting."""
        return bootstrap_mean(self.values(weight, steps, figure))

    def per_picture(self, figure: str) -> list[list[float]]:
        """A list over weights per picture, at the main number of steps."""
        columns = [self.values(weight, self.last, figure) for weight in self.weights]
        return [list(line) for line in zip(*columns, strict=True)]

    def over_weights(self, figure: str, places: Sequence[float]) -> list[Series]:
        """A line over weights per number of steps; ``places`` is where each weight stands."""
        return [
            Series.of(f"{steps} steps", places, [self.mean(weight, steps, figure) for weight in self.weights])
            for steps in self.steps
        ]


def weight_of(row: Row) -> float:
    """Weight of a row's regulariser."""
    return float(row.weights["regulariser"])


def steps_of(row: Row) -> int:
    """Steps that a row was given; it may have stopped before."""
    return int(row.config["trainer"]["max_steps"])


def run_of(row: Row) -> Path:
    """Folder of the run that a row is from."""
    return row.file.parent.parent
