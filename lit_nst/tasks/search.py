"""The settings of a search."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Search:
    """How ``w`` starts and how its steps change over the run.

    Args:
        ramp_up: Share of the run over which the step size rises; 0: none.
        ramp_down: Share of the run over which it falls, as half a cosine; 0: none.
        spread: Standard deviation of the start around the generator's centre, in units of its scale.
        jitter: Standard deviation of the noise added to ``w`` at the first step, in the same units; it
            falls to 0 at three quarters of the run. NVlabs' projector uses 0.05·√w_dim of them.
        seed: Seed of the start and of the jitter, which are keyed by row and step; None: that of
            ``--seed_everything``.
    """

    ramp_up: float = 0.05
    ramp_down: float = 0.25
    spread: float = 0.0
    jitter: float = 0.0
    seed: int | None = None
