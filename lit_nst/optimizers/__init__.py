"""Optimisers of ``w`` that torch does not have."""

from lit_nst.optimizers.lbfgs import RowLBFGS
from lit_nst.optimizers.normalized import NormalizedGradient

__all__ = ["NormalizedGradient", "RowLBFGS"]
