"""`Cholesky` of large matrices: rows of the upper factor, several at once, in vectors, from what stands above them.

The matrix is worked on transposed, so that a row of the factor is one of memory; only what is on and right of its diagonal
counts there. Float64 only. Imports the builder and `blocks`; start reading at `emit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import F64, I64, Module, Value
from functrans.backends.llvm.kernels.blocks import kernel
from functrans.backends.llvm.target import host
from functrans.core.aval import ShapedArray

__all__ = ["emit", "scratch_bytes"]

_ROWS, _VECTORS = 4, 3
"""So many rows of so many vectors are computed at once: they fit into the registers."""


def _padded(n: int, lanes: int) -> int:
    """The length of rows in memory: whole groups of vectors, and one more, lest columns share lines of caches."""
    width = _VECTORS * lanes
    return -(-n // width) * width + lanes


def scratch_bytes(ins: Sequence[ShapedArray]) -> int:
    n = ins[0].shape[-1]
    lanes = max(host().vector_bytes // F64.bytes, 1)
    return -(-n // lanes) * lanes * _padded(n, lanes) * F64.bytes


def emit(module: Module, name: str, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> Function:
    """`i64 (ptr a, ptr out, ptr scratch)`: 0, or 1 where a matrix is not positive definite."""
    f = kernel(module, name, ins, outs)
    f.optimized = True
    a, out, scratch = f.args
    n = ins[0].shape[-1]
    with f.loop(0, prod(ins[0].shape[:-2])) as matrix:
        here, there = (f.offset(x, matrix.index * (n * n), F64) for x in (a, out))
        _Factor(f, n, here, there, scratch).write()
    f.ret(f.index(0))
    return f


class _Factor:
    """One matrix."""

    def __init__(self, f: Function, n: int, a: Value, out: Value, scratch: Value) -> None:
        self._f, self._n, self._a, self._out, self._u = f, n, a, out, scratch
        self._lanes = f.module.lanes(F64)
        self._row = _padded(n, self._lanes)
        self._kind = F64.vector(self._lanes)

    def write(self) -> None:
        f, n = self._f, self._n
        self._bring()
        whole = n // _ROWS * _ROWS
        with f.loop(0, whole, _ROWS) as block:
            self._rows(block.index, _ROWS)
        if whole < n:
            self._rows(f.index(whole), n - whole)
        self._take()

    def _at(self, i: Value | int, j: Value | int) -> Value:
        f = self._f
        return f.offset(self._u, f.like(i, f.index(0)) * self._row + j, F64)

    # ---- rows ----

    def _rows(self, first: Value, count: int) -> None:
        f, width = self._f, _VECTORS * self._lanes
        start = f.integer("udiv", first, width) * width
        with f.loop(start, self._n, width) as strip:
            self._less_above(first, count, strip.index)
        for r in range(count):
            for s in range(r):
                self._less_row(first, s, r, start)
            pivot = f.load(self._at(first + r, first + r), F64)
            f.leave_if(f.fcmp("ule", pivot, f.const(0, F64)), 1)
            inverse = f.splat(f.const(1, F64) / f.intrinsic("sqrt", pivot), self._lanes)
            with f.loop(start, self._n, self._lanes) as strip:
                place = self._at(first + r, strip.index)
                f.store(f.load(place, self._kind, F64.bytes) * inverse, place, F64.bytes)

    def _less_above(self, first: Value, count: int, column: Value) -> None:
        """Rows, from a column on, less the products of all rows above them."""
        f = self._f
        places = [self._at(first + r, column + v * self._lanes) for r in range(count) for v in range(_VECTORS)]
        with f.loop(0, first, carry=[f.load(place, self._kind, F64.bytes) for place in places]) as k:
            known = [
                f.load(self._at(k.index, column + v * self._lanes), self._kind, F64.bytes) for v in range(_VECTORS)
            ]
            factors = [-f.splat(f.load(self._at(k.index, first + r), F64), self._lanes) for r in range(count)]
            k.next = [f.fma(factors[i // _VECTORS], known[i % _VECTORS], total) for i, total in enumerate(k.carry)]
        for place, total in zip(places, k.results, strict=True):
            f.store(total, place, F64.bytes)

    def _less_row(self, first: Value, above: int, row: int, start: Value) -> None:
        f = self._f
        factor = -f.splat(f.load(self._at(first + above, first + row), F64), self._lanes)
        with f.loop(start, self._n, self._lanes) as strip:
            place = self._at(first + row, strip.index)
            other = f.load(self._at(first + above, strip.index), self._kind, F64.bytes)
            f.store(f.fma(factor, other, f.load(place, self._kind, F64.bytes)), place, F64.bytes)

    # ---- to and from its transpose ----

    def _bring(self) -> None:
        """The lower triangle as an upper one, in tiles; zeros where rows are padded."""
        f, n, lanes = self._f, self._n, self._lanes
        f.fill(self._u, 0, f.index(-(-n // lanes) * lanes * self._row * F64.bytes))
        with f.loop(0, n, lanes) as tile, f.loop(0, f.minimum(tile.index + lanes, f.index(n))) as i:
            x = f.zero(self._kind)
            for lane in range(lanes):
                j = f.minimum(tile.index + lane, f.index(n - 1))
                x = f.insert(x, f.load(f.offset(self._a, j * n + i.index, F64), F64), lane)
            f.store(x, self._at(i.index, tile.index), F64.bytes)

    def _take(self) -> None:
        f, n, lanes = self._f, self._n, self._lanes
        whole = n // lanes * lanes
        with f.loop(0, whole, lanes) as tile, f.loop(0, n) as j:
            self._taken(j.index, tile.index, lanes)
        if whole < n:
            with f.loop(0, n) as j:
                self._taken(j.index, f.index(whole), n - whole)

    def _taken(self, j: Value, tile: Value, count: int) -> None:
        """Some elements of row j of the lower factor."""
        f = self._f
        to = f.offset(self._out, j * self._n + tile, F64)
        x = f.zero(self._kind)
        for lane in range(count):
            x = f.insert(x, f.load(self._at(tile + lane, j), F64), lane)
        steps = f.vector_const(list(range(self._lanes)), I64)
        x = f.select(f.icmp("sle", steps, f.splat(j - tile, self._lanes)), x, f.zero(self._kind))
        if count == self._lanes:
            f.store(x, to, F64.bytes)
        else:
            for lane in range(count):
                f.store(f.extract(x, lane), f.offset(to, lane, F64))
