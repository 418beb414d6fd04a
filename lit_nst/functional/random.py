"""Random numbers that depend on nothing but their key."""

import zlib
from collections.abc import Sequence

import torch
from torch import Tensor


def generator(*key: int | str) -> torch.Generator:
    """A CPU generator seeded by a key, such as ``(seed, purpose, row, step)``.

    No running stream is involved, so the numbers are the same at any resume, batch size and number of
    devices.

    >>> a = torch.rand(1, generator=generator(0, "mask"))
    >>> b = torch.rand(1, generator=generator(0, "mask"))
    >>> bool(a == b)
    True
    """
    return torch.Generator().manual_seed(zlib.crc32(repr(key).encode()))


def normal(shape: Sequence[int], *key: int | str, device: torch.device | str = "cpu") -> Tensor:
    """Standard normal numbers of one key.

    Args:
        shape: Shape of the result.
        key: Any integers and strings.
        device: Where the result goes; the numbers are drawn on the CPU, the same for every device.

    >>> normal((2, 3), 0, "noise", 4).shape
    torch.Size([2, 3])
    """
    return torch.randn(tuple(shape), generator=generator(*key)).to(device)


def seeded_normal(shape: Sequence[int], seed: int) -> Tensor:
    """Standard normal numbers of ``torch.Generator().manual_seed(seed)``, as other programs draw them.

    Args:
        shape: Shape of the result.
        seed: From 0 to 2⁶⁴ − 1.

    >>> seeded_normal((2, 3), 0).shape
    torch.Size([2, 3])
    """
    return torch.randn(tuple(shape), generator=torch.Generator().manual_seed(seed))
