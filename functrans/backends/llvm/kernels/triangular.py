"""`TriangularSolve` for matrices of any size, one after the other: rows of the solution in vectors. Start reading at `emit`.

Imports the builder and `blocks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import F64, Module, Value
from functrans.backends.llvm.kernels.blocks import kernel
from functrans.core.aval import ShapedArray
from functrans.core.lowering_loops import TriangularSolve

__all__ = ["emit", "supports"]

_VECTORS = 4
"""So many of a row are computed at once."""


def supports(ins: Sequence[ShapedArray]) -> bool:
    return ins[0].dtype == np.float64


def emit(
    module: Module, name: str, spec: TriangularSolve, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]
) -> Function:
    """`i64 (ptr a, ptr b, ptr out, ptr scratch)`, 0."""
    f = kernel(module, name, ins, outs)
    f.optimized = True
    a, b, out, _ = f.args
    n, columns = ins[1].shape[-2:]
    with f.loop(0, prod(ins[0].shape[:-2])) as matrix:
        triangle = f.offset(a, matrix.index * (n * n), F64)
        sides = [f.offset(x, matrix.index * (n * columns), F64) for x in (b, out)]
        start, lanes = 0, f.module.lanes(F64)
        for width in (_VECTORS * lanes, lanes, 1):
            stop = start + (columns - start) // width * width
            if stop > start:
                with f.loop(start, stop, width) as strip:
                    here = [f.offset(x, strip.index, F64) for x in sides]
                    _Strip(f, spec, n, columns, triangle, here[0], here[1], width).write()
            start = stop
    f.ret(f.index(0))
    return f


class _Strip:
    """Some columns of the solution."""

    def __init__(
        self, f: Function, spec: TriangularSolve, n: int, columns: int, a: Value, b: Value, out: Value, width: int
    ) -> None:
        self._f, self._spec, self._n, self._columns = f, spec, n, columns
        self._a, self._b, self._out = a, b, out
        self._lanes = min(width, f.module.lanes(F64))
        self._count = width // self._lanes

    def write(self) -> None:
        """Row after row."""
        f, n, downward = self._f, self._n, self._spec.lower != self._spec.transposed
        with f.loop(0, n) as turn:
            i = turn.index if downward else f.index(n - 1) - turn.index
            start, stop = (f.index(0), i) if downward else (i + 1, f.index(n))
            with f.loop(start, stop, carry=self._row(self._b, i)) as k:
                factor = -f.splat(self._triangle(i, k.index), self._lanes)
                known = self._row(self._out, k.index)
                k.next = [f.fma(factor, x, y) for x, y in zip(known, k.carry, strict=True)]
            row = k.results
            if not self._spec.unit:
                inverse = f.splat(f.const(1, F64) / self._triangle(i, i), self._lanes)
                row = [x * inverse for x in row]
            for place, x in zip(self._places(self._out, i), row, strict=True):
                f.store(x, place, F64.bytes)

    def _triangle(self, i: Value, k: Value) -> Value:
        row, column = (k, i) if self._spec.transposed else (i, k)
        return self._f.load(self._f.offset(self._a, row * self._n + column, F64), F64)

    def _places(self, of: Value, i: Value) -> list[Value]:
        return [self._f.offset(of, i * self._columns + v * self._lanes, F64) for v in range(self._count)]

    def _row(self, of: Value, i: Value) -> list[Value]:
        kind = F64.vector(self._lanes) if self._lanes > 1 else F64
        return [self._f.load(place, kind, F64.bytes) for place in self._places(of, i)]
