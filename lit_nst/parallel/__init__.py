"""How independent rows of ``w`` are spread over devices, and kept."""

from lit_nst.parallel.checkpoint_io import AtomicCheckpointIO
from lit_nst.parallel.rows import RowsStrategy, register

register()

__all__ = ["AtomicCheckpointIO", "RowsStrategy", "register"]
