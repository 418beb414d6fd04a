"""Which level of noise each pass works on, and from where it goes back up."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from lit_nst.errors import InputError
from lit_nst.samplers.schedule import Unit, check_window, window


@dataclass(frozen=True)
class Travel:
    """Time travel: every level from ``start`` to ``stop`` is passed ``repeats`` times.

    After a pass that is not the last of its level the latents get noise again, up to that level: the guided
    picture has time to become one that the model would make. The self-recurrence of Bansal et al. (2023),
    "Universal Guidance for Diffusion Models", and the time travel of Yu et al. (2023), "FreeDoM".

    Attributes:
        repeats: Passes of a level, 1 for no time travel.
        start: Place of the first level that is repeated, as in ``Schedule``.
        stop: Place of the first that is not any more; ``None`` is the end.
        unit: Whether places are fractions from 0 to 1 or numbers of steps.

    Raises:
        InputError: A value that makes no sense.
    """

    repeats: int = 1
    start: float = 0.0
    stop: float | None = None
    unit: Unit = "fraction"

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise InputError(f"travel.repeats: {self.repeats} is not a positive number; give 1 for no time travel")
        check_window("travel", self.start, self.stop, self.unit)


@dataclass(frozen=True)
class Pass:
    """One evaluation of the network.

    Attributes:
        index: Number of the sampler's call, from 0.
        repeat: Which pass of this call it is, from 0.
        again: Whether the latents go back up to this level afterwards.
    """

    index: int
    repeat: int
    again: bool


def plan(passes: int, calls: Callable[[int], int], travel: Travel) -> tuple[int, list[Pass]]:
    """Spend a number of passes on as many steps as they allow.

    The budget is fixed, so runs with and without time travel cost the same. The number of steps is the
    largest whose calls, each as often as ``travel`` says, need no more passes; what is left over goes to the first
    calls of the window, one more pass each. A budget below that of a single step lowers the repeats.

    Args:
        passes: Length of the plan, ``--trainer.max_steps``.
        calls: Number of calls of the sampler for n steps, rising: n for most, 2·n − 1 for Heun.
        travel: Which calls are repeated. Its places count calls.

    Returns:
        The number of steps, and the passes in order.

    Raises:
        InputError: No number of steps fits; the line names the nearest budgets that do.

    >>> steps, passes = plan(5, lambda n: n, Travel(repeats=2, stop=0.5))
    >>> steps, [(p.index, p.repeat, p.again) for p in passes]
    (3, [(0, 0, True), (0, 1, False), (1, 0, True), (1, 1, False), (2, 0, False)])
    """
    # A level that is passed more often than there are passes fits no plan.
    for repeats in range(min(travel.repeats, passes), 0, -1):
        for steps in range(passes, 0, -1):
            counts = _counts(calls(steps), replace(travel, repeats=repeats))
            if _spend(passes - sum(counts), counts):
                return steps, [Pass(i, r, r + 1 < count) for i, count in enumerate(counts) for r in range(count)]
    raise InputError(_refusal(passes, calls, travel))


def _counts(calls: int, travel: Travel) -> list[int]:
    first, last = window(travel.start, travel.stop, travel.unit, calls)
    return [travel.repeats if first <= index < last else 1 for index in range(calls)]


def _spend(left: int, counts: list[int]) -> bool:
    """Hand the passes that are left over to the calls inside the window; whether there was a way."""
    inside = [index for index, count in enumerate(counts) if count > 1]
    if left < 0 or (left > 0 and not inside):
        return False
    for extra in range(left):
        counts[inside[extra % len(inside)]] += 1
    return True


def _refusal(passes: int, calls: Callable[[int], int], travel: Travel) -> str:
    below, above = None, None
    for steps in range(1, max(passes, 1) + 2):
        need = sum(_counts(calls(steps), travel))
        if need < passes:
            below = need if below is None else max(below, need)
        elif need > passes:
            above = need if above is None else min(above, need)
    fitting = " or ".join(str(need) for need in (below, above) if need is not None)
    return f"--trainer.max_steps {passes}: this sampler has no number of steps with so many passes; set it to {fitting}"
