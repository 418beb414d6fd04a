import pytest
import torch
from torch.nn import functional as F

from lit_nst.degradations.borders import reflect


@pytest.mark.parametrize("radius", [0, 1, 5])
def test_equals_torch(radius):
    x = torch.rand(2, 3, 6, 9)
    expected = F.pad(x, (radius, radius, radius, radius), mode="reflect")
    assert torch.equal(reflect(reflect(x, radius, -1), radius, -2), expected)
