"""The task: the loop over the objective."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.features import Features
from lit_nst.functional.random import normal
from lit_nst.generators import Generator
from lit_nst.losses import Loss, Regulariser
from lit_nst.optimizers import RowLBFGS
from lit_nst.tasks.candidates import nearest_samples
from lit_nst.tasks.objective import Objective
from lit_nst.tasks.optimizer import check_optimizer
from lit_nst.tasks.schedule import Phases, Ramp, jitter
from lit_nst.tasks.search import Search

EXPLODED = 1e3


class Task(Objective):
    """Minimises the objective over ``w``, each row for itself.

    Subclasses give a signature; everything else is here and in ``Objective``. Per row the task keeps the ``w`` of
    the lowest loss so far, which is the result. A row whose loss grows to a thousand times its first one goes
    back to its best ``w``; one whose loss or gradient is not finite is stopped, unless the optimiser, as
    ``RowLBFGS`` does, steps back by itself.

    ``extra_rows`` is for callbacks: names of further tensors of w's shape, made, saved and shared out as ``w`` is.
    """

    best: Tensor
    best_loss: Tensor
    first_loss: Tensor
    stopped: Tensor

    def __init__(
        self,
        generator: Generator,
        features: Features | None,
        compared: Mapping[str, tuple[str, Loss | None]],
        regulariser: Regulariser | None,
        search: Search | None,
        optimizer: OptimizerCallable,
        blend: Sequence[float] | None = None,
        cap: int | None = None,
        floor: int | None = None,
    ) -> None:
        super().__init__(generator, features, compared, regulariser, search, blend, cap, floor)
        self.optimizer = optimizer
        self.extra_rows, self.reported = list[str](), set[int]()
        self._resumed: dict[str, Any] | None = None

    @property
    def row_state(self) -> tuple[str, ...]:
        """Names of the tensors with a line per row."""
        return (*super().row_state, "best", "best_loss", "first_loss", "stopped", *self.extra_rows)

    def setup(self, stage: str) -> None:
        """Makes ``w`` and loads the reference images; in place when ``w`` is there already."""
        super().setup(stage)
        search = self.search
        self.phases = Phases(self.trainer.max_steps, self.generator.phases, search.phases, search.phase_steps)
        self.best.copy_(self.w.detach())
        self.reported.clear()

    def make_rows(self, shape: tuple[int, ...]) -> None:
        """Also makes the bests."""
        super().make_rows(shape)
        for name in ("best", *self.extra_rows):
            self.register_buffer(name, torch.zeros(shape))
        for name, value in (("best_loss", float("inf")), ("first_loss", float("inf")), ("stopped", -1)):
            self.register_buffer(name, torch.full(shape[:1], value))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps what the optimiser, which is made later, is compared with."""
        super().on_load_checkpoint(checkpoint)
        self._resumed = next(iter(checkpoint.get("optimizer_states", [])), None)

    def on_fit_start(self) -> None:
        """Measures the references, and takes the nearest samples as start of a run that begins."""
        super().on_fit_start()
        # Of a run that goes on, the step is not known yet here.
        if self.search.candidates and self.first_loss.isinf().all():
            with torch.no_grad():
                self.w.copy_(nearest_samples(self))
            self.best.copy_(self.w.detach())

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Tensor]:
        """One evaluation of the objective; the loss is the sum over rows."""
        w = self._jittered()
        terms = self.terms(w)
        total = torch.stack(list(terms.values())).sum(0)
        self.row_losses = total.detach()
        fine = self.keep_best(w, self.row_losses)
        values = torch.stack([self.row_losses, *(value.detach() for value in terms.values())])
        # In double precision, where sums of a few thousand values do not depend on their order.
        sums = torch.cat([torch.where(fine, values, 0).double().sum(1), fine.sum()[None]])
        self._log(list(terms), sums)
        return {"loss": torch.where(fine, total, 0).sum(), "sums": sums}

    def _jittered(self) -> Tensor:
        size = self.search.jitter * jitter(self.global_step, self.trainer.max_steps)
        if size == 0:
            return self.w
        noise = [normal(self.w.shape[1:], self.seed, "jitter", *key, self.global_step) for key in self.row_keys()]
        shared = self.generator.share(torch.stack(noise), self.phases(self.global_step)).to(self.w)
        return self.generator.project(self.w + size * self.generator.scale * shared)

    @torch.no_grad()
    def keep_best(self, w: Tensor, total: Tensor, stop: bool = True) -> Tensor:
        """Updates the bests by some ``w`` and its losses; returns which rows are fine, and stops the others."""
        fine = (self.stopped < 0) & total.isfinite()
        if stop and not self.recovers:
            self.stopped.copy_(torch.where((self.stopped < 0) & ~fine, self.global_step, self.stopped))
        self.first_loss.copy_(torch.where(self.first_loss.isinf(), total, self.first_loss))
        better = fine & (total < self.best_loss)
        self.best_loss.copy_(torch.where(better, total, self.best_loss))
        self.best.copy_(torch.where(_like(better, w), w, self.best))
        return fine

    @property
    def recovers(self) -> bool:
        """Whether the optimiser itself steps back from a loss that is not finite."""
        return bool(self.trainer.optimizers) and isinstance(self.trainer.optimizers[0], RowLBFGS)

    def _log(self, names: list[str], sums: Tensor) -> None:
        # Lightning's own types lack the attribute.
        interval = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        if interval and (self.global_step + 1) % interval == 0:
            # In place.
            sums = self.trainer.strategy.reduce(sums.clone(), reduce_op="sum")
            for name, value in zip(("loss", *names), sums[:-1] / sums[-1].clamp_min(1), strict=True):
                self.log(name, value, prog_bar=True)
            self._report_stopped()

    @torch.no_grad()
    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Judges the last ``w`` too, which no further step would."""
        if self.global_step >= self.trainer.max_steps:
            self.keep_best(self.w, self.losses(self.w))

    def on_train_end(self) -> None:
        """Tells of rows that stopped since the last line of the log."""
        self._report_stopped()

    def _report_stopped(self) -> None:
        for row, step in zip(self.shard.rows, self.stopped.tolist(), strict=True):
            if step >= 0 and row not in self.reported:
                self.reported.add(row)
                warnings.warn(
                    f"row {row} ({self.names[row]}): its loss or gradient is not finite at step {step}; "
                    "it is stopped there, its best earlier step is kept",
                    stacklevel=2,
                )

    @torch.no_grad()
    def on_after_backward(self) -> None:
        """Stops the rows whose gradient is not finite, and takes their gradient away."""
        assert self.w.grad is not None
        fine = (self.stopped < 0) & self.w.grad.flatten(1).isfinite().all(1)
        if self.recovers:
            self.row_losses = torch.where(fine, self.row_losses, torch.inf)
        else:
            self.stopped.copy_(torch.where((self.stopped < 0) & ~fine, self.global_step, self.stopped))
        gradient = self.generator.tie(self.w.grad, self.phases(self.global_step))
        self.w.grad.copy_(torch.where(_like(fine, self.w), gradient, 0))

    def optimizer_step(self, *args: Any) -> None:
        """A step inside the generator's box; stopped rows stay, exploded ones go back to their best."""
        before = self.w.detach().clone()
        super().optimizer_step(*args)
        if self.recovers:
            return
        with torch.no_grad():
            exploded = self.row_losses > EXPLODED * self.first_loss
            moved = torch.where(_like(exploded, self.w), self.best, self.generator.project(self.w))
            self.w.copy_(torch.where(_like(self.stopped < 0, self.w), moved, before))

    def configure_optimizers(self) -> torch.optim.Optimizer | OptimizerLRSchedulerConfig:
        """The optimiser of ``w``, its step size in units of the generator's scale, with ramps."""
        try:
            optimizer = self.optimizer([self.w])
        except (TypeError, ValueError) as error:
            raise InputError(f"--model.optimizer: {error}; give another value") from None
        check_optimizer(optimizer, self.w, self._resumed)
        if isinstance(optimizer, RowLBFGS):
            return self._line_searches(optimizer)
        if isinstance(optimizer, torch.optim.LBFGS) and self.shard.total > 1:
            raise InputError("optimizer LBFGS couples the rows of w: give one image, or the optimizer RowLBFGS")
        for group in optimizer.param_groups:
            group["lr"] *= float(self.generator.scale)
        ramp = Ramp(self.trainer.max_steps, self.search.ramp_up, self.search.ramp_down)
        phases = self.phases
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: ramp(step) * phases.factor(step))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _line_searches(self, optimizer: RowLBFGS) -> RowLBFGS:
        moved = {
            "a change of generator.space": (self.generator.phases > 1, "one space"),
            "generator.noise optimized": (getattr(self.generator, "noise", None) == "optimized", "const or none"),
            "generator.box clamp": (self.generator.clamps, "sigmoid or none"),
            "search.jitter": (self.search.jitter, "0"),
        }
        for name, (moves, use) in moved.items():
            if moves:
                raise InputError(f"optimizer RowLBFGS: {name} would move w behind its line search; use {use}")
        optimizer.row_losses = lambda: self.row_losses
        for group in optimizer.param_groups:
            group["first_step"] *= float(self.generator.scale)
        return optimizer


def _like(rows: Tensor, w: Tensor) -> Tensor:
    """A mask of rows, broadcast to ``w``."""
    return rows.view(-1, *[1] * (w.dim() - 1))
