"""functrans.scipy: those of SciPy's modules that JAX has too, in functions that can be traced. Imports lax's layer."""

from functrans.scipy import optimize, sparse

__all__ = ["optimize", "sparse"]
