"""What moves data, to a compiler: gather and scatter, slices at computed places, concatenate, pad, iota.

`Windows` says where a gather reads and a scatter writes; all numbers that are not in the types of operands and results are
here. Imports typing only; start reading at `Windows`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from functrans.record import Record
from functrans.typing import Shape

__all__ = [
    "Bounds", "Concatenate", "DataMovement", "DynamicSlice", "DynamicUpdateSlice", "Gather", "Iota", "Pad", "Scatter",
    "ScatterCombine", "Windows",
]  # fmt: skip

Bounds: TypeAlias = Literal["clip", "drop", "trust", "raise"]
"""What becomes of a start for which the window does not fit into the array: it is moved to the nearest for which it does;
the window is not written, or reads as the fill value; it does not occur (and if it does, anything may be read or
overwritten inside the array); negative starts count from the end, others raise IndexError."""


ScatterCombine: TypeAlias = Literal["add", "mul", "min", "max"]


class Windows(Record):
    """Windows of an array, one per index vector. The other array (a gather's result, a scatter's updates) holds them all.

    Its axes are those of `batch`, in order, and those of the windows that `axes` names, in any mixture.
    """

    batch: Shape
    """How many index vectors there are; the operand that holds them has them one after the other in C order."""
    starts: tuple[int, ...]
    """The array's axis for each element of an index vector; along the other axes windows start at 0."""
    paired: tuple[tuple[int, int], ...]
    """`(axis, number)`: along this axis the window starts at the position on axis `number` of `batch`."""
    sizes: Shape
    """The windows' length along each axis of the array."""
    axes: tuple[int | None, ...]
    """For each axis of the array the axis of the other one that runs over the window; None: there is none (length 1)."""
    bounds: Bounds
    unchecked: bool = False
    """`raise` may take it for granted that no start is out of bounds, as `trust` does."""
    from_end: bool = True
    """`raise` counts negative starts from the end; else they are out of bounds."""


class Gather(Record):
    """`(array, indices) -> windows`."""

    windows: Windows
    fill: bytes
    """The element that fills the windows which `drop` does not read."""


class Scatter(Record):
    """`(array, indices, updates) -> array`: the windows replaced by updates, or combined with them, in order."""

    windows: Windows
    combine: ScatterCombine | None
    from_zeros: bool = False
    """`(updates, indices) -> array`: as if the array were zeros."""


class DynamicSlice(Record):
    """`(array, *starts) -> block`: of the result's shape, from a scalar start per axis, moved to where the block fits."""


class DynamicUpdateSlice(Record):
    """`(array, block, *starts) -> array`: the reverse of DynamicSlice."""


class Concatenate(Record):
    """`(*arrays) -> array`: joined along an axis."""

    axis: int


class Pad(Record):
    """`(array, scalar) -> array`: `(before, after, between)` scalars along each axis; negative ones remove elements."""

    widths: tuple[tuple[int, int, int], ...]


class Iota(Record):
    """`() -> array`: 0, 1, 2 … in the result's dtype."""


DataMovement: TypeAlias = Gather | Scatter | DynamicSlice | DynamicUpdateSlice | Concatenate | Pad | Iota
