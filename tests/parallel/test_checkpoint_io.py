import pytest
import torch

from lit_nst.parallel import AtomicCheckpointIO


def test_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"w": torch.ones(2)}, path)
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        AtomicCheckpointIO().save_checkpoint({"w": torch.zeros(2)}, path)
    assert (torch.load(path, weights_only=True)["w"] == 1).all()
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]
