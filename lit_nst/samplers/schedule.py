"""The weight of a guidance over the sampling, as data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from lit_nst.errors import InputError

if TYPE_CHECKING:
    from lit_nst.samplers.level import Level

Ramp = Literal["constant", "linear_up", "linear_down", "cosine_down", "tfg_increase", "tfg_decrease"]
Unit = Literal["fraction", "steps"]


@dataclass(frozen=True)
class Schedule:
    """One factor per step, which multiplies the weight of a loss or of the guidance.

    Zero outside ``start`` … ``stop``; inside, every ``every``-th step has the value of ``ramp`` times that of
    ``factors``, the others have zero.

    A place is a fraction of the steps or a number of them. The fraction f of n steps is step ⌈f·n⌉, so 0.2
    of 100 leaves the first 20 free, of 25 the first 5. A step of a sampler with two calls of the network (Heun)
    counts twice.

    Attributes:
        start: Place of the first step that counts.
        stop: Place of the first step that does not count any more; ``None`` is the end.
        factors: Pairs [place, factor]: from that place on, times this factor instead of the one before. It
            is 1 before the first. [[0.5, 1.5]] is half as much again in the second half.
        ramp: "constant" 1. Over the m steps from start to stop, j = 0 … m−1: "linear_up" (j+1)/m,
            "linear_down" 1 − j/m, "cosine_down" (1 + cos πj/m)/2. "tfg_increase" ᾱ_k/ᾱ_{k+1} and
            "tfg_decrease" 1 − ᾱ_k/ᾱ_{k+1}, divided by their mean over all n steps: Ye et al. (2024),
            "TFG: Unified Training-Free Guidance for Diffusion Models".
        every: 1 for every step of the window, 2 for every second, from its first on.
        unit: Whether places are fractions from 0 to 1 or numbers of steps.

    Raises:
        InputError: A value that makes no sense, or a ``start`` after the last step.

    >>> from types import SimpleNamespace
    >>> levels = [SimpleNamespace(alpha=1.0, sigma=1.0)] * 10
    >>> Schedule(start=0.2, factors=[[0.5, 1.5]]).weights(levels)
    [0.0, 0.0, 1.0, 1.0, 1.0, 1.5, 1.5, 1.5, 1.5, 1.5]
    """

    start: float = 0.0
    stop: float | None = None
    factors: list[list[float]] | None = None
    ramp: Ramp = "constant"
    every: int = 1
    unit: Unit = "fraction"

    def __post_init__(self) -> None:
        check_window("schedule", self.start, self.stop, self.unit)
        if self.every < 1:
            raise InputError(f"schedule.every: {self.every} is not a positive number; give 1 for every step")
        places = []
        for pair in self.factors or []:
            if len(pair) != 2:
                raise InputError(f"schedule.factors: {pair} is not a pair; give [[place, factor], …]")
            if not math.isfinite(pair[1]):
                raise InputError(f"schedule.factors: the factor of {pair} is not finite; give a number such as 1.5")
            check_place("schedule.factors", pair[0], self.unit)
            places.append(pair[0])
        if any(b <= a for a, b in pairwise(places)):
            raise InputError(f"schedule.factors: the places {places} do not rise; sort the pairs by their place")

    def weights(self, levels: "Sequence[Level]") -> list[float]:
        """The factor of each step.

        Args:
            levels: The noise level before each of the n calls of the sampler, without the one after the
                last. Only the two TFG ramps look at them: ᾱ = α²/(α² + σ²), which is 1 after the last.
        """
        count = len(levels)
        first, last = window(self.start, self.stop, self.unit, count)
        if self.unit == "steps" and first >= count:
            raise InputError(
                f"schedule.start: {first} of {count} steps leaves none; lower it or raise --trainer.max_steps"
            )
        weights = [0.0] * count
        for index in range(first, last, self.every):
            weights[index] = self._factor(index, count)
        ramp = self._ramp(first, last, levels)
        return [weight * ramp[index] if weight else 0.0 for index, weight in enumerate(weights)]

    def _factor(self, index: int, count: int) -> float:
        factor = 1.0
        for place, value in self.factors or []:
            if index >= step_of(place, self.unit, count):
                factor = float(value)
        return factor

    def _ramp(self, first: int, last: int, levels: "Sequence[Level]") -> list[float]:
        if self.ramp in ("tfg_increase", "tfg_decrease"):
            return _tfg(levels, rising=self.ramp == "tfg_increase")
        length = max(last - first, 1)
        places = [(index - first) / length for index in range(len(levels))]
        if self.ramp == "linear_up":
            return [place + 1 / length for place in places]
        if self.ramp == "linear_down":
            return [1 - place for place in places]
        if self.ramp == "cosine_down":
            return [(1 + math.cos(math.pi * place)) / 2 for place in places]
        return [1.0] * len(levels)


def step_of(place: float, unit: Unit, count: int) -> int:
    """Index of the first step at or after a place, at most ``count``.

    >>> step_of(0.2, "fraction", 100), step_of(0.2, "fraction", 4), step_of(7, "steps", 5)
    (20, 1, 5)
    """
    # 0.07·100 is 7.000000000000001: the noise of the product must not cost a step.
    return min(math.ceil(round(place * count, 9)) if unit == "fraction" else int(place), count)


def window(start: float, stop: float | None, unit: Unit, count: int) -> tuple[int, int]:
    """First step inside, first step after, of ``count`` steps."""
    first = step_of(start, unit, count)
    return first, count if stop is None else max(first, step_of(stop, unit, count))


def check_window(owner: str, start: float, stop: float | None, unit: Unit) -> None:
    """Refuse places that are none, and a stop that is not after the start."""
    check_place(f"{owner}.start", start, unit)
    if stop is None:
        return
    check_place(f"{owner}.stop", stop, unit)
    if stop <= start:
        raise InputError(f"{owner}.stop: {stop:g} is not after {owner}.start {start:g}; raise it or leave it out")


def check_place(key: str, place: float, unit: Unit) -> None:
    """Refuse a fraction outside [0, 1] and a number of steps that is negative or not whole."""
    if unit == "fraction" and not 0 <= place <= 1:
        raise InputError(f"{key}: {place:g} is no fraction from 0 to 1; for a number of steps set unit: steps")
    if unit == "steps" and not (place >= 0 and float(place).is_integer()):
        raise InputError(f"{key}: {place:g} is no whole number of steps; for a fraction set unit: fraction")


def _tfg(levels: "Sequence[Level]", rising: bool) -> list[float]:
    kept = [level.alpha**2 / (level.alpha**2 + level.sigma**2) for level in levels] + [1.0]
    # Two levels of pure noise, as a flow may have them, differ by nothing.
    ratios = [a / b if b > 0 else 1.0 for a, b in pairwise(kept)]
    values = ratios if rising else [1 - ratio for ratio in ratios]
    mean = math.fsum(values) / len(values) if values else 0.0
    return [value / mean if mean else 1.0 for value in values]
