"""Sampling a diffusion model, steered by losses."""

import re
import warnings
from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from lit_nst.data import Images
from lit_nst.errors import InputError
from lit_nst.features import Features
from lit_nst.functional.random import seeded_normal
from lit_nst.generators import LatentDiffusion
from lit_nst.losses import Loss, Regulariser
from lit_nst.samplers import Denoising, Process, Sampler
from lit_nst.tasks.guidance import Cfg, Guidance, Guide, Guided, Prompted
from lit_nst.tasks.objective import Objective
from lit_nst.tasks.search import MOST, Search

# PyTorch keeps 32 bits of a seed.
LONGEST, LARGEST = 60, 2**32


@final
class GuidedDiffusion(Objective):
    """Samples pictures of a prompt by a latent diffusion model, steered by losses.

    One step of the trainer is one pass of the U-Net, and ``w`` is the latent on its way from noise to picture, in the
    sampler's own space. Each pass predicts the clean latent x₀; where the schedule says so, the terms at the picture
    of x₀ are differentiated, and the gradient changes the step: with a style loss the sampling draws the prompt in a
    style that it may have no word for, with a target and a degradation it restores.

    Rows are prompts × styles (or targets) × weights × samples. The sample of one seed starts from the same noise in
    every row. A weight of 0, and every pass before the schedule's start, is the plain sampling, bit for bit. A
    gradient that is not finite is left out, counted and told of.

    Here a term's figure is its distance without λ, since rows of λ = 0 have one too; ``loss`` is Σ λ·distance. They are
    those of x₀ before the change; ``guidance`` is the change's size as a multiple of what the prompt does, or in units
    of the noise where ``cfg.scale`` is 1. A row has the same bits in any company, with the generator's ``group``.

    Args:
        generator: The diffusion model.
        style: Loss against the style.
        palette: Second loss against the style.
        target: Loss between the measurement of the prediction and that of the target.
        pixel: Second loss against the target, usually on the image itself.
        regulariser: Term on the image.
        features: Network whose layers the losses name.
        prompt: What the pictures show; several are a row each. On the command line a text with a colon needs quotes of
            its own: ``'"a poster: a ring"'``.
        negative: What they shall not show.
        samples: Pictures for each prompt and style.
        seed: Of the first sample, whose first noise is ``torch.Generator().manual_seed(seed)``'s, as in diffusers; the
            next ones have the next numbers. None: that of ``--seed_everything``.
        sampler: How a step goes.
        cfg: Guidance by the prompt.
        guidance: Guidance by the losses.
        cap: Longest side that is compared; larger pictures are shrunk by a whole factor before the network and the
            losses. None: no limit.
        floor: Shortest side that the network sees; smaller pictures are enlarged for it. None: no limit.

    Raises:
        InputError: No prompt, no sample, or settings that do not go together.
    """

    best: Tensor
    best_loss: Tensor
    stopped: Tensor
    skipped: Tensor
    row_seeds: Tensor

    def __init__(
        self,
        generator: LatentDiffusion,
        style: Loss | None = None,
        palette: Loss | None = None,
        target: Loss | None = None,
        pixel: Loss | None = None,
        regulariser: Regulariser | None = None,
        features: Features | None = None,
        prompt: str | list[str] = "",
        negative: str = "",
        samples: int = 1,
        seed: int | None = None,
        sampler: Sampler | None = None,
        cfg: Cfg | None = None,
        guidance: Guidance | None = None,
        cap: int | None = None,
        floor: int | None = None,
    ) -> None:
        compared = {
            "style": ("style", style),
            "palette": ("style", palette),
            "target": ("target", target),
            "pixel": ("target", pixel),
        }
        if not isinstance(samples, int) or samples < 1:
            raise InputError(f"model.samples is {samples}; give at least 1")
        if samples > MOST:
            raise InputError(f"model.samples is {samples}; give at most {MOST}")
        if seed is not None and not 0 <= seed <= LARGEST - samples:
            raise InputError(f"model.seed is {seed}; give a number from 0 to 2**32 less the samples")
        search = Search(spread=1.0, restarts=samples, seed=seed)
        super().__init__(generator, features, compared, regulariser, search, cap=cap, floor=floor)
        self.automatic_optimization = False
        self.prompts, self.negative = [prompt] if isinstance(prompt, str) else list(prompt or []), negative
        if not self.prompts or not all(isinstance(text, str) for text in self.prompts):
            raise InputError("model.prompt is empty or no text; give one, or several")
        if not isinstance(negative, str):
            raise InputError(f"model.negative is {negative}, no text; give one, which may be empty")
        self.roles = tuple(dict.fromkeys(self.role_of.values()))
        self.sampler, self.cfg, self.guidance = sampler or Sampler(), cfg or Cfg(), guidance or Guidance()
        self._check_pull([prompt for prompt in self.prompts if prompt == negative])

    def _check_pull(self, same: list[str]) -> None:
        """Refuses guidance in units of the prompt's where that is 0."""
        guides = any(weight for _, term in self._weighted() for weight in term.weights)
        if self.guidance.scale != "cfg" or not guides:
            return
        if self.cfg.scale in (0, 1):
            why = f"cfg.scale is {self.cfg.scale:g}; use guidance.scale rms, or another cfg.scale"
            raise InputError(f"guidance.scale is cfg, but {why}")
        if same:
            why = f'the prompt "{same[0]}" says what the negative one says; use guidance.scale rms, or another prompt'
            raise InputError(f"guidance.scale is cfg, but {why}")

    def named(self, data: Images) -> dict[str, list[str]]:
        """The pictures of every role, and the prompts as names of files."""
        return {"prompt": slugs(self.prompts), **super().named(data)}

    def setup(self, stage: str) -> None:
        """Makes the latents, and the sampler for as many passes as the trainer has steps."""
        super().setup(stage)
        self.process = self._process()
        with torch.no_grad():
            self.w.mul_(self.process.start_scale)
            self.best.copy_(self.w * self.process.levels[0].unit)
            self.row_seeds.copy_(torch.tensor(self.seeds))

    def _process(self) -> Process:
        assert isinstance(self.generator, LatentDiffusion)
        passes = self.trainer.max_steps
        process = self.sampler.build(self.generator.scheduler, passes, self.guidance.travel)
        drawn = self.guidance.scale == "spherical" and self.guidance.inject == "post_step"
        if drawn and not process.stochastic:
            raise InputError(
                "guidance.scale spherical after the step turns the noise that the sampler draws, but "
                f"{self.sampler.name} draws none; use ddim with sampler.eta 1, or guidance.inject model_output"
            )
        if self.guidance.inject == "post_step" and process.corrects:
            raise InputError(
                f"guidance.inject post_step: {self.sampler.name} takes each step again from its beginning, and what is "
                "added in between is lost; use model_output, or another sampler"
            )
        self.factors = {
            name: self.guidance.schedule_of(name).weights(process.levels[:-1]) for name, _ in self._weighted()
        }
        for name, term in self._weighted():
            if any(term.weights) and not any(self.factors[name]):
                raise InputError(
                    f"guidance.schedule leaves {name} none of the {passes} passes; lower its start or raise its stop"
                )
        return process

    def first(self, shape: torch.Size) -> Tensor:
        """The noise of each row's seed."""
        return torch.stack([seeded_normal(shape, seed) for seed in self.seeds])

    @property
    def seeds(self) -> list[int]:
        """The seed of each of this process's rows."""
        return [self.seed + self.grid[row].restart for row in self.shard.rows]

    def row_keys(self) -> list[tuple[int | str, ...]]:
        """What the random numbers of each of this process's rows are keyed by."""
        return [(seed,) for seed in self.seeds]

    @property
    def row_state(self) -> tuple[str, ...]:
        """Names of the tensors with a line per row."""
        return (*super().row_state, "best", "best_loss", "stopped", "skipped", "row_seeds")

    def make_rows(self, shape: tuple[int, ...]) -> None:
        """Also makes the predicted clean latents, and what is counted per row."""
        super().make_rows(shape)
        self.register_buffer("best", torch.zeros(shape))
        self.register_buffer("best_loss", torch.full(shape[:1], torch.inf))
        self.register_buffer("stopped", torch.full(shape[:1], -1))
        self.register_buffer("skipped", torch.zeros(shape[:1], dtype=torch.long))
        self.register_buffer("row_seeds", torch.zeros(shape[:1], dtype=torch.long))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuses also the checkpoint of other seeds."""
        super().on_load_checkpoint(checkpoint)
        if hasattr(self, "grid"):
            own = [self.seed + self.grid[row].restart for row in self.shard.all]
            if (given := checkpoint["state_dict"]["row_seeds"].tolist()) != own:
                raise InputError(
                    f"ckpt_path has the seeds {given[0]} …, this run {own[0]} …; give the seed it began with"
                )

    @property
    def shown(self) -> Tensor:
        """The predicted clean latents."""
        return self.best

    @property
    def noisy(self) -> Tensor:
        """The latents on their way."""
        done = self.global_step
        level = self.process.plan[done].index if done < len(self.process.plan) else -1
        return self.w.detach() * self.process.levels[level].unit

    @property
    def counts(self) -> dict[str, Tensor]:
        """How many gradients were left out."""
        return {"skipped": self.skipped}

    @property
    def columns(self) -> list[str]:
        """What a step reports beside the loss."""
        return [*super().columns, "guidance"]

    def problem(self, row: int) -> dict[str, Any]:
        """What a row is: also its prompt and seed."""
        own = self.grid[row]
        text, seed = self.prompts[own.images["prompt"]], self.seed + own.restart
        return {**super().problem(row), "prompt": text, "seed": seed, "passes": self.trainer.max_steps}

    def on_fit_start(self) -> None:
        """Measures the references and reads the prompts."""
        super().on_fit_start()
        assert isinstance(self.generator, LatentDiffusion)
        rows = [self.grid[row] for row in self.shard.rows]
        self.amounts: dict[str, Tensor] = {}
        for name, term in self._weighted():
            weights = [term.weights[row.setting[name]] for row in rows]
            self.amounts[name] = self.w.new_tensor(weights).view(-1, *[1] * (self.w.dim() - 1))
            term.row_weight = 1.0
        texts = self.generator.embed([self.negative, *self.prompts])
        same = [text for text, own in zip(self.prompts, texts[1:], strict=True) if torch.equal(own, texts[0])]
        self._check_pull(same)
        positive = texts[[1 + row.images["prompt"] for row in rows]]
        states = texts[:1].expand_as(positive), positive
        estimate = Prompted(self.process, self.cfg, self.generator.predict, states)
        self.guide = Guide(self.guidance, self.process, estimate, self.terms, self.seeds)

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Tensor]:
        """One denoising step."""
        turn = self.process.plan[self.global_step]
        guided = self.guide(self.w.detach(), turn, self._amounts(turn.index))
        optimizer: Any = self.optimizers()
        self._keep(guided, optimizer)
        sums = self._observed(guided)
        optimizer.step()
        with torch.no_grad():
            self._stop(self.w)
            last = self.global_step >= self.trainer.max_steps
            self.best.copy_(self.w if last else guided.clean)
            if last:
                self.best_loss.copy_(self._total(self.terms(self.best)))
        return {"sums": sums}

    def rehearse(self) -> None:
        """One pass of those with the most terms."""
        # From the end, since the first one may be of pure noise, where no term counts.
        turns = reversed(self.process.plan)
        dearest = max(turns, key=lambda turn: sum(own[turn.index] != 0 for own in self.factors.values()))
        self.guide(self.w.detach(), dearest, self._amounts(dearest.index))

    def _amounts(self, index: int) -> dict[str, Tensor]:
        """The weights of the terms that a pass has, a line per row."""
        factors = {name: own[index] for name, own in self.factors.items()}
        return {name: factors[name] * own for name, own in self.amounts.items() if factors[name] and own.any()}

    def _keep(self, guided: Guided, optimizer: Any) -> None:
        """Hands the step to the sampler; what is not finite does not go there."""
        lost = torch.zeros_like(self.skipped) if guided.lost is None else guided.lost.long()
        self.skipped += lost
        self._stop(guided.output)
        own: Denoising = optimizer.optimizer
        own.output, own.shift = guided.output, guided.shift

    def _stop(self, found: Tensor) -> None:
        """Keeps the first step after which a row is not finite."""
        fine = found.flatten(1).isfinite().all(1)
        self.stopped.copy_(torch.where((self.stopped < 0) & ~fine, self.global_step, self.stopped))

    @torch.no_grad()
    def _observed(self, guided: Guided) -> Tensor:
        """Sums over rows of the loss, of the terms and of the guidance's size as a multiple of the prompt's."""
        # Lightning's own types lack the attribute.
        interval = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        due = bool(interval) and (self.global_step + 1) % interval == 0
        values = guided.terms or (self.terms(guided.clean) if due else {})
        missing = torch.full_like(guided.pull, torch.nan)
        size = torch.zeros_like(missing) if guided.size is None else guided.size
        ratio = torch.where(guided.pull > 0, size / guided.pull, size)
        lines = [self._total(values) if values else missing, *(values.get(name, missing) for name in self.columns[:-1])]
        fine = self.stopped < 0
        for value in values.values():
            fine = fine & value.isfinite()
        sums = torch.cat([torch.where(fine, torch.stack([*lines, ratio]), 0).double().sum(1), fine.sum()[None]])
        if due:
            # In place.
            means = self.trainer.strategy.reduce(sums.clone(), reduce_op="sum")
            for name, value in zip(("loss", *self.columns), means[:-1] / means[-1].clamp_min(1), strict=True):
                self.log(name, value, prog_bar=True)
        return sums

    def _total(self, values: Mapping[str, Tensor]) -> Tensor:
        """Σ λ·distance, one value per row."""
        parts = [self.amounts[name].flatten() * value for name, value in values.items() if name in self.amounts]
        return sum(parts[1:], parts[0]) if parts else torch.zeros_like(self.best_loss)

    def on_train_end(self) -> None:
        """Tells of what was left out."""
        for index, row in enumerate(self.shard.rows):
            if self.stopped[index] >= 0:
                half = getattr(self.generator, "unet", self.w).dtype == torch.float16
                advice = "give --model.generator.precision float32" if half else "give smaller weights or cfg.scale"
                warnings.warn(f"row {row} ({self.names[row]}): the latents are not finite from step "
                              f"{int(self.stopped[index])} on; {advice}", stacklevel=2)  # fmt: skip
            elif self.skipped[index]:
                warnings.warn(f"row {row} ({self.names[row]}): {int(self.skipped[index])} gradients were not finite "
                              "and were left out", stacklevel=2)  # fmt: skip

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The sampler."""
        return Denoising(self.w, self.process, self.seeds)


def slugs(prompts: list[str]) -> list[str]:
    """Prompts as short names of files, none twice.

    >>> slugs(["A red ring!", "a red ring", ""])
    ['a-red-ring', 'a-red-ring-2', 'unprompted']
    """
    names: list[str] = []
    for prompt in prompts:
        name = re.sub(r"\W+", "-", prompt.casefold()).strip("-")[:LONGEST].strip("-") or "unprompted"
        own, number = name, 2
        while own in names:
            own, number = f"{name}-{number}", number + 1
        names.append(own)
    return names
