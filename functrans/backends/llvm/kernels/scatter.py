"""`scatter` and its kin, and putting along an axis: updates written into, or combined with, windows of an array.

Updates come in the order of their index vectors, so the last one wins and sums repeat bit for bit. The result may lie
where the array lies. All starts are tested before anything is written. Imports `blocks`, `starts` and `scalars`; start
reading at `emit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, Module, Value
from functrans.backends.llvm.kernels.blocks import Axis, copy_block, kernel, nest
from functrans.backends.llvm.kernels.starts import Starts, loops
from functrans.backends.llvm.scalars import Scalars, memory_type
from functrans.backends.llvm.scalars import supports as has_operation
from functrans.core.aval import ShapedArray
from functrans.core.lowering import Combine
from functrans.core.lowering_data import Scatter
from functrans.typing import DType

__all__ = ["emit", "scratch_bytes", "supports"]

_UNROLLED = 4


def supports(spec: Scatter, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> bool:
    return spec.combine is None or has_operation(spec.combine, [outs[0].dtype] * 2, {})


def scratch_bytes(spec: Scatter, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> int:
    return 0


def emit(module: Module, name: str, spec: Scatter, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> Function:
    f = kernel(module, name, ins, outs)
    windows, out, array = spec.windows, f.args[len(ins)], outs[0]
    number = 0 if spec.from_zeros else 2
    updates, indices = f.args[number], f.args[1]
    starts = Starts.of(windows, array, ins[1])
    starts.check(f, indices, prod(windows.batch))
    size = f.index(array.nbytes)
    if spec.from_zeros:
        f.fill(out, 0, size)
    else:
        with f.when(f.icmp("ne", out, f.args[0])):
            f.copy(out, f.args[0], size)
    if ins[number].size:
        index_bytes = len(windows.starts) * ins[1].dtype.itemsize
        order = loops(windows, array, ins[number].shape, index_bytes, in_order=True)
        with nest(f, order.outer, out, updates, indices) as (there, here, place):
            distance, fits = starts.locate(f, place, leave=False)
            to = f.offset(there, distance, I8)
            if fits is None:
                _update(f, spec.combine, order.inner, array.dtype, to, here)
            else:
                with f.when(fits):
                    _update(f, spec.combine, order.inner, array.dtype, to, here)
    f.ret(f.index(0))
    return f


# ---- one window ----


def _update(f: Function, combine: Combine | None, axes: list[Axis], dtype: DType, to: Value, of: Value) -> None:
    if combine is None:
        copy_block(f, axes, dtype.itemsize, to, of)
        return
    run = 1
    if axes and axes[-1].strides == (dtype.itemsize, dtype.itemsize):
        *axes, last = axes
        run = last.size
    with nest(f, axes, to, of) as (there, here):
        _combine_run(f, combine, dtype, run, there, here)


def _combine_run(f: Function, combine: Combine, dtype: DType, count: int, to: Value, of: Value) -> None:
    """Elements that lie side by side: whole vectors, then the rest of one."""
    lanes = min(f.module.lanes(memory_type(dtype)), 1 << (count - 1).bit_length())
    whole = count // lanes * lanes
    if whole > _UNROLLED * lanes:
        with f.loop(0, whole, lanes) as loop:
            _combine(f, combine, dtype, lanes, lanes, to, of, loop.index)
        done = whole
    else:
        done = 0
    for start in range(done, count, lanes):
        _combine(f, combine, dtype, lanes, min(count - start, lanes), to, of, f.index(start))


def _combine(
    f: Function, combine: Combine, dtype: DType, lanes: int, valid: int, to: Value, of: Value, at: Value
) -> None:
    b = Scalars(f, lanes, valid=valid)
    both = b.combine(combine, b.load(to, dtype, at), b.load(of, dtype, at))
    b.store(both, to, at)
