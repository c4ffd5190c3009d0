"""An `Element`: a NumPy element, or one per lane, as LLVM values; and how dtypes lie in memory and in registers.

bool is i1 (a byte in memory); float16 is computed with as float, and rounded after each operation; a complex number has
two parts. `Lanes` is what the tables of operations work with. Imports `ir` and `function`.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import F16, F32, I1, I8, Type, Value
from functrans.core.stacks import is_stack
from functrans.typing import DType

__all__ = [
    "BOOL",
    "Element",
    "Lanes",
    "complex_dtype",
    "is_half",
    "is_known",
    "memory_type",
    "part_dtype",
    "register_type",
]

BOOL: DType = np.dtype(np.bool_)
_KNOWN = frozenset(np.dtype(code) for code in "?bhilqBHILQefdFD")


def is_known(dtype: DType) -> bool:
    """Whether elements of a dtype can be computed with; stacks, which are addresses, can be moved and chosen from."""
    return dtype in _KNOWN or is_stack(dtype)


def is_half(dtype: DType) -> bool:
    return dtype.kind == "f" and dtype.itemsize == 2


def part_dtype(dtype: DType) -> DType:
    """The dtype of a complex dtype's parts; any other dtype itself."""
    return np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype


def complex_dtype(dtype: DType) -> DType:
    """The complex dtype whose parts hold a floating dtype."""
    return np.dtype(np.complex128 if dtype.itemsize == 8 else np.complex64)


@cache
def memory_type(dtype: DType) -> Type:
    """Of one element in memory; of a complex one, of each of the two parts that lie side by side."""
    if dtype.kind == "b":
        return I8
    return Type("i" if dtype.kind in "iuV" else "f", 8 * part_dtype(dtype).itemsize)  # V: the address that a stack is


@cache
def register_type(dtype: DType) -> Type:
    """Of one part while it is computed with."""
    return I1 if dtype.kind == "b" else F32 if is_half(dtype) else memory_type(dtype)


class Element:
    """One element per lane: its dtype, and one value, or two for the parts of complex numbers."""

    __slots__ = ("dtype", "parts")

    def __init__(self, dtype: DType, parts: tuple[Value, ...]) -> None:
        self.dtype = dtype
        self.parts = parts

    @property
    def value(self) -> Value:
        """Of a dtype that is not complex."""
        (part,) = self.parts
        return part


class Lanes:
    """Where elements are computed: a function, a number of lanes, and where to note what NumPy would warn of."""

    def __init__(
        self,
        function: Function,
        lanes: int,
        *,
        valid: int | None = None,
        mask: Value | None = None,
        warnings: Value | None = None,
    ) -> None:
        self.function = function
        self.lanes = lanes
        self.valid = lanes if valid is None else valid
        """How many lanes count: the others are neither loaded nor stored, and warn of nothing."""
        self.mask = mask
        """Which of those that are valid count, where that is known only in the function."""
        self.warnings = warnings

    def number(self, value: float, kind: Type) -> Value:
        """A constant in every lane."""
        return self.function.const(value, kind.vector(self.lanes))

    def rounded(self, x: Value) -> Value:
        """Floats rounded to the nearest float16, kept as floats."""
        f = self.function
        return f.cast("fpext", f.cast("fptrunc", x, F16), F32)

    def any(self, mask: Value) -> Value:
        """Whether the mask is true in a lane that counts."""
        f = self.function
        if self.mask is not None:
            mask = mask & self.mask
        if self.lanes == 1:
            return mask
        if self.valid < self.lanes:
            order = [lane if lane < self.valid else self.lanes for lane in range(self.lanes)]
            mask = f.shuffle(mask, f.zero(mask.type), order)
        return f.intrinsic("vector.reduce.or", mask, result=I1)

    def note(self, bits: int, mask: Value) -> None:
        """Set bits of the warnings where the mask is true in a lane that counts."""
        if self.warnings is None:
            return
        f = self.function
        with f.when(self.any(mask)):
            f.emit(f"atomicrmw or ptr {self.warnings}, i64 {bits} monotonic")  # other chunks may note at the same time
