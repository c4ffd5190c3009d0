"""A call of one of NumPy's own loops, to a compiler: LAPACK's routines, Fourier transforms.

Start reading at `NumpyLoop`. Imports records.
"""

from __future__ import annotations

from functrans.record import Record

__all__ = ["NumpyLoop"]


class NumpyLoop(Record):
    """A generalised ufunc of NumPy, for all of a stack at once: operands and results have the same leading axes.

    Where the loop says that NumPy would raise, NumPy is asked.
    """

    module: str
    """Where the ufunc is: "linalg" or "fft"."""
    ufunc: str
    signature: str
    """Of one call, with letters for lengths, as "(m,n),()->(m)"."""
    factor: float | None = None
    """The value of the operand `()` that is no operand of the primitive's, the last one."""

    @property
    def cores(self) -> tuple[tuple[str, ...], ...]:
        """The letters of each operand and result."""
        parts = self.signature.replace("->", ",").replace("),(", ")(").strip("()").split(")(")
        return tuple(tuple(letter for letter in part.split(",") if letter) for part in parts)

    def __str__(self) -> str:
        return f"numpy.{self.module}'s {self.ufunc}"
