"""What happens around the steps: degrade, record, show, write."""

from lit_nst.callbacks.average import Average
from lit_nst.callbacks.degrade import Degrade
from lit_nst.callbacks.history import History, cut_history, merge_history
from lit_nst.callbacks.part import Part, read_part, write_part
from lit_nst.callbacks.progress import StepBar
from lit_nst.callbacks.results import Results
from lit_nst.callbacks.trajectory import Trajectory, compose

__all__ = [
    "Average",
    "Degrade",
    "History",
    "Part",
    "Results",
    "StepBar",
    "Trajectory",
    "compose",
    "cut_history",
    "merge_history",
    "read_part",
    "write_part",
]
