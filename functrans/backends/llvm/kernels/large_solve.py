"""`Solve` of large systems: Gauss's elimination in panels of as many columns as a vector has lanes.

Right sides lie beside the matrix. A panel is eliminated column by column, with the largest element as pivot, one vector for each
row; then its rows, and all that is below and right of it, in blocks of rows and strips of vectors. The solution is found from
the last rows up in the same way. Float64 only. Imports the builder and `blocks`; start reading at `_System.write`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import F64, Module, Value
from functrans.backends.llvm.kernels.blocks import kernel
from functrans.backends.llvm.target import host
from functrans.core.aval import ShapedArray

__all__ = ["LEAST_VECTOR", "emit", "scratch_bytes"]

_ROWS, _VECTORS = 4, 3
"""So many rows of so many vectors are computed at once: they fit into the registers."""

LEAST_VECTOR = _ROWS * F64.bytes
"""A panel is to be whole blocks of rows."""


def _up(size: int, to: int) -> int:
    return -(-size // to) * to


class _Shape:
    """How a system lies in memory: the matrix, its columns padded to whole vectors, and the right sides to whole strips.

    Rows are padded to whole panels by those of the identity, and are a vector longer, lest columns share lines of caches.
    """

    def __init__(self, n: int, columns: int, lanes: int) -> None:
        self.n, self.columns, self.lanes = n, columns, lanes
        self.rows = _up(n, max(lanes, _ROWS))
        self.right = self.rows
        self.stop = self.right + _up(columns, lanes)
        self.row = _up(self.stop, _VECTORS * lanes) + (_VECTORS + 1) * lanes


def scratch_bytes(ins: Sequence[ShapedArray]) -> int:
    n, columns = ins[1].shape[-2:]
    shape = _Shape(n, columns, max(host().vector_bytes // F64.bytes, 1))
    return shape.rows * shape.row * F64.bytes


def emit(module: Module, name: str, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> Function:
    """`i64 (ptr a, ptr b, ptr out, ptr scratch)`: 0, or 1 where a matrix is singular."""
    f = kernel(module, name, ins, outs)
    f.optimized = True
    *places, scratch = f.args
    n, columns = ins[1].shape[-2:]
    with f.loop(0, prod(ins[0].shape[:-2])) as matrix:
        here = [
            f.offset(place, matrix.index * (n * width), F64)
            for place, width in zip(places, (n, columns, columns), strict=True)
        ]
        system = _System(f, _Shape(n, columns, module.lanes(F64)), scratch)
        system.bring(here[0], here[1])
        system.write()
        system.take(here[2])
    f.ret(f.index(0))
    return f


class _System:
    """One matrix and its right sides."""

    def __init__(self, f: Function, shape: _Shape, scratch: Value) -> None:
        self.f, self.shape, self._w = f, shape, scratch
        self.lanes = shape.lanes
        self.kind = F64.vector(shape.lanes)

    def _at(self, i: Value | int, j: Value | int) -> Value:
        f = self.f
        return f.offset(self._w, f.like(i, f.index(0)) * self.shape.row + j, F64)

    def _get(self, i: Value | int, j: Value | int) -> Value:
        return self.f.load(self._at(i, j), self.kind, F64.bytes)

    def _put(self, x: Value, i: Value | int, j: Value | int) -> None:
        self.f.store(x, self._at(i, j), F64.bytes)

    def _number(self, i: Value | int, j: Value | int) -> Value:
        return self.f.load(self._at(i, j), F64)

    # ---- to and from memory ----

    def bring(self, a: Value, b: Value) -> None:
        f, s = self.f, self.shape
        f.fill(self._w, 0, f.index(s.rows * s.row * F64.bytes))
        with f.loop(0, s.n) as i:
            f.copy(self._at(i.index, 0), f.offset(a, i.index * s.n, F64), f.index(s.n * F64.bytes))
            right = f.offset(b, i.index * s.columns, F64)
            f.copy(self._at(i.index, s.right), right, f.index(s.columns * F64.bytes))
        for extra in range(s.n, s.rows):
            f.store(f.const(1, F64), self._at(extra, extra))

    def take(self, out: Value) -> None:
        f, s = self.f, self.shape
        with f.loop(0, s.n) as i:
            place = f.offset(out, i.index * s.columns, F64)
            f.copy(place, self._at(i.index, s.right), f.index(s.columns * F64.bytes))

    # ---- elimination ----

    def write(self) -> None:
        f, s, lanes = self.f, self.shape, self.lanes
        with f.loop(0, s.rows, lanes) as panel:
            first = panel.index
            for k in range(lanes):
                self._eliminate_in_panel(first, k)
            self._finish_rows(first)
            with f.loop(first + lanes, s.rows, _ROWS) as block:
                self._less_products(block.index, first, first + lanes, first + lanes)
        with f.loop(0, s.rows, _ROWS) as backwards:
            self._substitute(f.index(s.rows - _ROWS) - backwards.index)

    def _eliminate_in_panel(self, first: Value, k: int) -> None:
        """Column k of a panel: the pivot found and exchanged, and its multiples taken off the panel's rows below."""
        f, s = self.f, self.shape
        j = first + k
        self._exchange(j, self._pivot(j), first)
        after = f.vector_const([float(lane > k) for lane in range(self.lanes)], F64)
        pivot = self._number(j, j)
        inverse = f.const(1, F64) / pivot
        row = self._get(j, first) * after
        with f.loop(j + 1, s.rows) as below:
            factor = self._number(below.index, j) * inverse
            f.store(factor, self._at(below.index, j))
            self._put(f.fma(-f.splat(factor, self.lanes), row, self._get(below.index, first)), below.index, first)

    def _pivot(self, j: Value) -> Value:
        """The row of the largest element on and below the diagonal; leaves where all are 0."""
        f = self.f
        with f.loop(j + 1, self.shape.rows, carry=[f.intrinsic("fabs", self._number(j, j)), j + 0]) as search:
            size = f.intrinsic("fabs", self._number(search.index, j))
            is_larger = f.fcmp("ogt", size, search.carry[0])
            search.next = [
                f.select(is_larger, size, search.carry[0]),
                f.select(is_larger, search.index, search.carry[1]),
            ]
        f.leave_if(f.fcmp("oeq", search.results[0], f.const(0, F64)), 1)
        return search.results[1]

    def _exchange(self, i: Value, j: Value, first: Value) -> None:
        """Two rows, from a column on."""
        f = self.f
        with f.when(f.icmp("ne", i, j)), f.loop(first, self.shape.stop, self.lanes) as c:
            x, y = self._get(i, c.index), self._get(j, c.index)
            self._put(y, i, c.index)
            self._put(x, j, c.index)

    def _finish_rows(self, first: Value) -> None:
        """The panel's own rows, right of it."""
        f, lanes = self.f, self.lanes
        factors = {(r, k): -f.splat(self._number(first + r, first + k), lanes) for r in range(lanes) for k in range(r)}
        with f.loop(first + lanes, self.shape.stop, lanes) as c:
            rows: list[Value] = []
            for r in range(lanes):
                total = self._get(first + r, c.index)
                for k, row in enumerate(rows):
                    total = f.fma(factors[r, k], row, total)
                rows.append(total)
                self._put(total, first + r, c.index)

    def _less_products(self, i: Value, start: Value, stop: Value, column: Value) -> None:
        """A block of rows from row i, from a column on, less its elements from `start` to `stop` times these rows."""
        f, lanes = self.f, self.lanes
        with f.loop(column, self.shape.stop, _VECTORS * lanes) as strip:
            cells = [(r, v) for r in range(_ROWS) for v in range(_VECTORS)]
            begin = [self._get(i + r, strip.index + v * lanes) for r, v in cells]
            with f.loop(start, stop, carry=begin) as k:
                known = [self._get(k.index, strip.index + v * lanes) for v in range(_VECTORS)]
                factors = [-f.splat(self._number(i + r, k.index), lanes) for r in range(_ROWS)]
                k.next = [f.fma(factors[r], known[v], total) for (r, v), total in zip(cells, k.carry, strict=True)]
            for (r, v), total in zip(cells, k.results, strict=True):
                self._put(total, i + r, strip.index + v * lanes)

    # ---- substitution ----

    def _substitute(self, i: Value) -> None:
        """A block of rows of the solution, from those below it."""
        f, s, lanes = self.f, self.shape, self.lanes
        self._less_products(i, i + _ROWS, f.index(s.rows), f.index(s.right))
        inverse = [f.splat(f.const(1, F64) / self._number(i + r, i + r), lanes) for r in range(_ROWS)]
        factors = {
            (r, k): -f.splat(self._number(i + r, i + k), lanes) for r in range(_ROWS) for k in range(r + 1, _ROWS)
        }
        with f.loop(s.right, s.stop, lanes) as c:
            rows: dict[int, Value] = {}
            for r in reversed(range(_ROWS)):
                total = self._get(i + r, c.index)
                for k, row in rows.items():
                    total = f.fma(factors[r, k], row, total)
                rows[r] = total * inverse[r]
                self._put(rows[r], i + r, c.index)
