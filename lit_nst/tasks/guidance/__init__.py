"""How losses steer a sampling."""

from lit_nst.tasks.guidance.estimate import Estimate, Prompted
from lit_nst.tasks.guidance.guide import Guide, Guided
from lit_nst.tasks.guidance.settings import Cfg, Guidance

__all__ = ["Cfg", "Estimate", "Guidance", "Guide", "Guided", "Prompted"]
