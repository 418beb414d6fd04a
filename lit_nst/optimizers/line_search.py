"""A line search for the Wolfe conditions, one evaluation at a time, every row on its own.

Along a direction d from a base point x, φ(t) = f(x + t·d). A trial t is accepted where

    φ(t) ≤ φ(0) + c₁·t·φ'(0)  and  |φ'(t)| ≤ c₂·|φ'(0)|        (strong Wolfe conditions),

else an interval [left, right] shrinks around a point that would be: at ``left`` the first condition
holds and φ still falls steeply, at ``right`` the first condition fails or φ rises. By the argument of
Nocedal & Wright's lemma 3.1 such an interval has an acceptable point.
"""

from typing import NamedTuple

import torch
from torch import Tensor

SHRINK, MARGIN, SLOW = 0.2, 0.1, 0.66
GROW_LEAST, GROW_MOST = 2.0, 10.0


class Rules(NamedTuple):
    """What the searches of all rows have in common.

    Attributes:
        c1: Share of the linear decrease that a step must reach.
        c2: Share of the slope that may be left.
        noise: Differences of the loss below this share of it mean nothing.
        max_trials: Evaluations before a search gives up.
    """

    c1: float
    c2: float
    noise: float
    max_trials: int


class Line(NamedTuple):
    """The search of every row; each field has B values, float64 but for ``trials``.

    Attributes:
        loss: φ(0).
        slope: φ'(0), negative.
        floor: Lowest loss ever accepted.
        limit: Largest t.
        trial: The t that is evaluated next.
        trials: Evaluations so far.
        left: Left end of the interval, with its loss and slope.
        right: Right end, with its loss and slope; infinite while there is none.
        width: Width of the interval before.
        best: The t of the lowest loss so far, 0 for the base point, with its loss.
    """

    loss: Tensor
    slope: Tensor
    floor: Tensor
    limit: Tensor
    trial: Tensor
    trials: Tensor
    left: Tensor
    left_loss: Tensor
    left_slope: Tensor
    right: Tensor
    right_loss: Tensor
    right_slope: Tensor
    width: Tensor
    best: Tensor
    best_loss: Tensor


class Verdict(NamedTuple):
    """What became of the trial of every row; B booleans each."""

    accepted: Tensor
    failed: Tensor
    better: Tensor


def begin(loss: Tensor, slope: Tensor, floor: Tensor, trial: Tensor, limit: Tensor) -> Line:
    """Searches at their base points, before any trial."""
    zero, none = torch.zeros_like(loss), torch.full_like(loss, torch.inf)
    return Line(
        loss=loss,
        slope=slope,
        floor=floor,
        limit=limit,
        trial=torch.minimum(trial, limit),
        trials=torch.zeros_like(loss, dtype=torch.int64),
        left=zero,
        left_loss=loss,
        left_slope=slope,
        right=none,
        right_loss=none,
        right_slope=zero,
        width=none,
        best=zero,
        best_loss=loss,
    )


def choose(rows: Tensor, yes: Line, no: Line) -> Line:
    """Fields of ``yes`` for the rows of a mask, of ``no`` for the others."""
    return Line(*[torch.where(rows, a, b) for a, b in zip(yes, no, strict=True)])


def judge(line: Line, loss: Tensor, slope: Tensor, fine: Tensor, rules: Rules) -> tuple[Line, Verdict]:
    """Accepts the trial of every row, or chooses the next one.

    Where φ(t) and the lowest loss differ by no more than ``noise``, the first Wolfe condition is not
    asked for and slopes alone decide (the approximate Wolfe conditions of Hager & Zhang 2005). Measured
    from the lowest loss, the slack cannot add up over steps.

    Args:
        line: The searches.
        loss: φ(t), B values.
        slope: φ'(t), B values.
        fine: Whether loss and gradient are finite; where not, the loss counts as infinite.
        rules: Constants.

    Returns:
        The searches with their next trials (of no meaning for accepted and failed rows), and the verdict.
    """
    loss, slope = torch.where(fine, loss, torch.inf), torch.where(fine, slope, 0)
    slack = rules.noise * line.loss.abs()
    noisy = (loss - line.floor).abs() <= slack
    low = fine & (noisy | (loss <= line.loss + rules.c1 * line.trial * line.slope))
    accepted = low & (slope.abs() <= rules.c2 * line.slope.abs())
    better = fine & (loss < line.best_loss)
    high = ~low | (slope >= 0)
    after = line._replace(
        trials=line.trials + 1,
        left=torch.where(high, line.left, line.trial),
        left_loss=torch.where(high, line.left_loss, loss),
        left_slope=torch.where(high, line.left_slope, slope),
        right=torch.where(high, line.trial, line.right),
        right_loss=torch.where(high, loss, line.right_loss),
        right_slope=torch.where(high, slope, line.right_slope),
        best=torch.where(better, line.trial, line.best),
        best_loss=torch.where(better, loss, line.best_loss),
    )
    grown = _grow(line, loss, slope, slack)
    shrunk = _shrink(after, slack)
    trial = torch.minimum(torch.where(after.right.isinf(), grown, shrunk), line.limit)
    # A search without a base point, or at the limit, cannot get anywhere.
    stuck = line.loss.isinf() | (trial == line.trial) | (after.trials >= rules.max_trials)
    after = after._replace(trial=trial, width=after.right - after.left)
    return after, Verdict(accepted, ~accepted & stuck, better)


def _grow(line: Line, loss: Tensor, slope: Tensor, slack: Tensor) -> Tensor:
    """The next trial to the right of one that still falls steeply."""
    t = _minimum((line.left, line.left_loss, line.left_slope), (line.trial, loss, slope), slack)
    t = torch.where(t > line.trial, t, torch.inf)
    return t.clamp(GROW_LEAST * line.trial, GROW_MOST * line.trial)


def _shrink(line: Line, slack: Tensor) -> Tensor:
    """The next trial within the interval."""
    left, right = line.left, line.right
    width = right - left
    t = _minimum((left, line.left_loss, line.left_slope), (right, line.right_loss, line.right_slope), slack)
    t = torch.where(t.isfinite() & (width <= SLOW * line.width), t, left + width / 2)
    t = t.clamp(left + MARGIN * width, right - MARGIN * width)
    return torch.where(line.right_loss.isinf(), left + SHRINK * width, t)


def _minimum(a: tuple[Tensor, Tensor, Tensor], b: tuple[Tensor, Tensor, Tensor], slack: Tensor) -> Tensor:
    """Where the cubic through two points (t, φ, φ') is lowest (Nocedal & Wright, eq. 3.59); NaN: nowhere.

    Within the noise of φ only the slopes are used: their secant's zero.
    """
    (ta, fa, sa), (tb, fb, sb) = a, b
    width = tb - ta
    middle = sa + sb - 3 * (fb - fa) / width
    root = (middle.square() - sa * sb).sqrt()
    cubic = tb - width * (sb + root - middle) / (sb - sa + 2 * root)
    return torch.where((fb - fa).abs() <= slack, tb - width * sb / (sb - sa), cubic)
