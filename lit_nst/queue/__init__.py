"""How the rows of a run are computed: in units, by any number of processes, and made one."""

from lit_nst.queue.checkpoint import Checkpoint, holds_run, run_of
from lit_nst.queue.run import Run
from lit_nst.queue.settings import Queue
from lit_nst.queue.signals import Stopped

__all__ = ["Checkpoint", "Queue", "Run", "Stopped", "holds_run", "run_of"]
