"""Gradients of the losses, as changes of a denoising step."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lit_nst.functional.guidance import row_rms, spherical
from lit_nst.functional.random import normal
from lit_nst.samplers import Level, Pass, Process, noises
from lit_nst.tasks.guidance.estimate import Estimate
from lit_nst.tasks.guidance.gradients import combined, finite, gradients, limited
from lit_nst.tasks.guidance.inner import Terms, by_adam, descent
from lit_nst.tasks.guidance.settings import Guidance


@dataclass(frozen=True)
class Guided:
    """A denoising step, steered by losses.

    Attributes:
        output: The model's output with the change, B×C×h×w.
        clean: x₀ that it stands for.
        pull: Root of the mean square by which the prompt moved the predicted noise, B.
        shift: What the latent after the step is moved by; None: nothing.
        terms: Term → its value before the change, B each; empty where nothing guides.
        size: Root of the mean square of the change, in units of the noise, B; None where nothing guides.
        lost: Rows of which a gradient was not finite and was left out, B; None where nothing guides.
    """

    output: Tensor
    clean: Tensor
    pull: Tensor
    shift: Tensor | None = None
    terms: Mapping[str, Tensor] = field(default_factory=dict)
    size: Tensor | None = None
    lost: Tensor | None = None


class Guide:
    """Steers a sampling by the gradients of some terms.

    Args:
        settings: How.
        process: The sampler.
        estimate: Latents and number of the call → what the model says.
        terms: x₀ → each term, without its weight, one value per row.
        seeds: Of the rows.
    """

    def __init__(
        self,
        settings: Guidance,
        process: Process,
        estimate: Callable[[Tensor, int], Estimate],
        terms: Terms,
        seeds: Sequence[int],
    ) -> None:
        self.settings, self.process, self.estimate = settings, process, estimate
        self.terms, self.seeds = terms, seeds

    def __call__(self, x: Tensor, turn: Pass, amounts: Mapping[str, Tensor]) -> Guided:
        """One step.

        Args:
            x: Latents in the sampler's own space, B×C×h×w.
            turn: Which pass.
            amounts: Term → λ·f, B×1×1×1; where it is empty, and at a level of pure noise, the model is asked and
                nothing else.
        """
        path = self.settings.path
        if self._level(turn).alpha == 0:
            # In pure noise a change of the noise is none of the picture, and the other way round without end.
            amounts = {}
        if amounts and path in ("unet", "both"):
            return self._through_unet(x, turn, amounts)
        with torch.no_grad():
            asked = self.estimate(x, turn.index)
        if not amounts:
            return Guided(asked.output, asked.clean, asked.pull.flatten())
        if path == "adam":
            change, values, lost = by_adam(asked.clean, self.terms, amounts, self.settings.rate, self.settings.inner)
            return self._placed(turn, asked, limited(-change, self.settings.limit), values, lost)
        if path == "latent":
            return self._after_step(x, turn, asked, amounts)
        at = asked.clean.detach().requires_grad_()
        values = self.terms(at)
        found, lost = gradients(values, at, amounts)
        # ∂x₀/∂x is taken for 1/α.
        found = {name: gradient / self._level(turn).alpha for name, gradient in found.items()}
        return self._steered(x, turn, asked, amounts, values, found, lost)

    def _through_unet(self, x: Tensor, turn: Pass, amounts: Mapping[str, Tensor]) -> Guided:
        at = x.detach().requires_grad_()
        asked = self.estimate(at, turn.index)
        values = self._terms(asked.clean, turn)
        found, lost = gradients(values, at, amounts)
        asked = Estimate(asked.output.detach(), asked.clean.detach(), asked.pull.detach())
        return self._steered(x, turn, asked, amounts, values, found, lost)

    def _terms(self, clean: Tensor, turn: Pass) -> dict[str, Tensor]:
        """The terms at x₀; with smoothing over some draws of noise on it."""
        spread = self.settings.smoothing * self._level(turn).sigma * self._level(turn).unit
        if self.settings.path != "both" or spread == 0:
            return self.terms(clean)
        draws = []
        for draw in range(self.settings.draws):
            keys = [("smoothing", seed, turn.index, turn.repeat, draw) for seed in self.seeds]
            noise = torch.stack([normal(clean.shape[1:], *key) for key in keys]).to(clean)
            draws.append(self.terms(clean + spread * noise))
        # −log of the mean of exp(−L), the likelihood's.
        count = math.log(len(draws))
        return {name: count - torch.logsumexp(-torch.stack([draw[name] for draw in draws]), 0) for name in draws[0]}

    def _steered(
        self,
        x: Tensor,
        turn: Pass,
        asked: Estimate,
        amounts: Mapping[str, Tensor],
        values: Mapping[str, Tensor],
        found: Mapping[str, Tensor],
        lost: Tensor,
    ) -> Guided:
        """What gradients at x make of the step."""
        if self.settings.scale == "spherical":
            change = self._turned(x, turn, asked, combined(found, amounts, unit=True), amounts)
        else:
            change = self._factor(turn, asked) * combined(found, amounts, unit=self.settings.scale != "none")
        change = limited(change, self.settings.limit)
        if self.settings.path != "both":
            return self._placed(turn, asked, change, values, lost)
        unit = self.settings.scale != "none"
        size = self.settings.mu * (asked.pull if self.settings.scale == "cfg" else 1.0)
        way, bad = descent(
            asked.clean, lambda clean: self._terms(clean, turn), amounts, size, unit, self.settings.inner
        )
        return self._placed(turn, asked, change, values, lost | bad, limited(way, self.settings.limit))

    def _factor(self, turn: Pass, asked: Estimate) -> Tensor | float:
        """Of the sum of the terms' gradients at x, or of their directions."""
        level, place = self._level(turn), self.settings.inject
        if self.settings.scale == "cfg":
            return asked.pull
        if self.settings.scale == "rms":
            return 1.0
        if place == "model_output":
            return level.sigma
        # A step down on x₀ itself, or one on the latent as VP samplers have it.
        through = level.tweedie if self.settings.path in ("unet", "both") else level.alpha
        return through if place == "clean" else 1 / level.unit

    def _placed(
        self,
        turn: Pass,
        asked: Estimate,
        change: Tensor,
        values: Mapping[str, Tensor],
        lost: Tensor,
        way: Tensor | None = None,
    ) -> Guided:
        """The step with a change, in the unit of its place, and with another one of x₀."""
        level, after, place = self._level(turn), self.process.levels[turn.index + 1], self.settings.inject
        told = {name: value.detach() for name, value in values.items()}
        change, lost = finite(change, lost)
        size = row_rms(change).flatten() * (level.alpha / level.sigma if place == "clean" else 1)
        if way is not None:
            size = size + row_rms(way).flatten() * level.alpha / level.sigma
        if place == "post_step":
            # TFG takes its change for one of x₀ by ∂x₀/∂x = 1/α, as far as the step keeps it.
            kept = after.alpha / (level.alpha * level.unit) if self.settings.path == "both" else 1 / after.unit
            shift = -kept * change + (0 if way is None else after.alpha * way)
            return Guided(asked.output, asked.clean, asked.pull.flatten(), shift, told, size, lost)
        moved = (level.x0_change(change) if place == "model_output" else -change) + (0 if way is None else way)
        output = asked.output + level.output_change(moved, self.process.prediction)
        return Guided(output, asked.clean + moved, asked.pull.flatten(), None, told, size, lost)

    def _turned(
        self, x: Tensor, turn: Pass, asked: Estimate, direction: Tensor, amounts: Mapping[str, Tensor]
    ) -> Tensor:
        """Change of the noise that keeps its norm: of the model's, or of that which the step draws."""
        level = self._level(turn)
        share = sum(list(amounts.values())[1:], next(iter(amounts.values()))).clamp(max=1)
        if self.settings.inject == "model_output":
            noise = (x - level.alpha * asked.clean) / level.sigma
            return spherical(noise, direction, share) - noise
        noise = self.process.noise(x, noises(self.seeds, turn))
        _, scale = self.process.split(asked.output, turn.index, x)
        turned: Tensor = spherical(noise, -direction, share)
        return -scale * (turned - noise) * self.process.levels[turn.index + 1].unit

    def _after_step(self, x: Tensor, turn: Pass, asked: Estimate, amounts: Mapping[str, Tensor]) -> Guided:
        """Gradients at the latent after the step, decoded as it is."""
        after = self.process.levels[turn.index + 1]
        state = self.process.state()
        at = self.process.step(asked.output, turn.index, x, noises(self.seeds, turn)).detach() * after.unit
        self.process.load_state(state)
        values = self.terms(at.requires_grad_())
        found, lost = gradients(values, at, amounts)
        change = combined(found, amounts, unit=self.settings.scale != "none")
        change = limited(change * (asked.pull if self.settings.scale == "cfg" else 1.0), self.settings.limit)
        return self._placed(turn, asked, change, values, lost)

    def _level(self, turn: Pass) -> Level:
        return self.process.levels[turn.index]
