import pytest
import torch

from lit_nst.functional.random import normal
from lit_nst.functional.reduce import row_mean


@pytest.mark.parametrize("shape", [(3,), (3, 5), (2, 3, 4, 5), (4, 1, 1)])
def test_the_mean_of_each_row(shape):
    x = normal(shape, "rows").double()
    torch.testing.assert_close(row_mean(x), x.reshape(shape[0], -1).mean(1))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_rounding_does_not_depend_on_the_number_of_rows_or_threads(layout):
    x = normal((7, 64, 33, 47), "rows").contiguous(memory_format=layout)
    before, means = torch.get_num_threads(), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        means += [row_mean(x), torch.cat([row_mean(x[row : row + 1]) for row in range(7)])]
    torch.set_num_threads(before)
    assert all(torch.equal(mean, means[0]) for mean in means[1:])


def test_gradient():
    assert torch.autograd.gradcheck(row_mean, [normal((2, 3, 2), "x").double().requires_grad_()])
