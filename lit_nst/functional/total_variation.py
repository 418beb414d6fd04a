"""Total variation."""

from torch import Tensor

from lit_nst.errors import InputError
from lit_nst.functional.reduce import row_mean


def total_variation(image: Tensor, power: float = 1.0) -> Tensor:
    """Mean difference of neighbouring pixels, TV(x) = ⟨|x(i+1, j) − x(i, j)|ᵖ⟩ + ⟨|x(i, j+1) − x(i, j)|ᵖ⟩.

    Anisotropic: the two directions are summed, not combined by a square root, so that the gradient is
    finite everywhere, with 0 at equal neighbours. Each ⟨⟩ is the mean over channels and pairs, so the value hardly
    depends on the size; the border has no neighbours outside. Rudin, Osher & Fatemi, 1992, use the
    isotropic form and a sum; Mahendran & Vedaldi, 2015, give it the power.

    Args:
        image: B×C×H×W, any range.
        power: p, at least 1: 1 keeps edges, 2 smooths them.

    Returns:
        B values; 0 in a direction with a single pixel.

    Raises:
        InputError: A power below 1, whose gradient is infinite at equal neighbours.

    >>> import torch
    >>> total_variation(torch.tensor([[[[0.0, 1.0], [0.0, 3.0]]]]), power=2)
    tensor([7.])
    """
    if power < 1:
        raise InputError(f"total variation: power is {power:g}; give 1 or more")
    total = image.new_zeros(len(image))
    for difference in (image.diff(dim=-1), image.diff(dim=-2)):
        if difference.numel():
            total = total + row_mean(difference.abs() ** power)
    return total
