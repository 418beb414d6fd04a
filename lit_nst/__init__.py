"""Choose ``w`` to minimise Σ λₖ·Lₖ(Φ(D(G(w))), Φ(tₖ)) + R(G(w), w)."""

__version__ = "0.1.0"
