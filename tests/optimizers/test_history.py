import pytest
import torch

from lit_nst.functional.random import normal
from lit_nst.optimizers.history import aim, remember, start
from lit_nst.optimizers.line_search import Verdict
from lit_nst.optimizers.rows import largest

ACCEPTED, NOT = torch.tensor([True, True]), torch.tensor([False, False])


@pytest.fixture
def state():
    """Two rows with a full ring of three pairs of f = ‖x‖²."""
    state = start(torch.zeros(2, 5), 3)
    for key in range(4):
        s = normal((2, 5), key, "s")
        remember(state, s, state["gradient"] + 2 * s, Verdict(ACCEPTED, NOT, NOT))
    return state


def test_pairs_go_round(state):
    assert state["count"].tolist() == [3, 3]
    assert state["head"].tolist() == [1, 1]
    torch.testing.assert_close(state["gamma"], torch.full((2,), 0.5, dtype=torch.float64))
    products = torch.einsum("bckl,bcnl->bkn", state["pairs"].double(), state["pairs"].double())
    torch.testing.assert_close(state["gram"], products, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("change", [-1.0, 0.0, 3e38])
def test_a_pair_without_curvature_is_not_taken(state, change):
    s = normal((2, 5), "s")
    y = torch.stack([2 * s[0], change * s[1]])
    state["gradient"][1] = -3e38 if change > 1 else 0
    remember(state, s, state["gradient"] + y, Verdict(ACCEPTED, NOT, NOT))
    assert state["count"].tolist() == [3, 2]
    assert state["head"].tolist() == [2, 1]
    assert state["pairs"].isfinite().all()


def test_a_failed_search_forgets(state):
    pairs = state["pairs"].clone()
    verdict = Verdict(NOT, torch.tensor([True, False]), NOT)
    remember(state, torch.ones(2, 5), torch.ones(2, 5), verdict)
    assert state["count"].tolist() == [0, 3]
    assert torch.equal(state["pairs"], pairs)


def test_a_direction_that_does_not_descend_is_not_taken(state):
    slopes = remember(state, torch.zeros(2, 5), normal((2, 5), "g"), Verdict(NOT, NOT, NOT))
    state["gradient"] = normal((2, 5), "g")
    # Row 1 believes in a curvature that would turn it uphill.
    state["gram"][1, 3:, :3] *= -1
    state["gram"][1, :3, 3:] *= -1
    slope, _ = aim(state, slopes, largest(state["gradient"]), ACCEPTED, 0.05)
    assert (slope < 0).all()
    assert state["count"].tolist() == [3, 0]
    torch.testing.assert_close(state["direction"][1].abs().max().item(), 0.05)
