"""What a row remembers of its way, and where that points."""

import torch
from torch import Tensor

from lit_nst.optimizers.direction import chunked, combined, dots, quasi_newton, unchunked
from lit_nst.optimizers.line_search import Verdict, begin
from lit_nst.optimizers.rows import dot, largest, like, scaled

# Tensors of w's type, on its device; all others stay on the CPU.
VECTORS = ("point", "gradient", "direction", "best_gradient", "pairs")


def start(w: Tensor, m: int) -> dict[str, Tensor]:
    """A state whose first trial is accepted wherever it is finite."""
    rows, (_, chunks, length) = len(w), chunked(w[:1]).shape
    zero, none = torch.zeros(rows, dtype=torch.float64), torch.full((rows,), torch.inf, dtype=torch.float64)
    line = begin(none, zero, none, zero, none)
    return {
        **{key: torch.zeros_like(w) for key in VECTORS[1:-1]},
        "point": w.clone(),
        "pairs": w.new_zeros(rows, chunks, 2 * m, length),
        "gram": zero.new_zeros(rows, 2 * m, 2 * m),
        "head": zero.long(),
        "count": zero.long(),
        "gamma": zero,
        "unit": zero + 1,
        "finished": zero.bool(),
        **line._asdict(),
    }


def remember(state: dict[str, Tensor], s: Tensor, gradient: Tensor, verdict: Verdict) -> Tensor:
    """Takes in the pairs of accepted rows; returns the history's products with the new gradients."""
    pairs, m, head = state["pairs"], state["pairs"].shape[2] // 2, state["head"]
    y = scaled(gradient - state["gradient"], state["unit"])
    new = torch.stack([chunked(s), chunked(y), chunked(scaled(gradient, state["unit"]))], 2)
    rows, slots = verdict.accepted.nonzero()[:, 0], head.tolist()
    for row in rows.tolist():
        pairs[row, :, [slots[row], m + slots[row]]] = new[row, :, :2]
    products = dots(pairs, new, rows.tolist())
    for column in (0, 1):
        slot = head[rows] + m * column
        state["gram"][rows, :, slot] = products[rows, :, column]
        state["gram"][rows, slot, :] = products[rows, :, column]
    every = torch.arange(len(head))
    ss, sy, yy = products[every, head, 0], products[every, head, 1], products[every, m + head, 1]
    good = verdict.accepted & (sy > torch.finfo(s.dtype).eps * (ss * yy).sqrt())
    # A pair without curvature has taken the oldest slot of a full ring; it may not even be finite.
    for row in (verdict.accepted & ~good).nonzero()[:, 0].tolist():
        pairs[row, :, [slots[row], m + slots[row]]] = 0
    count = torch.where(good, state["count"] + 1, state["count"].clamp_max(m - 1)).clamp_max(m)
    count = torch.where(verdict.accepted, count, state["count"])
    state["count"] = torch.where(verdict.failed, 0, count)
    state["head"] = torch.where(good, (head + 1) % m, head)
    state["gamma"] = torch.where(good, sy / yy / state["unit"], state["gamma"])
    return products[:, :, 2]


def aim(
    state: dict[str, Tensor], slopes: Tensor, top: Tensor, rows: Tensor, first_step: float
) -> tuple[Tensor, Tensor]:
    """New directions of some rows; returns their slopes and their largest entries."""
    g = scaled(state["gradient"], state["unit"])
    weights, gamma = quasi_newton(state["gram"], slopes, state["head"], state["count"])
    with_history = rows & (state["count"] > 0)
    history = combined(state["pairs"], weights, with_history.nonzero()[:, 0].tolist())
    newton = -(like(gamma, g) * g + unchunked(history, g))
    size = torch.where(state["gamma"] > 0, state["gamma"] * top, torch.inf)
    size = size.clamp_max(first_step)
    steepest = -like(size / (top / state["unit"]), g) * g
    squares = [dot(a, b, with_history) for a, b in ((g, newton), (g, g), (newton, newton))]
    descends = squares[0] < -torch.finfo(g.dtype).eps * (squares[1] * squares[2]).sqrt()
    descends = descends & with_history & largest(newton).isfinite()
    state["count"] = torch.where(rows & ~descends, 0, state["count"])
    direction = torch.where(like(descends, g), newton, steepest)
    state["direction"] = torch.where(like(rows, g), direction, state["direction"])
    return dot(g, state["direction"], rows) * state["unit"], largest(state["direction"])
