"""The settings of a guided sampling."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from lit_nst.errors import InputError
from lit_nst.samplers import Schedule, Travel

Path = Literal["unet", "decoder", "adam", "latent", "both"]
Place = Literal["model_output", "clean", "post_step"]
Scale = Literal["none", "rms", "cfg", "spherical"]
# Larger numbers make latents of float32 infinite.
LARGEST = 1e30


@dataclass(frozen=True)
class Cfg:
    """Guidance by the prompt, and what helps against its burnt colours.

    Ho & Salimans, "Classifier-Free Diffusion Guidance", 2021.

    Args:
        scale: s of u + s·(c − u), where c and u are the model's outputs with the prompt and with the negative one;
            1: the prompt alone, at half the cost.
        rescale: φ, share of the output that gets the standard deviation of c (Lin et al., "Common Diffusion Noise
            Schedules and Sample Steps are Flawed", 2024).
        apg: Share that is kept of the part of x₀'s difference that is parallel to x₀; 0 is adaptive projected guidance
            (Sadat et al., 2025), None: not used.
        apg_limit: Largest Euclidean norm of that difference; None: any.
        percentile: x₀ is clamped to this percentile of its own magnitudes, such as 99.5 (Saharia et al., "Imagen",
            2022, in pixels), but to no less than 1; None: not at all.

    Raises:
        InputError: A number outside its range.
    """

    scale: float = 7.5
    rescale: float = 0.0
    apg: float | None = None
    apg_limit: float | None = None
    percentile: float | None = None

    def __post_init__(self) -> None:
        _within("cfg.scale", self.scale, 0, LARGEST)
        _within("cfg.rescale", self.rescale, 0, 1)
        _within("cfg.apg", self.apg, 0, 1)
        _within("cfg.apg_limit", self.apg_limit, 1e-12, LARGEST)
        _within("cfg.percentile", self.percentile, 50, 100)


@dataclass(frozen=True)
class Guidance:
    """How the losses steer the sampling.

    Below g is the gradient of a term, λ its weight and f its schedule; the sum over terms is Δ = Σ λ·f·n(g). The
    latent has the level (α, σ): x = α·x₀ + σ·ε.

    Args:
        path: What g goes through. ``unet``: decoder and U-Net, at x. ``decoder``: the decoder alone, at x₀, with
            ∂x₀/∂x taken for 1/α. ``adam``: the decoder alone; ``inner`` steps of Adam on x₀, of length ``rate``·λ·f,
            whose way is Δ (Rout et al., "RB-Modulation", 2025). ``latent``: the decoder alone, at the latent after the
            step, noise and all, which goes with ``post_step``. ``both``: as ``unet``, and then ``inner`` steps on x₀
            of ``mu`` times the size (Ye et al., "TFG", 2024).
        inject: Where Δ goes. ``model_output``: ε + Δ, which every sampler, whatever its history, then takes for what
            the model said. ``clean``: x₀ − Δ, by the model's output too. ``post_step``: the latent after the step − Δ,
            the classical form, which PNDM's first call and samplers of two calls a step, such as Heun, take back.
        scale: n. ``none``: g, in units of the loss; in the model's output σ·g, which is the score's. ``rms``: g over
            the root of its mean square, so that λ is the size of Δ. ``cfg``: the same, and the size of Δ is λ times
            what the prompt moves the predicted noise by, s·rms(c − u) (Yu et al., "FreeDoM", 2023).
            ``spherical``: the noise keeps its norm and turns towards g by the share λ·f, 1 at most (Yang et al., "DSG",
            2024): the
            model's with ``model_output``, that of the step with ``post_step``, which needs a sampler that draws some.
            In all but ``none`` the scale of a loss changes nothing.
        limit: Largest root of the mean square of Δ, and with ``both`` of the way on x₀; None: any.
        schedule: f of every term without one of its own.
        palette_schedule: f of ``palette``; None: ``schedule``.
        target_schedule: f of ``target`` and, without one of its own, of ``pixel``; None: ``schedule``.
        pixel_schedule: f of ``pixel``; None: ``target_schedule``.
        regulariser_schedule: f of ``regulariser``; None: ``schedule``.
        travel: Which levels are passed several times.
        inner: Steps on x₀ of ``adam`` and ``both``.
        rate: Their length with ``adam``, in units of the latent.
        mu: Their size with ``both``, as a multiple of λ.
        smoothing: Standard deviation of the noise on x₀ over whose draws ``both`` averages the loss, in units of σ;
            0: none.
        draws: Number of them.

    Raises:
        InputError: Settings that do not go together, or a number outside its range.
    """

    path: Path = "unet"
    inject: Place = "model_output"
    scale: Scale = "cfg"
    limit: float | None = None
    schedule: Schedule = field(default_factory=Schedule)
    palette_schedule: Schedule | None = None
    target_schedule: Schedule | None = None
    pixel_schedule: Schedule | None = None
    regulariser_schedule: Schedule | None = None
    travel: Travel = field(default_factory=Travel)
    inner: int = 4
    rate: float = 0.1
    mu: float = 1.0
    smoothing: float = 0.0
    draws: int = 1

    def __post_init__(self) -> None:
        for name, kinds in (("path", Path), ("inject", Place), ("scale", Scale)):
            if getattr(self, name) not in get_args(kinds):
                raise InputError(f'guidance.{name} is "{getattr(self, name)}"; give {", ".join(get_args(kinds))}')
        if self.path == "latent" and self.inject != "post_step":
            raise InputError(f"guidance.inject is {self.inject}, but path latent comes after the step; use post_step")
        if self.path == "adam" and (self.inject != "clean" or self.scale != "none"):
            raise InputError("guidance.path adam moves x0 by steps of its own; use inject clean and scale none")
        if self.scale == "spherical" and (self.inject == "clean" or self.path in ("latent", "both")):
            raise InputError("guidance.scale spherical turns a noise; use inject model_output or post_step, path unet")
        _within("guidance.limit", self.limit, 1e-12, LARGEST)
        for name in ("rate", "mu", "smoothing"):
            _within(f"guidance.{name}", getattr(self, name), 0, LARGEST)
        for name in ("inner", "draws"):
            _within(f"guidance.{name}", getattr(self, name), 1, 1000)
        if self.path != "both" and (self.smoothing or self.draws > 1):
            raise InputError(
                f"guidance.smoothing and guidance.draws belong to path both, not {self.path}; leave them out"
            )

    def schedule_of(self, term: str) -> Schedule:
        """F of a term."""
        own: Schedule | None = getattr(self, f"{term}_schedule", None)
        if own is None and term == "pixel":
            own = self.target_schedule
        return own or self.schedule


def _within(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        bounds = f"a number of at least {low:g}" if high == LARGEST else f"a number from {low:g} to {high:g}"
        raise InputError(f"{name} is {value}; give {bounds}")
