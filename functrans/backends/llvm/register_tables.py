"""Reads of a few elements of an array in memory, at places that are known in the function only. Start reading at `read`.

A start that NumPy would raise for is noted; what is read then lies in the array all the same. Imports `register_values`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from functrans.backends.llvm.element_memory import take
from functrans.backends.llvm.ir import I64, Value
from functrans.backends.llvm.kernels.starts import clamped
from functrans.backends.llvm.register_values import Numbers, Registers
from functrans.backends.llvm.scalar_warnings import FAILED
from functrans.backends.llvm.scalars import Element, Scalars
from functrans.core.aval import ShapedArray
from functrans.core.lowering import Lowering
from functrans.core.lowering_data import Bounds, DynamicSlice, Gather
from functrans.record import NamedTuple
from functrans.typing import Shape

__all__ = ["is_read", "read"]


class _Window(NamedTuple):
    """Where the elements are that a result takes."""

    axes: tuple[int, ...]
    """The array's axis for each start."""
    sizes: Shape
    bounds: Bounds
    unchecked: bool
    from_end: bool
    """Whether no start is out of bounds that NumPy would raise for."""
    result: tuple[int | None, ...]
    """For each axis of the array the axis of the result that runs over the window."""


def _window(lowering: Lowering, ins: Sequence[ShapedArray], out: ShapedArray) -> _Window | None:
    """None: it is not one window of an array."""
    if isinstance(lowering, DynamicSlice):
        axes = tuple(range(len(ins[0].shape)))
        return _Window(axes, out.shape, "clip", False, True, axes)
    if not isinstance(lowering, Gather) or any(size != 1 for size in lowering.windows.batch):
        return None
    windows = lowering.windows
    return _Window(windows.starts, windows.sizes, windows.bounds, windows.unchecked, windows.from_end, windows.axes)


def is_read(lowering: Lowering, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> bool:
    """Whether `read` does it, if the first operand lies in memory."""
    window = _window(lowering, ins, outs[0]) if outs else None
    if window is None or window.bounds == "drop":
        return False
    return all(0 < size <= whole for size, whole in zip(window.sizes, ins[0].shape, strict=True))


def read(
    registers: Registers, lowering: Lowering, operands: Sequence[Numbers], ins: Sequence[ShapedArray], out: ShapedArray
) -> Numbers:
    """A window of the first operand; the others say where it starts."""
    table, *given = operands
    window = _window(lowering, ins, out)
    assert window is not None
    assert table.place is not None
    strides = np.cumprod([1, *ins[0].shape[:0:-1]], dtype=np.intp)[::-1]
    starts = [registers.taken(numbers, [i]).runs[0] for numbers in given for i in range(numbers.size)]
    scalars = registers.scalars(*registers.runs(1))
    distance = scalars.number(0, I64)
    for start, axis in zip(starts, window.axes, strict=True):
        distance = distance + _inside(scalars, start, ins[0].shape[axis], axis, window) * int(strides[axis])
    offsets = sum(
        (
            np.indices(out.shape)[axis] * stride
            for axis, stride in zip(window.result, strides, strict=True)
            if axis is not None
        ),
        start=np.zeros(out.shape, np.intp),
    )
    found = [take(scalars, table.place, out.dtype, distance + int(offset)) for offset in offsets.ravel()]
    return registers.arranged([(Numbers(1, out.dtype, (x,)), 0) for x in found], out.dtype)


def _inside(scalars: Scalars, start: Element, size: int, axis: int, window: _Window) -> Value:
    """Where a window starts along an axis of a size, as i64."""
    f, x, last = scalars.function, start.value, size - window.sizes[axis]
    if x.type.bits < 64:
        x = f.cast("sext" if start.dtype.kind == "i" else "zext", x, I64)
    if window.bounds == "raise" and window.from_end:
        x = x + (f.integer("ashr", x, 63) & size)
    if window.bounds == "raise" and not window.unchecked:
        scalars.note(FAILED, f.icmp("ugt", x, last))
    return clamped(f, x, last, start.dtype)
