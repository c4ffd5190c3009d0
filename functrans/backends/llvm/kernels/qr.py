"""`QrLoops`: Householder's reflections by one of NumPy's loops, and Q of them by another. Start reading at `emit`.

Imports the builder, `blocks` and `numpy_loop`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, Module, Value
from functrans.backends.llvm.kernels import numpy_loop
from functrans.backends.llvm.kernels.blocks import kernel
from functrans.core.aval import ShapedArray, shaped
from functrans.core.lowering_loops import NumpyLoop, QrLoops

__all__ = ["emit", "scratch_bytes", "supports"]

_REFLECT = NumpyLoop("linalg", "qr_r_raw", "(m,n)->(p)", raises=True)
"""It writes over its operand: R, and below it the reflections."""
_REDUCED = NumpyLoop("linalg", "qr_reduced", "(m,n),(p)->(m,p)", raises=True)
_COMPLETE = NumpyLoop("linalg", "qr_complete", "(m,n),(p)->(m,m)", raises=True)


def _collect(spec: QrLoops) -> NumpyLoop:
    return _COMPLETE if spec.full else _REDUCED


def _factors(a: ShapedArray) -> ShapedArray:
    """What scales the reflections."""
    return shaped((*a.shape[:-2], a.shape[-1]), a.dtype)


def supports(spec: QrLoops, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> bool:
    (a,), taus = ins, _factors(ins[0])
    return numpy_loop.supports(_REFLECT, [a], [taus]) and numpy_loop.supports(_collect(spec), [a, taus], [outs[0]])


def scratch_bytes(spec: QrLoops, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> int:
    return ins[0].nbytes + _factors(ins[0]).nbytes


def emit(module: Module, name: str, spec: QrLoops, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> Function:
    """`i64 (ptr a, ptr q, ptr r, ptr scratch)`: 0, or 1 where NumPy would raise."""
    f = kernel(module, name, ins, outs)
    a, q, r, copy = f.args
    factors = f.offset(copy, ins[0].nbytes, I8)
    f.copy(copy, a, f.index(ins[0].nbytes))
    taus = _factors(ins[0])
    failed = numpy_loop.call_loop(f, _REFLECT, ins, [taus], [copy, factors])
    f.leave_if(f.icmp("ne", failed, 0), 1)
    f.leave_if(f.icmp("ne", numpy_loop.call_loop(f, _collect(spec), [*ins, taus], outs[:1], [copy, factors, q]), 0), 1)
    _upper(f, ins[0], outs[1], copy, r)
    f.ret(f.index(0))
    return f


def _upper(f: Function, a: ShapedArray, r: ShapedArray, copy: Value, to: Value) -> None:
    """The upper triangle of what was computed in place."""
    m, n = a.shape[-2:]
    rows, size = r.shape[-2], a.dtype.itemsize
    f.fill(to, 0, f.index(r.nbytes))
    with f.loop(0, prod(a.shape[:-2])) as matrix, f.loop(0, n) as row:
        there = f.offset(to, matrix.index * (rows * n * size) + row.index * ((n + 1) * size), I8)
        here = f.offset(copy, matrix.index * (m * n * size) + row.index * ((n + 1) * size), I8)
        f.copy(there, here, (n - row.index) * size)
