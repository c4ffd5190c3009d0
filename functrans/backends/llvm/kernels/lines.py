"""Lines of an array along an axis, each handed to a kernel in contiguous memory: where they lie, or copied to scratch.

Start reading at `Lines.each`. Imports `function`, `sort_keys`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, Value
from functrans.backends.llvm.kernels.ordering import aligned
from functrans.backends.llvm.kernels.sort_keys import raw_type
from functrans.record import Record
from functrans.typing import DType, Shape

__all__ = ["Lines"]

_LEAST, _MOST = 16, 128
"""Lines copied at a time: with their neighbours they fill what a cache fetches, and more of it where they are short."""
_NEAR = 1 << 11
"""Elements of them that stay in the nearest cache."""


class Lines(Record):
    """The lines along one axis: `outer` times `inner` of a length."""

    outer: int
    length: int
    inner: int

    @staticmethod
    def along(shape: Shape, axis: int) -> Lines:
        outer = inner = 1
        for size in shape[:axis]:
            outer *= size
        for size in shape[axis + 1 :]:
            inner *= size
        return Lines(outer, shape[axis], inner)

    @property
    def _together(self) -> int:
        """How many lines are copied at a time."""
        return min(max(_NEAR // max(self.length, 1) // _LEAST * _LEAST, _LEAST), _MOST)

    def scratch_bytes(self, dtypes: Sequence[DType]) -> int:
        """For copies of lines of operands and results of these dtypes."""
        if self.inner == 1:
            return 0
        return sum(aligned(self._together * self.length * dtype.itemsize) for dtype in dtypes)

    def each(
        self,
        f: Function,
        ins: Sequence[tuple[Value, DType]],
        outs: Sequence[tuple[Value, DType]],
        scratch: Value,
        body: Callable[[list[Value]], object],
    ) -> None:
        """`body(pointers)` for every line: to the lines of the operands, then to those of the results."""
        if 0 in (self.outer, self.length, self.inner):
            return
        arrays = [*ins, *outs]
        with f.loop(0, self.outer) as outer:
            at = outer.index * (self.length * self.inner)
            whole = [f.offset(pointer, at, raw_type(dtype)) for pointer, dtype in arrays]
            if self.inner == 1:
                body(whole)
                return
            with f.loop(0, self.inner, self._together) as block:
                self._block(f, arrays, whole, len(ins), block.index, scratch, body)

    def _block(
        self,
        f: Function,
        arrays: Sequence[tuple[Value, DType]],
        whole: Sequence[Value],
        ins: int,
        first: Value,
        scratch: Value,
        body: Callable[[list[Value]], object],
    ) -> None:
        count = f.minimum(f.index(self.inner) - first, f.index(self._together))
        copies = []
        for k, (_, dtype) in enumerate(arrays):
            copies.append(scratch)
            scratch = f.offset(scratch, aligned(self._together * self.length * dtype.itemsize), I8)
            if k < ins:
                self._move(f, whole[k], copies[k], dtype, first, count, gather=True)
        with f.loop(0, count) as line:
            at = line.index * self.length
            body([f.offset(c, at, raw_type(dtype)) for c, (_, dtype) in zip(copies, arrays, strict=True)])
        for k in range(ins, len(arrays)):
            self._move(f, whole[k], copies[k], arrays[k][1], first, count, gather=False)

    def _move(
        self, f: Function, array: Value, copy: Value, dtype: DType, first: Value, count: Value, *, gather: bool
    ) -> None:
        """Between the array and the copies of `count` lines."""
        kind, align = raw_type(dtype), min(dtype.itemsize, 8)
        with f.loop(0, self.length) as place:
            row = f.offset(array, place.index * self.inner + first, kind)
            with f.loop(0, count) as line:
                there = f.offset(row, line.index, kind)
                here = f.offset(copy, line.index * self.length + place.index, kind)
                source, target = (there, here) if gather else (here, there)
                f.store(f.load(source, kind, align), target, align)
