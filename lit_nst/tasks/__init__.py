"""Tasks: what is optimised, and against what."""

from lit_nst.tasks.base import Task
from lit_nst.tasks.guidance import Cfg, Guidance
from lit_nst.tasks.guided_diffusion import GuidedDiffusion
from lit_nst.tasks.inversion import Inversion
from lit_nst.tasks.objective import Objective
from lit_nst.tasks.search import Search
from lit_nst.tasks.style_transfer import StyleTransfer
from lit_nst.tasks.texture_synthesis import TextureSynthesis

__all__ = [
    "Cfg",
    "Guidance",
    "GuidedDiffusion",
    "Inversion",
    "Objective",
    "Search",
    "StyleTransfer",
    "Task",
    "TextureSynthesis",
]
