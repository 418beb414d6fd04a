from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy

from lit_nst.errors import InputError
from lit_nst.parallel import RowsStrategy
from lit_nst.tasks.shard import Shard


def trainer(rank=0, world=1, strategy=None):
    return SimpleNamespace(world_size=world, global_rank=rank, strategy=strategy or SingleDeviceStrategy())


@pytest.mark.parametrize(("total", "world"), [(1, 1), (5, 1), (5, 2), (7, 3), (4, 4)])
def test_every_row_has_one_process_and_batches_are_even(total, world):
    shards = [Shard(range(10, 10 + total), trainer(rank, world, RowsStrategy())) for rank in range(world)]
    assert [row for shard in shards for row in shard.rows] == list(range(10, 10 + total))
    assert [shard.all[place] for shard in shards for place in shard.places] == shards[0].all
    for shard in shards:
        assert total == 1 or len(shard.padded) % 2 == 0
        w = torch.arange(float(shard.local))
        assert (shard.pad(w) + shard.rows[0]).tolist() == shard.padded


def test_averaging_strategies_and_too_many_processes_are_refused():
    with pytest.raises(InputError, match="would average"):
        Shard(range(4), trainer(0, 2, DDPStrategy()))
    with pytest.raises(InputError, match="give at most 1"):
        Shard([0], trainer(0, 2, RowsStrategy()))
