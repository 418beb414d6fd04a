"""How independent rows of ``w`` are spread over devices, and kept."""

from lit_nst.parallel.checkpoint_io import AtomicCheckpointIO
from lit_nst.parallel.claim import Claim
from lit_nst.parallel.launcher import RowsLauncher
from lit_nst.parallel.ranks import Ranks
from lit_nst.parallel.rows import RowsStrategy, register

register()

__all__ = ["AtomicCheckpointIO", "Claim", "Ranks", "RowsLauncher", "RowsStrategy", "register"]
