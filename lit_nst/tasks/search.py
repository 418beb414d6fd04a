"""The settings of a search."""

import warnings
from dataclasses import dataclass
from typing import Literal

from lit_nst.errors import InputError

MOST, LARGEST = 100_000, 1e6


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
        restarts: Starts of every problem, a row each; spread, jitter or candidates make them differ.
        keep: Of the restarts of a problem, ``all`` or the ``best`` one goes into the results.
        candidates: Random samples of the generator among which each row starts from the one whose measurement is
            nearest to the target's at low resolution, the second restart from the second nearest, and so on; 0: the
            start above. Needs a generator with samples, and a target.
        phases: Shares of the run in each of the generator's spaces, one each; None: equal ones.
        phase_steps: Factors of the step size in them; None: 1 each.
        ramp_up: Share of the run over which the step size rises; 0: none.
        ramp_down: Share of the run over which it falls, as half a cosine; 0: none.
        jitter: Standard deviation of the noise added to ``w`` at the first step, in the same units; it
            falls to 0 at three quarters of the run. NVlabs' projector uses 0.05·√w_dim of them.
        seed: Seed of the start and of the jitter, which are keyed by picture, restart and step; None: that of
            ``--seed_everything``.

    Raises:
        InputError: No start at all, or too many; too few or too many candidates; a negative spread or jitter; a ramp
            that is no share of the run.
    """

    start: str = "center"
    spread: float = 0.0
    restarts: int = 1
    keep: Literal["all", "best"] = "all"
    candidates: int = 0
    phases: list[float] | None = None
    phase_steps: list[float] | None = None
    ramp_up: float = 0.05
    ramp_down: float = 0.25
    jitter: float = 0.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.restarts <= MOST:
            raise InputError(f"search.restarts is {self.restarts}; give 1 to {MOST}")
        if self.keep not in ("all", "best"):
            raise InputError(f'search.keep is "{self.keep}"; give all or best')
        if self.candidates and not self.restarts <= self.candidates <= MOST:
            advice = f"give 0, or at least one for each restart and at most {MOST}"
            raise InputError(f"search.candidates is {self.candidates}; {advice}")
        for name in ("ramp_up", "ramp_down"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"search.{name} is {getattr(self, name):g}; give a share from 0 to 1")
        for name in ("phases", "phase_steps"):
            values = getattr(self, name)
            if values is not None and not (values and all(1 / LARGEST <= value <= LARGEST for value in values)):
                raise InputError(f"search.{name} is {values}; give positive numbers up to 1e6, one for each space")
        for name in ("spread", "jitter"):
            if not 0 <= getattr(self, name) <= LARGEST:
                raise InputError(f"search.{name} is {getattr(self, name):g}; give 0 to 1e6")
        if self.restarts > 1 and self.start != "style" and not (self.candidates or self.spread or self.jitter):
            advice = "give search.spread, search.jitter or search.candidates"
            warnings.warn(f"search.restarts is {self.restarts}, but all start alike; {advice}", stacklevel=2)
