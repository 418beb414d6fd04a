"""L-BFGS of independent rows, one evaluation per step."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from lit_nst.errors import InputError
from lit_nst.optimizers import line_search
from lit_nst.optimizers.history import VECTORS, aim, remember, start
from lit_nst.optimizers.line_search import Line, Rules, Verdict
from lit_nst.optimizers.rows import dot, largest, like, power_of_two, scaled


class RowLBFGS(Optimizer):
    """L-BFGS of every row of ``w`` on its own; a step is one evaluation of loss and gradient.

    d = −H·∇f, w ← x + t·d, with H from the last m pairs s = Δx, y = Δ∇f of the row, and t from a search for
    the strong Wolfe conditions. A step evaluates the trial in ``w``, row by row either accepts it (then
    the next trial has a new direction) or narrows the search, and writes the next trial. So ``w`` holds a
    trial that nobody has evaluated yet; the best accepted point of each row is ``state[w]["point"]``.

    Rows never touch each other: a batch gives what its rows alone give. The loss must be a function of
    ``w`` alone, the same at every step. Nothing depends on the loss's unit. After a change of w's shape or of
    the loss, ``state.clear()`` starts anew.

    Liu & Nocedal, "On the limited memory BFGS method for large scale optimization", 1989; Nocedal &
    Wright, "Numerical Optimization", 2006, algorithms 3.5, 3.6, 7.4 and 7.5; Hager & Zhang, "A new conjugate
    gradient method with guaranteed descent and an efficient line search", 2005; Byrd, Nocedal & Schnabel,
    "Representations of quasi-Newton matrices", 1994. Departures: the compact form of H instead of the
    two-loop recursion (the same numbers, two passes over the history); the interval of a search has a left
    and a right end, not a lower and a higher one; the first step has a given length in w, not one of
    1/‖g‖; near the floor of rounding a loss may stand above its lowest by ``noise`` times itself.

    A trial with a loss or gradient that is not finite counts as infinitely high. A search that fails goes
    to its lowest point and forgets the history; if there is no lower one, not even along −∇f, the row is
    ``finished`` and rests at its best point. So are rows with gradient 0, or not finite at the start.

    Args:
        params: The one parameter; its first axis are the rows, float32 or float64.
        first_trial: First t of a quasi-Newton direction; 1 is its own length. It is not called ``lr``, so that the
            step size of another optimiser's config is not taken over.
        history: m, pairs per row.
        c1: Share of the linear decrease that a step must reach.
        c2: Share of the slope that may be left, above ``c1``.
        max_trials: Evaluations before a search gives up.
        memory_budget: MiB for the history of each row; None: any. Lowers ``history`` where it must.
        first_step: Largest change of ``w`` by a step without history, in units of ``w``.
        noise: Differences of the loss below this share of it mean nothing; None: 10 roundings of w's type.
            A pass in bfloat16 needs about 1e-3.

    Attributes:
        row_losses: Gives the B losses of the last evaluation, detached; None: the closure's own, B = 1.

    Raises:
        InputError: Several parameters, a type or an option out of range, a budget below one pair.
    """

    row_losses: Callable[[], Tensor] | None = None

    def __init__(
        self,
        params: Iterable[Tensor],
        first_trial: float = 1.0,
        history: int = 20,
        c1: float = 1e-4,
        c2: float = 0.9,
        max_trials: int = 12,
        memory_budget: float | None = None,
        first_step: float = 0.05,
        noise: float | None = None,
    ) -> None:
        tensors = list(params)
        if len(tensors) != 1 or not torch.is_tensor(tensors[0]) or tensors[0].dim() == 0:
            raise InputError("RowLBFGS: it takes one parameter with rows; give [w]")
        if tensors[0].dtype not in (torch.float32, torch.float64):
            raise InputError(f"RowLBFGS: {tensors[0].dtype} cannot hold its steps; use float32")
        defaults: dict[str, Any] = {
            "first_trial": first_trial,
            "history": history,
            "c1": c1,
            "c2": c2,
            "max_trials": max_trials,
        }
        defaults |= {"first_step": first_step, "noise": 10 * torch.finfo(tensors[0].dtype).eps}
        defaults |= {"memory_budget": memory_budget} | ({} if noise is None else {"noise": noise})
        _check(defaults)
        super().__init__(tensors, defaults)
        self._pairs(tensors[0])

    @torch.no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Evaluates ``w``, then moves every row to its next trial.

        Args:
            closure: Puts the gradient into ``w.grad`` and returns the loss.

        Returns:
            What the closure returns.

        Raises:
            InputError: No closure, no gradient, or no losses of B rows.
        """
        if closure is None:
            raise InputError("RowLBFGS.step: it evaluates the loss itself; give a closure")
        with torch.enable_grad():
            result = closure()
        w = self.param_groups[0]["params"][0]
        if w.grad is None:
            raise InputError("RowLBFGS: w has no gradient; call backward in the closure")
        loss, state = self._losses(result, w), self.state[w]
        if not state:
            state.update(start(w, self._pairs(w)))
        # Lightning moves an optimiser's state to the device of w.
        state.update({key: value.cpu() for key, value in state.items() if key not in VECTORS})
        line, verdict = self._judge(state, w.grad, loss)
        state["best_gradient"] = torch.where(like(verdict.better, w), w.grad, state["best_gradient"])
        state.update(line._asdict())
        if bool((verdict.accepted | verdict.failed).any()):
            self._renew(state, w, loss, verdict)
        trial = state["point"] + like(state["trial"], w) * state["direction"]
        w.copy_(torch.where(like(state["finished"], w), state["point"], trial))
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores a state, all of it bit by bit; torch's own would round float64 entries to w's type."""
        super().load_state_dict(state_dict)
        for own, saved in zip(self.state.values(), state_dict["state"].values(), strict=True):
            # Copies, since the history is changed in place.
            own.update({key: (own if key in VECTORS else saved)[key].clone() for key in saved})

    def _losses(self, result: Any, w: Tensor) -> Tensor:
        losses = torch.as_tensor(result if self.row_losses is None else self.row_losses()).detach().cpu().double()
        if losses.numel() != len(w):
            raise InputError(f"RowLBFGS: {losses.numel()} loss(es) for {len(w)} rows of w; set row_losses")
        return losses.reshape(-1)

    def _pairs(self, w: Tensor) -> int:
        """The number of pairs that the memory allows."""
        group, pair = self.param_groups[0], 2 * w[0].numel() * w.element_size() / 2**20
        history, budget = int(group["history"]), group["memory_budget"]
        fits = history if budget is None else min(history, int(budget / pair))
        if fits < 1:
            raise InputError(f"RowLBFGS: memory_budget {budget} MiB is below one pair; give {pair:.3g} or more")
        return fits

    def _judge(self, state: dict[str, Tensor], gradient: Tensor, loss: Tensor) -> tuple[Line, Verdict]:
        rules = Rules(*[self.param_groups[0][key] for key in Rules._fields])
        before, going = Line(*[state[key] for key in Line._fields]), ~state["finished"]
        slope = dot(scaled(gradient, state["unit"]), state["direction"], going) * state["unit"]
        fine = loss.isfinite() & slope.isfinite() & largest(gradient).isfinite()
        line, verdict = line_search.judge(before, loss, slope, fine, rules)
        return line_search.choose(going, line, before), Verdict(*[mask & going for mask in verdict])

    def _renew(self, state: dict[str, Tensor], w: Tensor, loss: Tensor, verdict: Verdict) -> None:
        """New base points and directions for the rows whose search is over."""
        accepted, over = verdict.accepted, verdict.accepted | verdict.failed
        line = Line(*[state[key] for key in Line._fields])
        lost = verdict.failed & (line.best == 0) & (state["count"] == 0)
        best = state["point"] + like(line.best, w) * state["direction"]
        point = torch.where(like(accepted, w), w, torch.where(like(verdict.failed, w), best, state["point"]))
        assert w.grad is not None
        gradient = torch.where(like(accepted, w), w.grad, state["gradient"])
        gradient = torch.where(like(verdict.failed, w), state["best_gradient"], gradient)
        slopes = remember(state, point - state["point"], gradient, verdict)
        state["point"], state["gradient"] = point, gradient
        state["best_gradient"] = torch.where(like(over, w), gradient, state["best_gradient"])
        loss = torch.where(accepted, loss, line.best_loss)
        top = largest(gradient)
        fresh = over & (state["count"] == 0)
        state["unit"] = torch.where(fresh, power_of_two(top), state["unit"])
        state["finished"] = state["finished"] | lost | (over & ~(top > 0))
        first = self.param_groups[0]["first_step"]
        slope, length = aim(state, slopes, top, over & ~state["finished"], first)
        limit = torch.finfo(w.dtype).max * 1e-6 / length
        trial = torch.where(state["count"] > 0, max(float(self.param_groups[0]["first_trial"]), 1e-6), 1.0)
        begun = line_search.begin(loss, slope, torch.minimum(line.floor, loss), trial.to(loss), limit)
        state.update(line_search.choose(over, begun, line)._asdict())


def _check(options: dict[str, Any]) -> None:
    """Refuses options out of range."""
    ranges = {
        "first_trial": options["first_trial"] > 0,
        "history": options["history"] >= 1,
        "c1": 0 < options["c1"] < 0.5,
        "c2": options["c1"] < options["c2"] < 1,
        "max_trials": options["max_trials"] >= 1,
        "first_step": 0 < options["first_step"] < math.inf,
        "noise": 0 <= options["noise"] < 1,
    }
    for name, fine in ranges.items():
        if not fine:
            raise InputError(f"RowLBFGS: {name} {options[name]} is out of range; see its help")
