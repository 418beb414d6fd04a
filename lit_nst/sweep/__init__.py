"""Many runs as one: plan, cells, page."""

from lit_nst.sweep.command import main

__all__ = ["main"]
