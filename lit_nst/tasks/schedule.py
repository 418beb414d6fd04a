"""How step size and jitter change over a run."""

import math


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
