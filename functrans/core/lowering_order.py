"""What the ordering and cumulative primitives are to a compiler, as data. Order is NumPy's: NaN last, complex by parts.

Imports typing only. `lowering` gathers these with the other families; a backend has a kernel for each.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from functrans.record import Record

__all__ = ["Argsort", "Cumulate", "Cumulative", "ExtremumPosition", "LinearRecurrence", "Order", "Sort", "TopK"]

Cumulate: TypeAlias = Literal["add", "mul", "max", "min", "logaddexp"]


class Sort(Record):
    """All operands in the order of the first `keys` of them along an axis; equal ones stay as they stood."""

    axis: int
    keys: int


class Argsort(Record):
    """The indices that sort the operands, of which the first is the primary key, along an axis; stable."""

    axis: int


class TopK(Record):
    """The largest elements along the last axis, largest first, and their indices, the lowest first at ties.

    How many says the shape of the results.
    """


class Cumulative(Record):
    """Each element combined with all before it along an axis, one after the other (with all after it if `reverse`)."""

    combine: Cumulate
    axis: int
    reverse: bool


class LinearRecurrence(Record):
    """Of a and b: h with hᵢ = aᵢ·hᵢ₋₁ + bᵢ along an axis, each operation rounded, h₀ = b₀; from the end if `reverse`."""

    axis: int
    reverse: bool


class ExtremumPosition(Record):
    """The index of the extremum along an axis: of the first of several, or of the first NaN."""

    extremum: Literal["max", "min"]
    axis: int


Order: TypeAlias = Sort | Argsort | TopK | Cumulative | LinearRecurrence | ExtremumPosition
