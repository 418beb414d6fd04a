"""Per-row reductions."""

from torch import Tensor


def row_mean(x: Tensor) -> Tensor:
    """Mean of all but the first dimension, B×… → B.

    The last dimensions are reduced one after the other, each over a fixed, short length: the order of
    the sum, hence its rounding, does not depend on the number of rows or of threads.

    >>> import torch
    >>> row_mean(torch.arange(8.0).view(2, 2, 2))
    tensor([1.5000, 5.5000])
    """
    while x.dim() > 1:
        x = x.mean(-1)
    return x
