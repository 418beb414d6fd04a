"""How much picture and how much noise there is at a point of the sampling."""

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

Prediction = Literal["epsilon", "v_prediction", "flow_prediction", "sample"]


@dataclass(frozen=True)
class Level:
    """A level of noise: x = α·x0 + σ·ε, in the space that the sampler itself works in.

    Samplers have three such spaces: variance preserving ("VP", α² + σ² = 1: DDIM, DPM-Solver), variance exploding
    ("VE", α = 1: Euler, Heun) and flow (α = 1 − σ). A network predicts the noise ε, the velocity v = α·ε −
    σ·x0 of the VP latent, the flow ε − x0, or x0 itself; each is affine in x0 for a given x. So a change of one is a
    change of each other, and guidance made for one of them serves all models and samplers.

    All methods are tensor → tensor of the same shape and type, differentiable, and any shape is fine.

    Attributes:
        alpha: α, the share of the picture.
        sigma: σ, the share of the noise.

    >>> level = Level(0.6, 0.8)
    >>> p, q = level.coefficients("v_prediction")
    >>> round(p, 6), round(q, 6)
    (0.6, -0.8)
    """

    alpha: float
    sigma: float

    @property
    def unit(self) -> float:
        """1/√(α² + σ²): x times this is the VP latent."""
        return 1 / math.sqrt(self._square)

    @property
    def tweedie(self) -> float:
        """σ²/α: a gradient g of a loss at x is the change −(σ²/α)·g of x0.

        The same as ε + s·g′ where g′ is the gradient at the VP latent and s its share of noise. Infinite
        where there is no picture at all in x.
        """
        return self.sigma**2 / self.alpha if self.alpha else math.inf

    def coefficients(self, prediction: Prediction) -> tuple[float, float]:
        """The numbers p and q in x0 = p·x + q·output.

        Raises:
            ZeroDivisionError: A prediction of ε where there is no picture in x.
        """
        if prediction == "epsilon":
            return 1 / self.alpha, -self.sigma / self.alpha
        if prediction == "v_prediction":
            return self.alpha / self._square, -self.sigma / math.sqrt(self._square)
        if prediction == "flow_prediction":
            return 1 / (self.alpha + self.sigma), -self.sigma / (self.alpha + self.sigma)
        return 0.0, 1.0

    def clean(self, output: Tensor, x: Tensor, prediction: Prediction) -> Tensor:
        """The picture x0 that the network's output stands for."""
        p, q = self.coefficients(prediction)
        return p * x + q * output

    def output(self, x0: Tensor, x: Tensor, prediction: Prediction) -> Tensor:
        """The network's output that stands for a picture x0; the inverse of ``clean``."""
        p, q = self.coefficients(prediction)
        return (x0 - p * x) / q

    def output_change(self, x0_change: Tensor, prediction: Prediction) -> Tensor:
        """What to add to the output so that x0 changes by this."""
        return x0_change / self.coefficients(prediction)[1]

    def x0_change(self, noise_change: Tensor) -> Tensor:
        """What a change of the predicted noise does to x0: −(σ/α) times it."""
        return -self.sigma / self.alpha * noise_change

    def renoise(self, x: Tensor, lower: "Level", noise: Tensor) -> Tensor:
        """From a level with less noise up to this one, as the forward process would go.

        r·x + √(σ² − r²·σ_lower²)·noise with r = α/α_lower. A level without more noise than ``lower`` adds none.

        Args:
            x: Latents at ``lower``.
            lower: Where they are.
            noise: Standard normal, of the same shape.
        """
        ratio = self.alpha / lower.alpha
        return ratio * x + math.sqrt(max(0.0, self.sigma**2 - (ratio * lower.sigma) ** 2)) * noise

    @property
    def _square(self) -> float:
        square = self.alpha**2 + self.sigma**2
        # Samplers keep VP levels in float32, whose squares add up to 1 but for rounding.
        return 1.0 if self.alpha < 1 and abs(square - 1) < 1e-6 else square
