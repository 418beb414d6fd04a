"""Which optimisers search, and go on."""

import pytest
import torch

from lit_nst.errors import InputError
from lit_nst.tasks.optimizer import check_optimizer


def stepped(kind, side=4, **settings):
    w = torch.nn.Parameter(torch.zeros(2, side))
    optimizer = kind([w], **settings)
    w.sum().backward()
    optimizer.step()
    return w, optimizer


def test_own_state_is_taken():
    for kind, settings in ((torch.optim.Adam, {}), (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9})):
        w, optimizer = stepped(kind, **settings)
        check_optimizer(kind([w], **settings), w, optimizer.state_dict())


def test_state_of_another():
    w, optimizer = stepped(torch.optim.Adam)
    with pytest.raises(InputError, match="another optimizer than SGD"):
        check_optimizer(torch.optim.SGD([w], lr=0.1), w, optimizer.state_dict())


def test_state_of_another_size():
    w, optimizer = stepped(torch.optim.Adam)
    _, other = stepped(torch.optim.Adam, side=5)
    with pytest.raises(InputError, match=r"exp_avg of shape \(2, 5\)"):
        check_optimizer(optimizer, w, other.state_dict())


def test_endless_step():
    w = torch.nn.Parameter(torch.zeros(2, 4))
    with pytest.raises(InputError, match="finite step size"):
        check_optimizer(torch.optim.Adam([w], lr=float("inf")), w, None)


def test_sparse():
    w = torch.nn.Parameter(torch.zeros(2, 4))
    with pytest.raises(InputError, match="SparseAdam"):
        check_optimizer(torch.optim.SparseAdam([w]), w, None)
