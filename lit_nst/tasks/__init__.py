"""Tasks: what is optimised, and against what."""

from lit_nst.tasks.base import Task
from lit_nst.tasks.inversion import Inversion
from lit_nst.tasks.search import Search
from lit_nst.tasks.style_transfer import StyleTransfer
from lit_nst.tasks.texture_synthesis import TextureSynthesis

__all__ = ["Inversion", "Search", "StyleTransfer", "Task", "TextureSynthesis"]
