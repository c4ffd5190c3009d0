"""`dynamic_slice` and `dynamic_update_slice`: one block of an array, at starts that are moved to where it fits.

Imports `blocks` and `starts`; start reading at `emit`.
"""

from __future__ import annotations

from collections.abc import Sequence

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, Module, Value
from functrans.backends.llvm.kernels.blocks import Axis, byte_strides, copy_block, kernel
from functrans.backends.llvm.kernels.starts import clamped, integer_at
from functrans.core.aval import ShapedArray
from functrans.core.lowering_data import DynamicSlice, DynamicUpdateSlice

__all__ = ["emit", "scratch_bytes", "supports"]


def supports(spec: DynamicSlice | DynamicUpdateSlice, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> bool:
    return True


def scratch_bytes(
    spec: DynamicSlice | DynamicUpdateSlice, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]
) -> int:
    return 0


def emit(
    module: Module,
    name: str,
    spec: DynamicSlice | DynamicUpdateSlice,
    ins: Sequence[ShapedArray],
    outs: Sequence[ShapedArray],
) -> Function:
    """The result of an update may lie where the array lies."""
    f = kernel(module, name, ins, outs)
    array, out = f.args[0], f.args[len(ins)]
    reads = isinstance(spec, DynamicSlice)
    block, first = (outs[0], 1) if reads else (ins[1], 2)
    itemsize = block.dtype.itemsize
    into, beside = byte_strides(ins[0].shape, itemsize), byte_strides(block.shape, itemsize)
    distance = _distance(f, ins[0], block, into, ins[first:], f.args[first:])
    if reads:
        axes = [Axis(n, (to, of)) for n, to, of in zip(block.shape, beside, into, strict=True)]
        copy_block(f, axes, itemsize, out, f.offset(array, distance, I8))
    else:
        with f.when(f.icmp("ne", out, array)):
            f.copy(out, array, f.index(outs[0].size * itemsize))
        axes = [Axis(n, (to, of)) for n, to, of in zip(block.shape, into, beside, strict=True)]
        copy_block(f, axes, itemsize, f.offset(out, distance, I8), f.args[1])
    f.ret(f.index(0))
    return f


def _distance(
    f: Function,
    array: ShapedArray,
    block: ShapedArray,
    strides: Sequence[int],
    starts: Sequence[ShapedArray],
    places: Sequence[Value],
) -> Value:
    """How far into the array the block starts."""
    distance = f.index(0)
    for aval, place, total, size, stride in zip(starts, places, array.shape, block.shape, strides, strict=False):
        if total != size:
            distance = distance + clamped(f, integer_at(f, place, aval.dtype), total - size, aval.dtype) * stride
    return distance
