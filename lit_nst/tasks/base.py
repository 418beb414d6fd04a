"""The task: one optimised tensor, frozen networks, and all the hooks."""

import os
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn

from lit_nst.data import Images
from lit_nst.degradations import Degradation
from lit_nst.errors import InputError
from lit_nst.features import Features
from lit_nst.functional.random import normal
from lit_nst.generators import Generator
from lit_nst.losses import Loss, Regulariser
from lit_nst.tasks.frozen import freeze
from lit_nst.tasks.schedule import Ramp, jitter
from lit_nst.tasks.search import Search
from lit_nst.tasks.shard import Shard, check_trainer


class Task(LightningModule):
    """Minimises Σ λₖ·Lₖ(Φ(D(G(w))), Φ(tₖ)) + R(G(w), w) over ``w``, each row for itself.

    Subclasses give a signature; everything else is here. ``w`` is the only parameter. Per row the task
    keeps the ``w`` of the lowest loss so far; a row whose loss or gradient is not finite is stopped.

    Args:
        generator: G.
        features: Φ; None when no loss asks for a layer of a network.
        compared: Name of the term → (role of its reference image, loss).
        regulariser: R, or None.
        search: Optimiser, step-size ramps, start and jitter.
        optimizer: Makes the optimiser of ``[w]``; its step size is in units of the generator's scale.
    """

    roles: ClassVar[tuple[str, ...]] = ()
    degraded: ClassVar[tuple[str, ...]] = ("target",)
    row_state: ClassVar[tuple[str, ...]] = ("w", "best", "best_loss", "stopped")

    w: nn.Parameter
    best: Tensor
    best_loss: Tensor
    stopped: Tensor

    def __init__(
        self,
        generator: Generator,
        features: Features | None,
        compared: Mapping[str, tuple[str, Loss | None]],
        regulariser: Regulariser | None,
        search: Search | None,
        optimizer: OptimizerCallable,
    ) -> None:
        super().__init__()
        self.generator = freeze(generator)
        self.role_of = {name: role for name, (role, loss) in compared.items() if loss is not None}
        self.compared = nn.ModuleDict({name: loss for name, (_, loss) in compared.items() if loss is not None})
        self.regulariser = regulariser
        self.search, self.optimizer = search or Search(), optimizer
        self.degradation = nn.Sequential()
        named = [loss for _, loss in compared.values() if loss is not None]
        layers = dict.fromkeys(layer for loss in named for layer in loss.layers if layer != "image")
        if layers and features is None:
            raise InputError(
                f"the losses compare {', '.join(layers)}, but there is no network; give --model.features VGG16"
            )
        if features is not None and layers:
            features.select(list(layers))
        self.features = freeze(features) if features is not None and layers else None
        self.references: dict[str, dict[str, Tensor]] = {}
        self.reported: set[int] = set()

    def setup(self, stage: str) -> None:
        """Makes ``w`` and loads the reference images; in place when ``w`` is there already."""
        data: Images = self.trainer.datamodule  # type: ignore[attr-defined]
        for role in self.roles:
            data.require(role, type(self).__name__)
        check_trainer(self.trainer)
        self.shard = Shard(max(data.count(role) for role in self.roles), self.trainer)
        self.size = size = self._size(data)
        measured = self._attach(data, size)
        for role in self.roles:
            images = data.load(role, self.shard.padded, measured if self.measured(role) else size)
            self.register_buffer(role, images, persistent=False)
        shape = self.generator.shape((3, *size))
        start = [normal(shape, self.seed, "start", row) for row in self.shard.rows]
        self._make_rows((self.shard.local, *shape))
        with torch.no_grad():
            self.w.copy_(self.generator.center + self.search.spread * self.generator.scale * torch.stack(start))
            self.best.copy_(self.w)

    def _size(self, data: Images) -> tuple[int, int]:
        """Height and width of the generated images."""
        if self.generator.resolution is not None:
            return self.generator.resolution, self.generator.resolution
        height, width = data.load(self.roles[0], self.shard.padded).shape[-2:]
        return height, width

    def _attach(self, data: Images, size: tuple[int, int]) -> tuple[int, int]:
        """Hands the operators the images that they take from the data; returns the measurement's size."""
        probe = torch.full((len(self.shard.padded), 3, *size), 0.5)
        for operator in self.degradation:
            height, width = probe.shape[-2:]
            holes = data.mask_for(self.shard.padded, (height, width)) if operator.role == "mask" else None
            if holes is not None:
                operator.attach(holes)  # type: ignore[operator]
            probe = operator(probe)
        return probe.shape[-2], probe.shape[-1]

    def _make_rows(self, shape: tuple[int, ...]) -> None:
        if "w" not in self._parameters:
            self.w = nn.Parameter(torch.zeros(shape))
            self.register_buffer("best", torch.zeros(shape))
            self.register_buffer("best_loss", torch.full(shape[:1], float("inf")))
            self.register_buffer("stopped", torch.full(shape[:1], -1))

    def measured(self, role: str) -> bool:
        """Whether the images of a role are measurements already, not to be degraded again."""
        return role in self.degraded and any(getattr(operator, "observed", False) for operator in self.degradation)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuses the checkpoint of another problem; makes the rows where there was no ``setup``."""
        shape = tuple(checkpoint["state_dict"]["w"].shape)
        if "w" not in self._parameters:
            self._make_rows(shape)
        elif (self.shard.total, *self.w.shape[1:]) != shape:
            raise InputError(
                f"ckpt_path holds w of shape {shape}, this run needs {(self.shard.total, *self.w.shape[1:])}: "
                "give the images and the config of the run that wrote it"
            )

    def on_fit_start(self) -> None:
        """Degrades the references and computes their statistics, once, on the device."""
        with torch.no_grad():
            for role in self.roles:
                images = getattr(self, role)
                if role in self.degraded and not self.measured(role):
                    images = self.observe(images)
                    setattr(self, role, images)
                maps = self._maps(images)
                for name, own_role in self.role_of.items():
                    if own_role == role:
                        self.references[name] = self.compared[name].measure(maps)  # type: ignore[operator]

    def observe(self, images: Tensor) -> Tensor:
        """The true measurement of this process's (padded) rows."""
        for operator in self.degradation:
            assert isinstance(operator, Degradation)
            images = operator.observe(images, self.shard.padded)
        return images

    def _maps(self, images: Tensor) -> dict[str, Tensor]:
        maps = {} if self.features is None else self.features(images)
        return {"image": images, **maps}

    @property
    def seed(self) -> int:
        """Seed of all random numbers of the task: the search's own, or that of ``seed_everything``."""
        return self.search.seed if self.search.seed is not None else int(os.environ.get("PL_GLOBAL_SEED", 0))

    def gather(self, rows: Tensor) -> Tensor:
        """All rows of a per-row tensor on rank 0, in order; every process must call it."""
        strategy = self.trainer.strategy
        return strategy.gather(rows) if hasattr(strategy, "gather") else rows

    def forward(self, w: Tensor) -> Tensor:
        """Rows of ``w`` → clean images in [0, 1]."""
        image: Tensor = self.generator(self.shard.pad(w))
        return image[: len(w)].clamp(0, 1)

    def terms(self, w: Tensor) -> dict[str, Tensor]:
        """Every weighted term at ``w``, one value per row."""
        padded = self.shard.pad(w)
        image = self.generator(padded)
        maps = self._maps(self.degradation(image))
        terms = {name: loss(maps, self.references[name]) for name, loss in self.compared.items()}
        if self.regulariser is not None:
            terms["regulariser"] = self.regulariser(image, self.generator.standardize(padded))
        return {name: value[: len(w)] for name, value in terms.items()}

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Tensor]:
        """One evaluation of the objective; the loss is the sum over rows."""
        w = self._jittered()
        terms = self.terms(w)
        total = torch.stack(list(terms.values())).sum(0)
        fine = self._keep_best(w, total.detach())
        values = torch.stack([total.detach(), *(value.detach() for value in terms.values())])
        sums = torch.cat([torch.where(fine, values, 0).sum(1), fine.sum()[None]])
        self._log(list(terms), sums)
        return {"loss": torch.where(fine, total, 0).sum(), "sums": sums}

    def _jittered(self) -> Tensor:
        size = self.search.jitter * jitter(self.global_step, self.trainer.max_steps)
        if size == 0:
            return self.w
        noise = [normal(self.w.shape[1:], self.seed, "jitter", row, self.global_step) for row in self.shard.rows]
        return self.w + size * self.generator.scale * torch.stack(noise).to(self.w)

    @torch.no_grad()
    def _keep_best(self, w: Tensor, total: Tensor) -> Tensor:
        """Updates the bests; returns which rows go on."""
        fine = (self.stopped < 0) & total.isfinite()
        self.stopped.copy_(torch.where((self.stopped < 0) & ~fine, self.global_step, self.stopped))
        better = fine & (total < self.best_loss)
        self.best_loss.copy_(torch.where(better, total, self.best_loss))
        self.best.copy_(torch.where(_like(better, w), w, self.best))
        return fine

    def _log(self, names: list[str], sums: Tensor) -> None:
        # Lightning's own types lack the attribute.
        interval = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        if interval and (self.global_step + 1) % interval == 0:
            sums = self.trainer.strategy.reduce(sums, reduce_op="sum")
            for name, value in zip(("loss", *names), sums[:-1] / sums[-1].clamp_min(1), strict=True):
                self.log(name, value, prog_bar=True)
            self._report_stopped()

    @torch.no_grad()
    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Judges the last ``w`` too, which no further step would."""
        if self.global_step >= self.trainer.max_steps:
            self._keep_best(self.w, torch.stack(list(self.terms(self.w).values())).sum(0))

    def on_train_end(self) -> None:
        """Tells of rows that stopped since the last line of the log."""
        self._report_stopped()

    def _report_stopped(self) -> None:
        names = self.trainer.datamodule.names(self.roles[0])  # type: ignore[attr-defined]
        for row, step in zip(self.shard.rows, self.stopped.tolist(), strict=True):
            if step >= 0 and row not in self.reported:
                self.reported.add(row)
                warnings.warn(
                    f"row {row} ({names[row]}): its loss or gradient is not finite at step {step}; "
                    "it is stopped there, its best earlier step is kept",
                    stacklevel=2,
                )

    @torch.no_grad()
    def on_after_backward(self) -> None:
        """Stops the rows whose gradient is not finite, and takes their gradient away."""
        assert self.w.grad is not None
        fine = (self.stopped < 0) & self.w.grad.flatten(1).isfinite().all(1)
        self.stopped.copy_(torch.where((self.stopped < 0) & ~fine, self.global_step, self.stopped))
        self.w.grad.copy_(torch.where(_like(fine, self.w), self.w.grad, 0))

    def optimizer_step(self, *args: Any) -> None:
        """A step that leaves stopped rows where they are, whatever the optimiser's momentum says."""
        before = self.w.detach().clone()
        super().optimizer_step(*args)
        with torch.no_grad():
            self.w.copy_(torch.where(_like(self.stopped < 0, self.w), self.w, before))

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """The optimiser of ``w``, its step size in units of the generator's scale, with ramps."""
        try:
            optimizer = self.optimizer([self.w])
        except (TypeError, ValueError) as error:
            raise InputError(f"--model.optimizer: {error}") from None
        if isinstance(optimizer, torch.optim.LBFGS) and self.shard.total > 1:
            raise InputError("optimizer LBFGS couples the rows of w: give one image, or another optimiser")
        for group in optimizer.param_groups:
            group["lr"] *= float(self.generator.scale)
        ramp = Ramp(self.trainer.max_steps, self.search.ramp_up, self.search.ramp_down)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, ramp)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _like(rows: Tensor, w: Tensor) -> Tensor:
    """A mask of rows, broadcast to ``w``."""
    return rows.view(-1, *[1] * (w.dim() - 1))
