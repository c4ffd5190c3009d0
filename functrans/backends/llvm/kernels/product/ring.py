"""The arithmetic of a dtype as a matrix product needs it: what an element is made of, and how products are summed.

A complex number lies in memory as two parts; a vector holds whole elements. The product with a complex number from the
left is taken with its real and its imaginary part on their own, in two accumulators, which `combined` joins at the end.
Imports `ir`, `instructions`; start reading at `Ring`.
"""

from __future__ import annotations

from collections.abc import Sequence

from functrans.backends.llvm.instructions import Instructions
from functrans.backends.llvm.ir import F16, F32, F64, Module, Type, Value
from functrans.record import Record
from functrans.typing import DType

__all__ = ["Ring", "ring_of"]


class Ring(Record):
    """What is computed with (`part`), how many parts an element has, and what lies in memory (`stored`)."""

    name: str
    part: Type
    parts: int
    stored: Type
    boolean: bool = False

    @property
    def bytes(self) -> int:
        """Of one element that is computed with."""
        return self.part.bytes * self.parts

    @property
    def stored_bytes(self) -> int:
        return self.stored.bytes * self.parts

    @property
    def narrow(self) -> bool:
        """Whether memory holds something narrower than what is computed with, so that operands are widened first."""
        return self.part != self.stored

    @property
    def wide(self) -> Ring:
        """The arithmetic on operands that have been widened."""
        return Ring(f"{self.part.kind}{self.part.bits}", self.part, 1, self.part) if self.narrow else self

    def lanes(self, module: Module) -> int:
        """Parts in one vector; at least one whole element."""
        return max(module.lanes(self.part), self.parts)

    def elements(self, module: Module) -> int:
        """Elements in one vector."""
        return self.lanes(module) // self.parts

    def vector(self, module: Module) -> Type:
        return self.part.vector(self.lanes(module))

    # ---- arithmetic ----

    def multiply_add(self, f: Instructions, x: Value, y: Value, total: Value) -> Value:
        """total + x * y of vectors of parts; fused where the machine does that at one stroke."""
        if self.boolean:
            return total | (x & y)
        if self.part.kind == "f" and f.module.target.has_fma:
            return f.fma(x, y, total)
        return total + x * y

    def combined(self, f: Instructions, sums: Sequence[Value]) -> Value:
        """The vector of results: real sums + i times imaginary ones."""
        if self.parts == 1:
            return sums[0]
        return sums[0] + self._rotated(f, sums[1])

    def _rotated(self, f: Instructions, x: Value) -> Value:
        """i times a vector of complex numbers."""
        swapped = f.shuffle(x, x, [lane ^ 1 for lane in range(x.type.lanes)])
        return swapped * f.vector_const([1 if lane % 2 else -1 for lane in range(x.type.lanes)], self.part)

    def scaled(self, f: Instructions, x: Value, number: Sequence[Value]) -> Value:
        """A vector times a number, given by its parts."""
        parts = [f.splat(part, x.type.lanes) for part in number]
        if self.boolean:
            return x & parts[0]
        product = x * parts[0]
        return product if self.parts == 1 else product + self._rotated(f, x) * parts[1]

    def sum(self, x: Value, y: Value) -> Value:
        return x | y if self.boolean else x + y

    # ---- memory ----

    def widened(self, f: Instructions, x: Value) -> Value:
        """What memory holds as what is computed with."""
        if self.part.kind == "f":
            return f.cast("fpext", x, self.part)
        return f.cast("zext", x, self.part)  # the upper half does not reach the lower one

    def narrowed(self, f: Instructions, x: Value) -> Value:
        return f.cast("fptrunc" if self.part.kind == "f" else "trunc", x, self.stored)


def ring_of(dtype: DType) -> Ring | None:
    """The arithmetic of a dtype; None for what has none."""
    bits = dtype.itemsize * 8
    match dtype.kind:
        case "f" if bits in (32, 64):
            kind = F32 if bits == 32 else F64
            return Ring(f"f{bits}", kind, 1, kind)
        case "f" if bits == 16:
            return Ring("f16", F32, 1, F16)
        case "c" if bits in (64, 128):
            kind = F32 if bits == 64 else F64
            return Ring(f"c{bits}", kind, 2, kind)
        case "b":
            return Ring("bool", Type("i", 8), 1, Type("i", 8), boolean=True)
        case "i" | "u":
            stored = Type("i", bits)  # no machine multiplies vectors of bytes
            return Ring(f"i{bits}", Type("i", 16) if bits == 8 else stored, 1, stored)
    return None
