"""From axes to strides: a product over any axes as one or more products of matrices, and what must be copied first.

Neighbouring axes that lie in memory as one axis become one. Free and batch axes that stay several are looped over; a
contracted axis that stays several, or a looped one that leaves too little work inside, is mended by a copy in C order.
Only integers: imports `lowering`. Start reading at `layout_of`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from functrans.core.lowering import Contract
from functrans.record import Record
from functrans.typing import Shape

__all__ = ["Copy", "Layout", "Loop", "Operand", "layout_of"]

ENOUGH_ROWS = 16
"""Fewer than these inside a loop over more rows waste most of a tile."""


class Loop(Record):
    """An axis that is looped over, with its stride in elements in the left, the right and the result; the products of one that
    has none in the result are added up."""

    size: int
    strides: tuple[int, int, int]


class Copy(Record):
    """An operand's axes in the order in which a copy has them: size and stride of each, in elements."""

    sizes: tuple[int, ...]
    strides: tuple[int, ...]


class Operand(Record):
    """Strides in elements of an operand, or of its copy: along its free axis and along the contracted one."""

    size: int
    """All its elements, over all loops."""
    free: int
    contracted: int
    copy: Copy | None = None


class Layout(Record):
    """Products of matrices (m, k) × (k, n), one for each index of the loops, into rows of the result `c` apart.

    If `swapped`, left and right have changed places: the result was one column and is seen as one row.
    """

    m: int
    n: int
    k: int
    left: Operand
    right: Operand
    c: int
    loops: tuple[Loop, ...]
    frame: tuple[int, int]
    """Rows and columns of the whole result, seen as one matrix in C order: what places in it are told by."""
    contracts: bool
    """Whether there is a contracted axis at all; without one products are not added to anything."""
    swapped: bool = False

    @property
    def size(self) -> int:
        return prod(loop.size for loop in self.loops)

    @property
    def multiplications(self) -> int:
        return self.size * self.m * self.n * self.k


_Axis = tuple[int, ...]  # the size, then the stride in each array that has the axis


def _strides(shape: Shape) -> tuple[int, ...]:
    return tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))


def _merged(axes: Sequence[_Axis]) -> list[_Axis]:
    """Without axes of length 1, and with neighbours that lie as one axis made one."""
    out: list[_Axis] = []
    for axis in axes:
        if axis[0] == 1:
            continue
        if out and all(outer == inner * axis[0] for outer, inner in zip(out[-1][1:], axis[1:], strict=True)):
            out[-1] = (out[-1][0] * axis[0], *axis[1:])
        else:
            out.append(axis)
    return out


def _innermost(axes: list[_Axis], width: int) -> tuple[list[_Axis], _Axis]:
    """The axes to loop over, and the one that stays: size and strides."""
    return (axes[:-1], axes[-1]) if axes else ([], (1, *(0 for _ in range(width))))


def layout_of(spec: Contract, left: Shape, right: Shape) -> Layout:
    """How to bring a product to products of matrices."""
    order = _contracted_order(spec, left, right)
    copies: list[Copy | None] = [None, None]
    views = [_view(spec, side, (left, right)[side], order) for side in (0, 1)]
    for side in (0, 1):
        if _wants_copy(views[side]):
            copies[side] = _copy(views[side])
            views[side] = _compact(views[side])
    (lb, lf, lk), (rb, rf, rk) = views
    batch, rows, columns = ([axis[0] for axis in axes] for axes in (lb, lf, rf))
    out = _strides((*batch, *rows, *columns))
    n_batch, n_rows = len(batch), len(rows)
    loops = _merged([(x[0], x[1], y[1], c) for x, y, c in zip(lb, rb, out[:n_batch], strict=True)])
    row_loops, row = _innermost(
        _merged([(x[0], x[1], c) for x, c in zip(lf, out[n_batch : n_batch + n_rows], strict=True)]), 2
    )
    column_loops, column = _innermost(
        _merged([(y[0], y[1], c) for y, c in zip(rf, out[n_batch + n_rows :], strict=True)]), 2
    )
    _, (k, a_k, b_k) = _innermost(_merged([(x[0], x[1], y[1]) for x, y in zip(lk, rk, strict=True)]), 2)
    around = (
        *(Loop(size, (a, b, c)) for size, a, b, c in loops),
        *(Loop(size, (a, 0, c)) for size, a, c in row_loops),
        *(Loop(size, (0, b, c)) for size, b, c in column_loops),
    )
    a, b = Operand(prod(left), row[1], a_k, copies[0]), Operand(prod(right), column[1], b_k, copies[1])
    if column[0] == 1 < row[0]:  # a matrix times a vector: as a row times a matrix, so that the result is a row
        turned = tuple(Loop(loop.size, (loop.strides[1], loop.strides[0], loop.strides[2])) for loop in around)
        return Layout(1, row[0], k, b, a, row[0], turned, (prod(batch), prod(rows)), bool(lk), swapped=True)
    return Layout(row[0], column[0], k, a, b, row[2], around, (prod(batch) * prod(rows), prod(columns)), bool(lk))


def _contracted_order(spec: Contract, left: Shape, right: Shape) -> list[int]:
    """The order of the summed axes is ours to choose: as they lie in the larger operand."""
    of = int(prod(right) > prod(left))
    return sorted(range(len(spec.contracted[0])), key=spec.contracted[of].__getitem__)


_View = tuple[list[_Axis], list[_Axis], list[_Axis]]  # batch, free, contracted


def _view(spec: Contract, side: int, shape: Shape, order: Sequence[int]) -> _View:
    strides = _strides(shape)
    contracted = [spec.contracted[side][i] for i in order]
    batch, free, summed = (
        [(shape[axis], strides[axis]) for axis in axes] for axes in (spec.batch[side], spec.free[side], contracted)
    )
    return list(batch), list(free), list(summed)


def _wants_copy(view: _View) -> bool:
    free, contracted = _merged(view[1]), _merged(view[2])
    innermost = [axes[-1][1] for axes in (free, contracted) if axes]
    strided = bool(innermost) and 1 not in innermost
    return len(contracted) > 1 or (len(free) > 1 and free[-1][0] < ENOUGH_ROWS) or strided


def _copy(view: _View) -> Copy:
    axes = _merged([axis for part in view for axis in part])
    return Copy(tuple(axis[0] for axis in axes), tuple(axis[1] for axis in axes))


def _compact(view: _View) -> _View:
    sizes = [axis[0] for part in view for axis in part]
    axes = list(zip(sizes, _strides(tuple(sizes)), strict=True))
    b, f = len(view[0]), len(view[0]) + len(view[1])
    return list(axes[:b]), list(axes[b:f]), list(axes[f:])
