"""The quasi-Newton direction from a history of steps and changes of the gradient.

A row's history is one tensor, chunks × 2m × length: a vector of D numbers is cut into chunks, the m
steps s come first, the m changes y after them. Sums over a chunk are in w's type, sums of chunks in
float64. Every row has its own products, of shapes that do not depend on the number of rows: a batch
rounds as its rows alone do.
"""

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK, ALIGNED = 4096, 16


def chunked(x: Tensor) -> Tensor:
    """Rows of any shape, B×… → B × chunks × length, padded with zeros.

    >>> chunked(torch.ones(2, 3, 50, 50)).shape
    torch.Size([2, 2, 3760])
    """
    flat = x.reshape(len(x), -1)
    size = flat.shape[1]
    chunks = max(1, math.ceil(size / CHUNK))
    length = ALIGNED * max(1, math.ceil(size / chunks / ALIGNED))
    return F.pad(flat, (0, chunks * length - size)).view(len(x), chunks, length)


def unchunked(x: Tensor, like: Tensor) -> Tensor:
    """The inverse of ``chunked``."""
    return x.reshape(len(x), -1)[:, : like[0].numel()].reshape(like.shape)


def dots(left: Tensor, right: Tensor, rows: Iterable[int]) -> Tensor:
    """Dot products of vectors of the same row, on the CPU in float64.

    Args:
        left: B × chunks × k × length.
        right: B × chunks × n × length.
        rows: The rows to do; the others get 0.

    Returns:
        B×k×n.
    """
    out = torch.zeros(left.shape[0], left.shape[2], right.shape[2], dtype=torch.float64)
    parts = {row: _products(left[row], right[row]) for row in rows}
    if parts:
        # One transfer for all rows.
        for row, part in zip(parts, torch.stack(list(parts.values())).cpu(), strict=True):
            out[row] = part.double().sum(0).T
    return out


def combined(history: Tensor, weights: Tensor, rows: Iterable[int]) -> Tensor:
    """Weighted sums of each row's vectors.

    Args:
        history: B × chunks × k × length.
        weights: B×k.
        rows: The rows to do; the others get 0.

    Returns:
        B × chunks × length.
    """
    out = history.new_zeros(history.shape[0], history.shape[1], history.shape[3])
    weights = weights.to(history)
    for row in rows:
        if _full_precision(history):
            out[row] = weights[row] @ history[row]
        else:
            out[row] = (history[row] * weights[row, :, None]).sum(1)
    return out


def _products(left: Tensor, right: Tensor) -> Tensor:
    if _full_precision(left):
        return right @ left.mT
    return torch.stack([(left * right[:, i, None]).sum(-1) for i in range(right.shape[1])], 1)


def _full_precision(x: Tensor) -> bool:
    """Whether a matrix product is one of float32: users may allow ten bits, too few for a search."""
    # The types of torch lack the attribute.
    precision = torch.backends.mkldnn.matmul.fp32_precision  # type: ignore[attr-defined]
    return x.device.type == "cpu" and precision in ("none", "ieee")


def quasi_newton(gram: Tensor, slopes: Tensor, head: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """H·g as weights of the history, by the compact form of L-BFGS (Byrd, Nocedal & Schnabel 1994).

    With R the upper triangle of SᵀY, D its diagonal, u = R⁻¹·Sᵀg:
    H·g = γ·g + S·R⁻ᵀ·((D + γ·YᵀY)·u − γ·Yᵀg) − γ·Y·u. It is the two-loop recursion, without loops.

    Args:
        gram: All products of the 2m vectors, B×2m×2m, in float64.
        slopes: Their products with the gradient, B×2m.
        head: Slot of the next pair, B.
        count: Number of pairs, B; they lie before ``head``, in a ring.

    Returns:
        B×2m weights, 0 for empty slots, and γ = sᵀy/yᵀy of the newest pair, B.
    """
    m = gram.shape[1] // 2
    age = torch.arange(m)
    order = (head[:, None] - count[:, None] + age) % m
    valid = age < count[:, None]
    row, i, j = torch.arange(len(gram))[:, None, None], order[:, :, None], order[:, None, :]
    both = valid[:, :, None] & valid[:, None, :]
    sy = torch.where(both, gram[row, i, m + j], torch.eye(m, dtype=gram.dtype))
    yy = torch.where(both, gram[row, m + i, m + j], 0)
    newest = (head - 1) % m
    gamma = gram[row[:, 0, 0], newest, m + newest] / gram[row[:, 0, 0], m + newest, m + newest]
    gamma = torch.where(count > 0, gamma, 0)
    sg = torch.where(valid, slopes.gather(1, order), 0)
    yg = torch.where(valid, slopes.gather(1, m + order), 0)
    triangle = sy.triu()
    u = torch.linalg.solve_triangular(triangle, sg[:, :, None], upper=True)[:, :, 0]
    inner = sy.diagonal(dim1=1, dim2=2) * u + gamma[:, None] * ((yy * u[:, None]).sum(-1) - yg)
    v = torch.linalg.solve_triangular(triangle.mT, inner[:, :, None], upper=False)[:, :, 0]
    weights = torch.zeros_like(slopes).scatter(1, order, torch.where(valid, v, 0))
    return weights.scatter(1, m + order, torch.where(valid, -gamma[:, None] * u, 0)), gamma
