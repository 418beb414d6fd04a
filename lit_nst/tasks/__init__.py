"""Tasks: what is optimised, and against what."""

from lit_nst.tasks.base import Task
from lit_nst.tasks.inversion import Inversion
from lit_nst.tasks.search import Search

__all__ = ["Inversion", "Search", "Task"]
