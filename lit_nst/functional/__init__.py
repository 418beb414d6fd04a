"""Tensor → tensor functions without state."""
