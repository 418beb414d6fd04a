"""The settings of a search."""

import math
from dataclasses import dataclass

from lit_nst.errors import InputError


@dataclass(frozen=True)
class Search:
    """How ``w`` starts and how its steps change over the run.

    Args:
        start: ``center``: the generator's centre, mid-grey or w̄. A role, such as ``content`` or ``target``: that
            picture. ``style``: white noise of the style's colours. ``recolored``: the content in the style's
            colours. Or the path of a picture. All but ``center`` need a generator that takes pictures,
            ``Pixels``.
        spread: Standard deviation of the noise added to the start, in units of the generator's scale;
            ``center`` with a spread is the noise start of the papers.
        restarts: Starts of every problem, a row each.
        ramp_up: Share of the run over which the step size rises; 0: none.
        ramp_down: Share of the run over which it falls, as half a cosine; 0: none.
        jitter: Standard deviation of the noise added to ``w`` at the first step, in the same units; it
            falls to 0 at three quarters of the run. NVlabs' projector uses 0.05·√w_dim of them.
        seed: Seed of the start and of the jitter, which are keyed by picture, restart and step; None: that of
            ``--seed_everything``.

    Raises:
        InputError: No start at all, a negative spread or a negative jitter.
    """

    start: str = "center"
    spread: float = 0.0
    restarts: int = 1
    ramp_up: float = 0.05
    ramp_down: float = 0.25
    jitter: float = 0.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.restarts < 1:
            raise InputError(f"search.restarts is {self.restarts}; give at least 1")
        for name in ("spread", "jitter"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"search.{name} is {getattr(self, name):g}; give 0 or more")
