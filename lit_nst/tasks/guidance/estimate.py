"""What the model says of a latent."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lit_nst.functional.guidance import classifier_free, percentile_clamp, projected, rescaled, row_rms
from lit_nst.samplers import Process
from lit_nst.tasks.guidance.settings import Cfg


@dataclass(frozen=True)
class Estimate:
    """What the model says of a latent, guided by the prompt.

    Attributes:
        output: The model's output, B×C×h×w.
        clean: x₀ that it stands for, B×C×h×w.
        pull: Root of the mean square by which the prompt moves the predicted noise, s·rms(c − u), B×1×1×1; 0 where
            the negative prompt is not asked.
    """

    output: Tensor
    clean: Tensor
    pull: Tensor


class Prompted:
    """Latent → estimate, by classifier-free guidance.

    Args:
        process: The sampler.
        cfg: The guidance by the prompt.
        predict: Model input, time step, states of the text → output.
        states: Of the negative and of the other prompts, B×L×D each.
    """

    def __init__(
        self,
        process: Process,
        cfg: Cfg,
        predict: Callable[[Tensor, Tensor, Tensor], Tensor],
        states: tuple[Tensor, Tensor],
    ) -> None:
        self.process, self.cfg, self.predict = process, cfg, predict
        self.negative, self.positive = states

    def __call__(self, x: Tensor, call: int) -> Estimate:
        """The estimate at the latents of a call."""
        scaled, time = self.process.scaled(x, call), self.process.timesteps[call]
        level, kind = self.process.levels[call], self.process.prediction
        if self.cfg.scale == 1:
            # Convolutions round a lone image otherwise than two.
            odd = len(x) % 2
            padded, states = (torch.cat([y, y[-1:]]) if odd else y for y in (scaled, self.positive))
            output = self.predict(padded, time, states)[: len(x)]
            pull = x.new_zeros(len(x), *[1] * (x.dim() - 1))
        else:
            without, with_ = self._both(scaled, time)
            output = self._combined(with_, without, x, call)
            # A change of the output by d is one of the noise by q·α/σ·d, up to its sign.
            share = abs(level.coefficients(kind)[1]) * level.alpha / level.sigma
            pull = self.cfg.scale * share * row_rms((with_ - without).detach())
        clean = level.clean(output, x, kind)
        if self.cfg.percentile is not None:
            clean = percentile_clamp(clean, self.cfg.percentile)
            output = level.output(clean, x, kind)
        return Estimate(output, clean, pull)

    def _both(self, scaled: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        states = torch.cat([self.negative, self.positive])
        without, with_ = self.predict(torch.cat([scaled, scaled]), time, states).chunk(2)
        return without, with_

    def _combined(self, with_: Tensor, without: Tensor, x: Tensor, call: int) -> Tensor:
        level, kind = self.process.levels[call], self.process.prediction
        if self.cfg.apg is not None or self.cfg.apg_limit is not None:
            parallel = 1.0 if self.cfg.apg is None else self.cfg.apg
            own, other = (level.clean(output, x, kind) for output in (with_, without))
            output = level.output(projected(own, other, self.cfg.scale, parallel, self.cfg.apg_limit), x, kind)
        else:
            output = classifier_free(with_, without, self.cfg.scale)
        return rescaled(output, with_, self.cfg.rescale) if self.cfg.rescale else output
