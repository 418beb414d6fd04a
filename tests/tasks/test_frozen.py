import torch
from torch import nn

from lit_nst.tasks.frozen import freeze


class Owner(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(3))
        self.net = freeze(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))


def test_frozen_network_is_registered_but_left_out_of_checkpoints():
    owner = Owner()
    assert set(owner.state_dict()) == {"w"}
    assert "net.0.weight" in dict(owner.named_parameters())
    assert not any(p.requires_grad for p in owner.net.parameters())
    assert not owner.net.training


def test_strict_loading_stays_strict():
    owner = Owner()
    weight = owner.net[0].weight.clone()
    owner.load_state_dict({"w": torch.ones(3)}, strict=True)
    assert (owner.w == 1).all()
    assert torch.equal(owner.net[0].weight, weight)
    assert owner.load_state_dict({"other": torch.ones(3)}, strict=False).missing_keys == ["w"]
