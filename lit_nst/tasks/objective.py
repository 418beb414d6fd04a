"""The objective: one tensor, frozen networks, references, terms."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from lit_nst.data import Images
from lit_nst.degradations import Degradation
from lit_nst.errors import InputError
from lit_nst.features import Features
from lit_nst.generators import Generator
from lit_nst.losses import Loss, Regulariser
from lit_nst.tasks.frozen import freeze
from lit_nst.tasks.grid import Grid
from lit_nst.tasks.references import check_blend, reference_statistics
from lit_nst.tasks.search import Search
from lit_nst.tasks.shard import Shard, check_trainer
from lit_nst.tasks.start import start
from lit_nst.tasks.view import View


class Objective(LightningModule):
    """Σ λₖ·Lₖ(Φ(D(G(w))), Φ(tₖ)) + R(G(w), w), one value per row of ``w``.

    ``w`` is the only parameter. Its rows are the product of the pictures of every role, of the weights of
    every term and of the restarts.

    Args:
        generator: G.
        features: Φ; None when no loss asks for a layer of a network.
        compared: Name of the term → (role of its reference image, loss).
        regulariser: R, or None.
        search: Start and restarts.
        blend: Weights of the style pictures, which are then one target; None: each is a row of its own.
        cap: Longest side that is compared; larger pictures are shrunk by a whole factor. None: no limit.
        floor: Shortest side that the network sees; smaller pictures are enlarged for it. None: no limit.
    """

    roles: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ("target",)

    w: nn.Parameter
    best: Tensor

    def __init__(
        self,
        generator: Generator,
        features: Features | None,
        compared: Mapping[str, tuple[str, Loss | None]],
        regulariser: Regulariser | None,
        search: Search | None,
        blend: Sequence[float] | None = None,
        cap: int | None = None,
        floor: int | None = None,
    ) -> None:
        super().__init__()
        self.generator = freeze(generator)
        self.role_of = {name: role for name, (role, loss) in compared.items() if loss is not None}
        self.compared = nn.ModuleDict({name: loss for name, (_, loss) in compared.items() if loss is not None})
        self.regulariser = regulariser
        self.search, self.blend = search or Search(), blend
        self.degradation = nn.Sequential()
        named = [loss for _, loss in compared.values() if loss is not None]
        self.view = View([layer for loss in named for layer in loss.layers], features, cap, floor)
        self.features = freeze(features) if features is not None and self.view.layers else None
        self.references: dict[str, dict[str, Tensor]] = {}
        self.pictures: dict[str, dict[int, Tensor]] = {}
        self.mixed = False
        self.chosen: list[int] | None = None
        self.lone = False
        self._laid_out: Images | None = None

    def choose(self, rows: Sequence[int] | None, lone: bool = False) -> None:
        """Sets which rows of the grid the next fit computes; a task may be fitted several times.

        Args:
            rows: Their numbers; None: all.
            lone: A single row is computed once, with half the memory, though its last bits may then differ from those
                that it has in company.
        """
        self.chosen, self.lone = None if rows is None else list(rows), lone

    def lay_out(self, data: Images) -> int:
        """Makes the grid of all rows, of which a fit computes all or the chosen ones; returns their number.

        Raises:
            InputError: Pictures that are missing, or that this task has no use for.
        """
        for role in self.roles:
            data.require(role, type(self).__name__)
        for role in data.sources:
            if data.has(role) and role not in (*self.roles, *(("truth", "mask") if "target" in self.roles else ())):
                takes = ", ".join(self.roles) or f"no picture; give it a loss, --model.{role}, or leave the picture out"
                raise InputError(f"--data.{role}: {type(self).__name__} has no {role}; it takes {takes}")
        self._make_grid(data)
        # A run of many units asks for the same grid before each of them.
        self._laid_out = data
        return len(self.grid)

    def unreadable(self, row: int, data: Images) -> str | None:
        """Why a picture of a row cannot be read; None: it can."""
        own = self.grid[row].images
        try:
            for role in self.roles:
                if self.blend is None or role != "style":
                    data.load(role, [own[role]])
            if "target" in self.roles:
                data.mask_for([own["target"]])
                if data.has("truth") and data.count("truth") == data.count("target"):
                    data.load("truth", [own["target"]])
        except InputError as error:
            return str(error)
        return None

    def setup(self, stage: str) -> None:
        """Makes ``w`` and loads the reference images; in place when ``w`` is there already."""
        data: Images = self.trainer.datamodule  # type: ignore[attr-defined]
        if self._laid_out is not data:
            self.lay_out(data)
        if len(self.degradation) and "target" not in self.roles:
            raise InputError(f"Degrade: {type(self).__name__} has no target to degrade; leave it out")
        check_trainer(self.trainer)
        rows = range(len(self.grid)) if self.chosen is None else self.chosen
        self.shard = Shard(rows, self.trainer, self.generator.small or (len(self.grid) > 1 and not self.lone))
        self.size = self._size(data)
        measured = self._attach(data, self.size)
        for role in self.roles:
            if role == "style":
                own = None if self.blend is not None else (self.grid[row].images[role] for row in self.shard.all)
                self.pictures[role] = data.load_styles(self.size, own)
                self.mixed = len(data.style_sizes(self.size)) > 1
            else:
                size = measured if self.measured(role) else self.size
                self.register_buffer(role, data.load(role, self.images(role), size), persistent=False)
        shape = self.generator.shape((3, *self.size))
        self.make_rows((self.shard.local, *shape))
        with torch.no_grad():
            self.w.copy_(self.first(shape))

    def first(self, shape: torch.Size) -> Tensor:
        """The ``w`` that this process's rows, of a shape each, start from."""
        return start(self, shape)

    def _make_grid(self, data: Images) -> None:
        self.role_names = names = self.named(data)
        if self.blend is not None:
            check_blend(self.blend, len(names["style"]))
            names["style"] = ["-".join(names["style"])]
        counts = {role: len(own) for role, own in names.items()}
        self.grid = Grid(counts, {name: term.weights for name, term in self._weighted()}, self.search.restarts)
        self.names = self.grid.names(names)

    def named(self, data: Images) -> dict[str, list[str]]:
        """Role → a name for each thing of that role; the rows are their product."""
        return {role: data.names(role) for role in self.roles}

    def images(self, role: str) -> list[int]:
        """Number of the picture of a role, for each of this process's (padded) rows."""
        return [self.grid[row].images[role] for row in self.shard.padded]

    def _size(self, data: Images) -> tuple[int, int]:
        """Height and width of the generated images."""
        if self.generator.resolution is not None:
            return self.generator.resolution, self.generator.resolution
        return data.run_size(self.roles[0])

    def _attach(self, data: Images, size: tuple[int, int]) -> tuple[int, int]:
        """Hands the operators the images that they take from the data; returns the measurement's size."""
        probe = torch.full((len(self.shard.padded), 3, *size), 0.5)
        for operator in self.degradation:
            height, width = probe.shape[-2:]
            holes = data.mask_for(self.images("target"), (height, width)) if operator.role == "mask" else None
            if holes is not None:
                operator.attach(holes)  # type: ignore[operator]
            probe = operator(probe)
        return probe.shape[-2], probe.shape[-1]

    def make_rows(self, shape: tuple[int, ...]) -> None:
        """Makes ``w``, where there is none of that shape, and what is kept per row."""
        if "w" not in self._parameters or self.w.shape != shape:
            self.w = nn.Parameter(torch.zeros(shape))

    @property
    def row_state(self) -> tuple[str, ...]:
        """Names of the tensors with a line per row."""
        return ("w",)

    @property
    def shown(self) -> Tensor:
        """What a look at the run shows: rows that ``forward`` makes images of."""
        return self.w

    @property
    def noisy(self) -> Tensor | None:
        """Of a sampling the latents with their noise, of the size of clean ones; None for a search."""
        return None

    @property
    def counts(self) -> dict[str, Tensor]:
        """What a run counts per row, for its figures."""
        return {}

    @property
    def columns(self) -> list[str]:
        """What a step reports beside the loss."""
        named = [*self.compared, *([] if self.regulariser is None else ["regulariser"])]
        return named + ([] if self.generator.penalty(self.w.detach()) is None else ["noise"])

    def problem(self, row: int) -> dict[str, Any]:
        """What a row is: its pictures, weights and start."""
        own = self.grid[row]
        return {
            "images": {role: self.role_names[role][index] for role, index in own.images.items()},
            "weights": {term: self.grid.weight(row, term) for term in self.grid.weights},
            "restart": own.restart,
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Notes which rows the lines of the tensors are."""
        checkpoint["rows"] = self.shard.all

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuses the checkpoint of another problem; makes the rows where there was no ``setup``."""
        shape = tuple(checkpoint["state_dict"]["w"].shape)
        advice = "give the images and the config of the run that wrote it"
        if "w" not in self._parameters:
            self.make_rows(shape)
        elif (needed := (self.shard.total, *self.w.shape[1:])) != shape:
            raise InputError(f"ckpt_path holds w of shape {shape}, this run needs {needed}: {advice}")
        elif (rows := checkpoint.get("rows", self.shard.all)) != self.shard.all:
            raise InputError(f"ckpt_path holds the rows {rows[0]} … {rows[-1]}, not {self.shard.all[0]} …: {advice}")
        if differing := ", ".join(sorted(set(checkpoint["state_dict"]) ^ set(self.state_dict()))):
            advice = "give the callbacks of the run that wrote it"
            raise InputError(f"ckpt_path and this run differ in {differing}: {advice}")

    def measured(self, role: str) -> bool:
        """Whether the images of a role are measurements already, not to be degraded again."""
        return role in self.degraded and any(getattr(operator, "observed", False) for operator in self.degradation)

    def on_fit_start(self) -> None:
        """Degrades the references and computes their statistics, once, on the device."""
        with torch.no_grad():
            for role in self.degraded:
                if role in self.roles and not self.measured(role):
                    setattr(self, role, self.observe(getattr(self, role)))
            self.references = reference_statistics(self)
        for name, term in self._weighted():
            weights = [self.grid.weight(row, name) for row in self.shard.padded]
            term.row_weight = torch.tensor(weights, device=self.device) if len(term.weights) > 1 else None

    def _weighted(self) -> list[tuple[str, Loss | Regulariser]]:
        """Every term by its name."""
        terms: list[tuple[str, Loss | Regulariser]] = list(self.compared.items())  # type: ignore[arg-type]
        return terms if self.regulariser is None else [*terms, ("regulariser", self.regulariser)]

    def observe(self, images: Tensor) -> Tensor:
        """The true measurement of this process's (padded) rows; that of a picture is the same in all its rows."""
        for operator in self.degradation:
            assert isinstance(operator, Degradation)
            images = operator.observe(images, self.images("target"))
        return images

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """Layer → feature map of some images, as the losses name them."""
        return self.view(images, self.features)

    def row_keys(self) -> list[tuple[int | str, ...]]:
        """What the random numbers of each of this process's rows are keyed by: picture and restart."""
        problems = [self.grid[row] for row in self.shard.rows]
        keys = [(problem.images[self.roles[0]], problem.restart) for problem in problems]
        return [(image,) if restart == 0 else (image, "restart", restart) for image, restart in keys]

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
        maps = self.maps(self.degradation(image))
        terms = {name: loss(maps, self.references[name]) for name, loss in self.compared.items()}
        if self.regulariser is not None:
            terms["regulariser"] = self.regulariser(image, self.generator.standardize(padded))
        if (penalty := self.generator.penalty(padded)) is not None:
            terms["noise"] = penalty
        return {name: value[: len(w)] for name, value in terms.items()}

    def rehearse(self) -> None:
        """Evaluates and differentiates the dearest step; ``w`` stays, and has no gradient after."""
        self.losses(self.w).sum().backward()  # type: ignore[no-untyped-call]
        self.w.grad = None

    def losses(self, w: Tensor) -> Tensor:
        """The objective at ``w``, one value per row."""
        return torch.stack(list(self.terms(w).values())).sum(0)
