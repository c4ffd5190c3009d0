"""functrans.scipy.sparse: `linalg`, the iterative solvers of linear equations."""

from functrans.scipy.sparse import linalg

__all__ = ["linalg"]
