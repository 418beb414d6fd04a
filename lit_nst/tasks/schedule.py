"""How step size and jitter change over a run."""

import math
from collections.abc import Sequence

from lit_nst.errors import InputError


class Ramp:
    """Factor of the step size: linear up, flat, half a cosine down (NVlabs' projector).

    Departure: step ``k`` of ``n`` rises by (k+1)/n instead of k/n, so that the first step moves.

    Args:
        steps: Number of steps of the run.
        up: Share of the run that rises; 0: none.
        down: Share of the run that falls; 0: none.

    >>> ramp = Ramp(100, up=0.05, down=0.25)
    >>> [round(ramp(step), 3) for step in (0, 4, 50, 87, 99)]
    [0.2, 1.0, 1.0, 0.531, 0.004]
    """

    def __init__(self, steps: int, up: float, down: float) -> None:
        self.steps, self.up, self.down = max(steps, 1), up, down

    def __call__(self, step: int) -> float:
        """The factor at a step, counted from 0."""
        rise = min(1.0, (step + 1) / self.steps / self.up) if self.up > 0 else 1.0
        left = min(1.0, max(0.0, 1 - step / self.steps) / self.down) if self.down > 0 else 1.0
        return rise * (0.5 - 0.5 * math.cos(math.pi * left))


def jitter(step: int, steps: int) -> float:
    """Factor of the noise on ``w``: max(0, 1 − t/0.75)², t the share of the run that is over.

    >>> jitter(0, 100), jitter(75, 100)
    (1.0, 0.0)
    """
    return max(0.0, 1 - step / max(steps, 1) / 0.75) ** 2


class Phases:
    """Which part of a run a step belongs to.

    Args:
        steps: Number of steps of the run.
        count: Number of phases.
        shares: Share of each, of any sum; None: equal ones.
        factors: Factor of the step size in each; None: 1.

    Raises:
        InputError: Another number of shares or factors than of phases.

    >>> phases = Phases(10, 2, shares=[1, 4], factors=[1.0, 0.5])
    >>> [phases(step) for step in (0, 1, 2, 9)], phases.factor(9)
    ([0, 0, 1, 1], 0.5)
    """

    def __init__(
        self, steps: int, count: int, shares: Sequence[float] | None = None, factors: Sequence[float] | None = None
    ) -> None:
        for name, given in (("phases", shares), ("phase_steps", factors)):
            if given is not None and len(given) != count:
                raise InputError(
                    f"search.{name}: {len(given)} numbers for {count} space(s) of the generator; give one each"
                )
        own = list(shares) if shares is not None else [1.0] * count
        self.ends = [round(steps * math.fsum(own[: i + 1]) / math.fsum(own)) for i in range(count)]
        self.factors = list(factors) if factors is not None else [1.0] * count

    def __call__(self, step: int) -> int:
        """Number of the phase of a step, both counted from 0."""
        return min(sum(step >= end for end in self.ends), len(self.ends) - 1)

    def factor(self, step: int) -> float:
        """Factor of the step size at a step."""
        return self.factors[self(step)]
