"""`Cholesky`, `Solve` and `TriangularSolve`: stacks of small matrices in lanes, large ones by rows, others by NumPy's loops.

Start reading at `emit`. Imports the builder and the kernels for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import F64, Module, Value
from functrans.backends.llvm.kernels import large_cholesky, large_solve, numpy_loop, triangular
from functrans.backends.llvm.kernels.blocks import kernel
from functrans.backends.llvm.kernels.interleaved import Group, Matrix, any_lane, groups
from functrans.backends.llvm.target import host
from functrans.core.aval import ShapedArray
from functrans.core.lowering_loops import Cholesky, NumpyLoop, Solve, TriangularSolve

__all__ = ["emit", "scratch_bytes", "supports"]

Spec = Cholesky | Solve | TriangularSolve
_LOOPS = {
    Cholesky: NumpyLoop("linalg", "cholesky_lo", "(m,m)->(m,m)", raises=True),
    Solve: NumpyLoop("linalg", "solve", "(m,m),(m,n)->(m,n)", raises=True),
}
_SMALL = 24
"""Up to so many rows a matrix times the lanes stays in the first caches."""
_MANY = 4
"""From so many matrices on lanes pay."""


def _is_fast(aval: ShapedArray) -> bool:
    """Whether our own code is for the dtype, and for this machine."""
    return aval.dtype == np.float64 and host().has_fma


def _is_interleaved(ins: Sequence[ShapedArray]) -> bool:
    shape = ins[0].shape
    return _is_fast(ins[0]) and 0 < shape[-1] <= _SMALL and prod(shape[:-2]) >= _MANY


def _is_large(spec: Spec, ins: Sequence[ShapedArray]) -> bool:
    if isinstance(spec, TriangularSolve) or not _is_fast(ins[0]) or ins[0].shape[-1] <= _SMALL:
        return False
    return isinstance(spec, Cholesky) or host().vector_bytes >= large_solve.LEAST_VECTOR


def supports(spec: Spec, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> bool:
    if not all(aval.size for aval in ins):
        return False
    if _is_interleaved(ins):
        return True
    if isinstance(spec, TriangularSolve):
        return triangular.supports(ins)
    if _is_large(spec, ins):
        return True
    return numpy_loop.supports(_LOOPS[type(spec)], ins, outs)


def scratch_bytes(spec: Spec, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> int:
    if not _is_interleaved(ins):
        large = large_cholesky if isinstance(spec, Cholesky) else large_solve
        return large.scratch_bytes(ins) if _is_large(spec, ins) else 0
    lanes = max(host().vector_bytes // F64.bytes, 1)
    elements = sum((1 + aval.shape[-2]) * aval.shape[-1] for aval in ins)  # and a spare row of each
    return elements * lanes * F64.bytes


def emit(module: Module, name: str, spec: Spec, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> Function:
    """`i64 (ptr a, …, ptr out, ptr scratch)`: 0, or 1 where NumPy would raise."""
    if not _is_interleaved(ins):
        if isinstance(spec, TriangularSolve):
            return triangular.emit(module, name, spec, ins, outs)
        if _is_large(spec, ins):
            large = large_cholesky.emit if isinstance(spec, Cholesky) else large_solve.emit
            return large(module, name, ins, outs)
        return numpy_loop.emit(module, name, _LOOPS[type(spec)], ins, outs)
    f = kernel(module, name, ins, outs)
    f.optimized = True
    count = prod(ins[0].shape[:-2])
    with groups(f, count) as group:
        if isinstance(spec, Cholesky):
            _cholesky(f, group, ins[0].shape[-1])
        elif isinstance(spec, Solve):
            _solve(f, group, *ins[1].shape[-2:])
        else:
            _triangular(f, group, spec, *ins[1].shape[-2:])
    f.ret(f.index(0))
    return f


# ---- cholesky ----


def _cholesky(f: Function, group: Group, n: int) -> None:
    """Column by column, each element less the products of what stands to its left."""
    a, out, scratch = f.args
    x = Matrix(f, scratch, n)
    zero = f.const(0, F64.vector(f.module.lanes(F64)))
    with f.loop(0, n) as i, f.loop(0, i.index + 1) as j:
        x.put(i.index, j.index, group.load(a, n * n, i.index * n + j.index))
    with f.loop(0, n) as column:
        at = column.index
        pivot = _less_products(f, x, at, at, at)
        f.leave_if(any_lane(f, f.fcmp("ule", pivot, zero)), 1)
        root = f.intrinsic("sqrt", pivot)
        x.put(at, at, root)
        inverse = f.const(1, root.type) / root
        with f.loop(at + 1, n) as row:
            x.put(row.index, at, _less_products(f, x, row.index, at, at) * inverse)
    with f.loop(0, n) as i:
        with f.loop(0, i.index + 1) as j:
            group.store(x.get(i.index, j.index), out, n * n, i.index * n + j.index)
        with f.loop(i.index + 1, n) as j:
            group.store(zero, out, n * n, i.index * n + j.index)


def _less_products(f: Function, x: Matrix, i: Value, j: Value, count: Value) -> Value:
    """xᵢⱼ - Σ xᵢₖ xⱼₖ."""
    with f.loop(0, count, carry=[x.get(i, j)]) as loop:
        loop.next = [f.fma(-x.get(i, loop.index), x.get(j, loop.index), loop.carry[0])]
    return loop.results[0]


# ---- solve ----


def _solve(f: Function, group: Group, n: int, columns: int) -> None:
    """Gauss's elimination, with the largest element of a column as pivot, in each lane its own."""
    a, b, out, scratch = f.args
    x, y, *spare = _places(f, scratch, [(n, n), (n, columns), (1, n), (1, columns)])
    group.bring(a, x, n, n)
    group.bring(b, y, n, columns)
    with f.loop(0, n) as column:
        j = column.index
        pivots, inverse = _pivots(f, x, j, n)
        sides = ((x, spare[0], j, n), (y, spare[1], f.index(0), columns))
        for matrix, old, start, stop in sides:
            with f.loop(start, stop) as c:
                old.put(0, c.index, matrix.get(j, c.index))
                matrix.put(j, c.index, matrix.chosen(pivots, c.index))
        with f.loop(j + 1, n) as below:
            is_pivot = f.icmp("eq", pivots, f.splat(below.index, pivots.type.lanes))
            first = f.select(is_pivot, spare[0].get(0, j), x.get(below.index, j))
            factor = -(first * inverse)
            for matrix, old, start, stop in sides:
                with f.loop(start, stop) as c:
                    row = f.select(is_pivot, old.get(0, c.index), matrix.get(below.index, c.index))
                    matrix.put(below.index, c.index, f.fma(factor, matrix.get(j, c.index), row))
    _substitute(f, x, y, n, columns, lower=False, transposed=False, unit=False)
    group.take(y, out, n, columns)


def _places(f: Function, scratch: Value, shapes: Sequence[tuple[int, int]]) -> list[Matrix]:
    """Matrices one after the other."""
    places = []
    for rows, columns in shapes:
        places.append(Matrix(f, scratch, columns))
        scratch = f.offset(scratch, rows * columns * f.module.lanes(F64), F64)
    return places


def _pivots(f: Function, x: Matrix, j: Value, n: int) -> tuple[Value, Value]:
    """The row of the largest element of column j, from row j on, in each lane, and the inverse of that element."""
    lanes = f.module.lanes(F64)
    with f.loop(j + 1, n, carry=[f.intrinsic("fabs", x.get(j, j)), f.splat(j, lanes)]) as search:
        largest, where = search.carry
        size = f.intrinsic("fabs", x.get(search.index, j))
        is_larger = f.fcmp("ogt", size, largest)
        search.next = [f.select(is_larger, size, largest), f.select(is_larger, f.splat(search.index, lanes), where)]
    largest, pivots = search.results
    f.leave_if(any_lane(f, f.fcmp("oeq", largest, f.const(0, largest.type))), 1)
    return pivots, f.const(1, largest.type) / x.chosen(pivots, j)


# ---- triangular_solve ----


def _triangular(f: Function, group: Group, spec: TriangularSolve, n: int, columns: int) -> None:
    a, b, out, scratch = f.args
    x, y = _places(f, scratch, [(n, n), (n, columns)])
    group.bring(a, x, n, n)
    group.bring(b, y, n, columns)
    _substitute(f, x, y, n, columns, lower=spec.lower, transposed=spec.transposed, unit=spec.unit)
    group.take(y, out, n, columns)


def _substitute(
    f: Function, x: Matrix, y: Matrix, n: int, columns: int, *, lower: bool, transposed: bool, unit: bool
) -> None:
    """Row after row of y, less what is known times a row of the triangle."""
    downward = lower != transposed
    with f.loop(0, n) as turn:
        i = turn.index if downward else f.index(n - 1) - turn.index
        start, stop = (f.index(0), i) if downward else (i + 1, f.index(n))
        inverse = None if unit else f.const(1, F64.vector(f.module.lanes(F64))) / x.get(i, i)
        with f.loop(0, columns) as c:
            with f.loop(start, stop, carry=[y.get(i, c.index)]) as k:
                factor = x.get(k.index, i) if transposed else x.get(i, k.index)
                k.next = [f.fma(-factor, y.get(k.index, c.index), k.carry[0])]
            y.put(i, c.index, k.results[0] if inverse is None else k.results[0] * inverse)
