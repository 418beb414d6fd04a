"""Optimisers of ``w`` that torch does not have."""

from lit_nst.optimizers.lbfgs import RowLBFGS

__all__ = ["RowLBFGS"]
