"""What works on whole matrices and vectors, to a compiler: factors, equations, and NumPy's own loops, which are LAPACK's.

Start reading at `NumpyLoop`. Imports records.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from functrans.record import Record

__all__ = ["Cholesky", "Fourier", "Matrices", "NumpyLoop", "QrLoops", "Solve", "TriangularSolve"]


class NumpyLoop(Record):
    """A generalised ufunc of NumPy, for all of a stack at once: operands and results have the same leading axes.

    Where the loop says that NumPy is to raise, NumPy is asked.
    """

    module: str
    """Where the ufunc is: "linalg" or "fft"."""
    ufunc: str
    signature: str
    """Of one call, with letters for lengths, as "(m,n),()->(m)"."""
    factor: float | None = None
    """The value of the operand `()` that is no operand of the primitive's, the last one."""
    raises: bool = False
    """Whether the loop says so where NumPy is to raise."""

    @property
    def cores(self) -> tuple[tuple[str, ...], ...]:
        """The letters of each operand and result."""
        return tuple(tuple(part.split(",")) if part else () for part in re.findall(r"\((.*?)\)", self.signature))

    def __str__(self) -> str:
        return f"numpy.{self.module}'s {self.ufunc}"


class QrLoops(Record):
    """Q and R of matrices that have at least as many rows as columns, by two of NumPy's loops; Q square if `full`."""

    full: bool


class Cholesky(Record):
    """The lower factors of positive definite matrices, of which the lower triangle is read; where one is not, NumPy is asked."""


class Solve(Record):
    """`(a, b) -> x`, with a x = b, for stacks of square matrices; where one is singular, NumPy is asked."""


class TriangularSolve(Record):
    """`(a, b) -> x`, with a x = b, or aᵀ x = b; of a one triangle is read, its diagonal only unless it is all ones."""

    lower: bool
    transposed: bool
    unit: bool


class Fourier(Record):
    """The transforms of the last axis that a loop of NumPy's makes."""

    loop: NumpyLoop


Matrices: TypeAlias = Fourier | NumpyLoop | QrLoops | Cholesky | Solve | TriangularSolve
