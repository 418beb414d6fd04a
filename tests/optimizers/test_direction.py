import pytest
import torch

from lit_nst.functional.random import normal
from lit_nst.optimizers.direction import chunked, combined, dots, quasi_newton, unchunked


@pytest.mark.parametrize("shape", [(2, 7), (3,), (2, 3, 40, 50), (1, 4096), (2, 3, 128, 128)])
def test_chunks_hold_every_number_once(shape):
    x = normal(shape, "x")
    chunks = chunked(x)
    assert torch.equal(unchunked(chunks, x), x)
    assert chunks.shape[2] % 16 == 0
    torch.testing.assert_close(chunks.sum(), x.sum())


def test_chunks_of_channels_last():
    x = normal((2, 3, 40, 50), "x")
    assert torch.equal(chunked(x.contiguous(memory_format=torch.channels_last)), chunked(x))


@pytest.mark.parametrize("precision", ["highest", "medium"])
def test_products_and_sums_keep_float32_whatever_matrix_products_may_do(precision):
    left, right, weights = normal((3, 4, 6, 512), "l"), normal((3, 4, 2, 512), "r"), normal((3, 6), "w")
    torch.set_float32_matmul_precision(precision)
    try:
        products, sums = dots(left, right, [0, 2]), combined(left, weights.double(), [0, 2])
    finally:
        torch.set_float32_matmul_precision("highest")
    expected = torch.einsum("bckl,bcnl->bkn", left.double(), right.double())
    torch.testing.assert_close(products[[0, 2]], expected[[0, 2]], rtol=0, atol=1e-3)
    expected = torch.einsum("bckl,bk->bcl", left, weights)
    torch.testing.assert_close(sums[[0, 2]], expected[[0, 2]], rtol=0, atol=1e-4)
    assert not products[1].any()
    assert not sums[1].any()


def two_loops(pairs, g):
    """Nocedal & Wright, algorithm 7.4, as it is printed."""
    alphas = []
    for s, y in reversed(pairs):
        alphas.append(s @ g / (y @ s))
        g = g - alphas[-1] * y
    s, y = pairs[-1]
    r = (s @ y) / (y @ y) * g
    for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
        r = r + s * (alpha - y @ r / (y @ s))
    return r


@pytest.mark.parametrize(("count", "head"), [(1, 1), (3, 3), (5, 0), (5, 2), (4, 1)])
def test_the_compact_form_is_the_two_loop_recursion(count, head):
    m, size = 5, 12
    root = normal((size, size), "A").double()
    s, g = normal((m, size), "s").double(), normal((size,), "g").double()
    y = s @ (root @ root.T + torch.eye(size))
    slots = [(head - count + age) % m for age in range(count)]
    history = torch.cat([s, y])
    empty = [slot for slot in range(m) if slot not in slots]
    history[empty] = history[[m + slot for slot in empty]] = torch.nan
    weights, gamma = quasi_newton(
        (history @ history.T)[None], (history @ g)[None], torch.tensor([head]), torch.tensor([count])
    )
    expected = two_loops([(s[slot], y[slot]) for slot in slots], g)
    torch.testing.assert_close(gamma[0] * g + weights[0] @ history.nan_to_num(0), expected)
    assert not weights[0][empty].any()
