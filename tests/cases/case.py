"""What a row of the case table is. The generic properties in tests/test_primitives.py are driven by these rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from functrans.core.primitive import Primitive

FLOATS = ("float32", "float64")
ALL_FLOATS = ("float16", "float32", "float64")
COMPLEX = ("complex64", "complex128")
INTS = ("int8", "int32", "int64", "uint8", "uint64")
BOOL = ("bool",)


@dataclass(frozen=True, eq=False)
class Operand:
    """How to make an operand: its shape, the range its values are drawn from, and its dtype where it is not the case's.

    `distinct` spaces the values apart (no ties, none at a kink); `exclude` keeps them at least 0.1 from these points.
    """

    shape: tuple[int, ...] = (3, 4)
    low: float = -2.0
    high: float = 2.0
    dtype: str | None = None
    distinct: bool = False
    exclude: tuple[float, ...] = ()
    value: Any = None
    """This very array instead of a random one (an index, say); a floating one takes the inexact dtype of the case."""

    def make(self, rng: np.random.Generator, dtype: str) -> np.ndarray[Any, Any]:
        kind = np.dtype(self.dtype or dtype)
        if self.value is not None:
            value = np.asarray(self.value)
            return value.astype(kind) if value.dtype.kind == "f" and kind.kind in "fc" else value
        size = int(np.prod(self.shape))
        if kind.kind == "b":
            return rng.integers(0, 2, self.shape).astype(kind)
        if kind.kind in "iu":
            least = 0.0 if kind.kind == "u" else -np.inf
            low, high = max(self.low, least), max(self.high, least)
            return rng.integers(int(np.ceil(low)), int(np.floor(high)) + 1, self.shape).astype(kind)
        if self.distinct:
            values = np.linspace(self.low, self.high, size + 2)[1:-1]
            return rng.permutation(values).reshape(self.shape).astype(kind)
        values = rng.uniform(self.low, self.high, self.shape)
        for point in self.exclude:
            values = np.where(np.abs(values - point) < 0.1, point + 0.1 + np.abs(values - point), values)
        if kind.kind == "c":
            return (values + 1j * rng.uniform(self.low, self.high, self.shape)).astype(kind)
        return values.astype(kind)


@dataclass(frozen=True, eq=False)
class Case:
    """One primitive with one choice of parameters and operands.

    fun: the function under test, of the operands alone (parameters closed over). reference: the same by plain NumPy.
    dtypes: the dtypes to run the value and batching tests with; gradients are checked in float64 (and complex128 where it
    is among the dtypes). order: how often it can be differentiated in each mode (0: not at all, and `primitive.vjp` says
    why). wrt: the operands to differentiate by, default all floating ones.
    """

    primitive: Primitive
    fun: Callable[..., Any]
    reference: Callable[..., Any]
    operands: tuple[Operand, ...] = (Operand(),)
    dtypes: tuple[str, ...] = FLOATS
    order: int = 2
    wrt: tuple[int, ...] | None = None
    name: str = ""
    """Distinguishes several rows of one primitive."""
    rtol: float | None = None
    """Relative tolerance against the reference in float64 (scaled by eps for other dtypes); None: a few ulp."""

    def __str__(self) -> str:
        return f"{self.primitive.name}-{self.name}" if self.name else self.primitive.name
