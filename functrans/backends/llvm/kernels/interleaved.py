"""Stacks of small matrices, several at once in the lanes of vectors: element (i, j) of all of them is one vector.

Each group is brought into such an order, worked on as if it were one matrix, and written back. The last group repeats the last
matrix where there are not as many. Float64 only. Imports the builder; start reading at `groups`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import F64, I1, I64, Value

__all__ = ["Group", "Matrix", "groups"]

Element = Callable[[Value, Value], None]


class Matrix:
    """Rows × columns vectors, side by side in memory."""

    def __init__(self, f: Function, place: Value, columns: int) -> None:
        self._f, self._place, self._columns = f, place, columns
        self._kind = F64.vector(f.module.lanes(F64))

    def _at(self, row: Value | int, column: Value | int) -> Value:
        f = self._f
        lanes = self._kind.lanes
        element = f.like(row, f.index(0)) * (self._columns * lanes) + f.like(column, f.index(0)) * lanes
        return f.offset(self._place, element, F64)

    def get(self, row: Value | int, column: Value | int) -> Value:
        return self._f.load(self._at(row, column), self._kind, F64.bytes)

    def put(self, row: Value | int, column: Value | int, x: Value) -> None:
        self._f.store(x, self._at(row, column), F64.bytes)

    def chosen(self, rows: Value, column: Value) -> Value:
        """Of each lane the element in a row of its own."""
        f, lanes = self._f, self._kind.lanes
        steps = f.vector_const(list(range(lanes)), I64)
        places = rows * f.const(self._columns * lanes, rows.type) + steps
        return f.gather(f.offset(self._place, column * lanes, F64), places, F64)


class Group:
    """As many matrices as there are lanes."""

    def __init__(self, f: Function, first: Value, count: int) -> None:
        self._f, self._first, self._count = f, first, count
        self._lanes = f.module.lanes(F64)

    def load(self, of: Value, size: int, element: Value) -> Value:
        """An element, by its number in a matrix of `size` elements, of all matrices."""
        f = self._f
        here = f.offset(of, self._first * size + element, F64)
        return f.gather(here, self._own() * f.const(size, I64.vector(self._lanes)), F64)

    def store(self, x: Value, to: Value, size: int, element: Value) -> None:
        f, own = self._f, self._own()
        here = f.offset(to, self._first * size + element, F64)
        for lane in range(self._lanes):
            f.store(f.extract(x, lane), f.offset(here, f.extract(own, lane) * size, F64))

    def _own(self) -> Value:
        """Which matrix of the group a lane has."""
        f = self._f
        steps = f.vector_const(list(range(self._lanes)), I64)
        last = f.splat(f.index(self._count - 1) - self._first, self._lanes)
        return f.select(f.icmp("slt", steps, last), steps, last)

    def bring(self, of: Value, to: Matrix, rows: int, columns: int) -> None:
        """Whole matrices."""
        with self._f.loop(0, rows) as i, self._f.loop(0, columns) as j:
            to.put(i.index, j.index, self.load(of, rows * columns, i.index * columns + j.index))

    def take(self, of: Matrix, to: Value, rows: int, columns: int) -> None:
        """Whole matrices, back."""
        with self._f.loop(0, rows) as i, self._f.loop(0, columns) as j:
            self.store(of.get(i.index, j.index), to, rows * columns, i.index * columns + j.index)


@contextmanager
def groups(f: Function, count: int) -> Iterator[Group]:
    """A loop over all groups of a stack."""
    with f.loop(0, count, f.module.lanes(F64)) as loop:
        yield Group(f, loop.index, count)


def any_lane(f: Function, mask: Value) -> Value:
    """Whether a mask is true in a lane."""
    return mask if mask.type.lanes == 1 else f.intrinsic("vector.reduce.or", mask, result=I1)
