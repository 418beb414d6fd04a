"""How far a picture is from what a generator draws by itself."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lit_nst.errors import InputError

FEWEST = 8


def feature_realism(features_of_results: Mapping[str, Tensor], features_of_samples: Mapping[str, Tensor]) -> Tensor:
    """Distance of deep features from those of a generator's own samples, d = √((x − μ)ᵀ·Σ⁻¹·(x − μ)) / d̃.

    x are mean and standard deviation over the places of every channel of every layer, each divided by its deviation
    over the samples; μ and Σ are mean and covariance of the samples. There are more channels than samples, so Σ is
    shrunk, (1 − ρ)·S + ρ·I, with the share ρ that suits the number of samples (oracle approximating
    shrinkage, Chen, Wiesel, Eldar & Hero, "Shrinkage Algorithms for MMSE Covariance Estimation", 2010). d̃ is the
    median distance of the samples, each from the μ and Σ of the others, so that those behind Σ do not seem nearer
    than new ones. It is the Fréchet distance's idea (Heusel et al. 2017) for single pictures.

    Args:
        features_of_results: Layer → N×C×H×W, such as that of the judge; not of a network that guided the search.
        features_of_samples: Layer → M×C×h×w of random samples of the generator, M from 8 up; the same layers.

    Returns:
        N values from 0 up: 1 for a typical sample, half of the samples lie below. NaN for features that are not
        finite.

    Raises:
        InputError: Other layers or channels, or too few samples.

    >>> samples = torch.rand(64, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    >>> feature_realism({"x": samples[:1] + 5}, {"x": samples}) > 10
    tensor([True])
    """
    _check(features_of_results, features_of_samples)
    layers = list(features_of_samples)
    samples = torch.cat([_pooled(features_of_samples[layer]) for layer in layers], 1)
    results = torch.cat([_pooled(features_of_results[layer]) for layer in layers], 1)
    spread = samples.std(0)
    # What is the same in all samples, but for rounding, says nothing of how they spread.
    kept = spread > 1e-6 * samples.abs().amax(0)
    if not kept.any():
        raise InputError("feature_realism: the samples are all alike, or not finite; give other ones, or other layers")
    return _distances(results[:, kept] / spread[kept], samples[:, kept] / spread[kept]).float()


def _distances(results: Tensor, samples: Tensor) -> Tensor:
    """Distances of standardised vectors, by the median of the samples' own."""
    count, size = samples.shape
    mean = samples.mean(0)
    own = samples - mean
    covariance = own.mT @ own / (count - 1)
    share = _shrinkage(covariance, count)
    shrunk = (1 - share) * covariance + share * torch.eye(size, dtype=covariance.dtype, device=covariance.device)
    factor: Tensor = torch.linalg.cholesky(shrunk)
    squares = _squares(own, factor)
    # Each from μ and Σ of the others: taking one away changes Σ by a product of two vectors (Sherman & Morrison).
    part = (1 - share) * count / (count - 1) ** 2
    others = (count / (count - 1)) ** 2 * squares / (1 - part * squares)
    # Row by row, so that a figure does not depend, in its last bits, on the number of them.
    found = torch.cat([_squares(row[None], factor) for row in results - mean])
    return (found / others.median()).sqrt()


def _squares(x: Tensor, factor: Tensor) -> Tensor:
    """xᵀ·Σ⁻¹·x of each row, from the Cholesky factor of Σ."""
    white: Tensor = torch.linalg.solve_triangular(factor, x.mT, upper=False)
    return white.square().sum(0)


def _shrinkage(covariance: Tensor, count: int) -> float:
    """The share ρ of the identity; never 0, so that Σ has an inverse."""
    size = len(covariance)
    square, trace = float(covariance.square().sum()), float(covariance.trace()) ** 2
    wanted = (1 - 2 / size) * square + trace
    spread = (count + 1 - 2 / size) * (square - trace / size)
    return 1.0 if spread <= wanted else max(wanted / spread, 1e-6)


def _pooled(feature: Tensor) -> Tensor:
    """Mean and standard deviation over the places, N×2C, in double precision."""
    x = feature.detach().double().flatten(2)
    return torch.cat([x.mean(2), x.std(2, correction=0)], 1)


def _check(results: Mapping[str, Tensor], samples: Mapping[str, Tensor]) -> None:
    if not results or set(results) != set(samples):
        raise InputError(
            f"feature_realism: layers {sorted(results)} and {sorted(samples)}; give the same ones, at least one"
        )
    for layer in results:
        a, b = results[layer], samples[layer]
        if a.dim() != 4 or b.dim() != 4 or a.shape[1] != b.shape[1] or 0 in (*a.shape, *b.shape):
            raise InputError(
                f"feature_realism: {layer}: shapes {tuple(a.shape)} and {tuple(b.shape)}; "
                "give N×C×H×W and M×C×h×w with the same channels"
            )
        if len(b) < FEWEST:
            raise InputError(f"feature_realism: {len(b)} samples; give at least {FEWEST}, better hundreds")
