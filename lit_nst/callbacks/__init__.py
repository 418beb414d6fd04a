"""What happens around the steps: degrade, record, show, write."""

from lit_nst.callbacks.average import Average
from lit_nst.callbacks.degrade import Degrade
from lit_nst.callbacks.history import History
from lit_nst.callbacks.progress import StepBar
from lit_nst.callbacks.results import Results
from lit_nst.callbacks.trajectory import Trajectory

__all__ = ["Average", "Degrade", "History", "Results", "StepBar", "Trajectory"]
