"""`gather`, and taking along an axis: windows of an array, copied from where index vectors say.

Imports `blocks` and `starts`; start reading at `emit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, I64, Module, Value
from functrans.backends.llvm.kernels.blocks import Axis, copy_block, fill_block, kernel, nest, pattern
from functrans.backends.llvm.kernels.starts import Loops, Starts, loops
from functrans.core.aval import ShapedArray
from functrans.core.lowering_data import Gather

__all__ = ["emit", "scratch_bytes", "supports"]

_AT_ONCE = 64
"""Bytes of a window up to which several index vectors are looked at at once."""


def supports(spec: Gather, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> bool:
    return True


def scratch_bytes(spec: Gather, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> int:
    return 0


def emit(module: Module, name: str, spec: Gather, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> Function:
    f = kernel(module, name, ins, outs)
    array, indices, out = f.args[:3]
    starts = Starts.of(spec.windows, *ins)
    if outs[0].size == 0:
        starts.check(f, indices, prod(spec.windows.batch))
    else:
        index_bytes = len(spec.windows.starts) * ins[1].dtype.itemsize
        order = loops(spec.windows, ins[0], outs[0].shape, index_bytes, in_order=False)
        _Gather(f, starts, order, ins[0].dtype.itemsize, spec.fill).run(array, out, indices)
    f.ret(f.index(0))
    return f


class _Gather:
    def __init__(self, f: Function, starts: Starts, order: Loops, itemsize: int, fill: bytes) -> None:
        self.f = f
        self.starts = starts
        self.outer = order.outer
        self.inner = [Axis(axis.size, axis.strides[::-1]) for axis in order.inner]
        self.itemsize = itemsize
        self.fill = pattern(f, fill)

    def run(self, array: Value, out: Value, indices: Value) -> None:
        f, outer = self.f, self.outer
        lanes = self._lanes()
        if lanes == 1:
            with nest(f, outer, array, out, indices) as (here, there, place):
                self._one(here, there, place)
            return
        *most, last = outer
        whole = last.size // lanes * lanes
        several = Axis(whole // lanes, tuple(lanes * stride for stride in last.strides))
        with nest(f, most, array, out, indices) as pointers:
            with nest(f, [several], *pointers) as (here, there, place):
                self._several(here, there, place, lanes)
            if whole < last.size:
                rest = (f.offset(p, whole * stride, I8) for p, stride in zip(pointers, last.strides, strict=True))
                with nest(f, [Axis(last.size - whole, last.strides)], *rest) as (here, there, place):
                    self._one(here, there, place)

    def _lanes(self) -> int:
        """How many index vectors, neighbours in memory, are looked at at once."""
        size = self.itemsize * prod(axis.size for axis in self.inner)
        lanes = min(self.f.module.lanes(I64), self.starts.most_lanes)
        if not self.outer or size > _AT_ONCE or len(self.inner) > 1:
            return 1
        last = self.outer[-1]
        return lanes if last.strides[2] == self.starts.dtype.itemsize and last.size >= lanes else 1

    def _one(self, array: Value, out: Value, place: Value) -> None:
        f, inner = self.f, self.inner
        distance, fits = self.starts.locate(f, place)
        if fits is None:
            copy_block(f, inner, self.itemsize, out, f.offset(array, distance, I8))
            return
        with f.when(fits) as branch:
            copy_block(f, inner, self.itemsize, out, f.offset(array, distance, I8))
            branch.otherwise()
            fill_block(f, [Axis(axis.size, axis.strides[:1]) for axis in inner], self.itemsize, out, self.fill)

    def _several(self, array: Value, out: Value, place: Value, lanes: int) -> None:
        f, step = self.f, self.outer[-1].strides
        distance, _ = self.starts.locate(f, place, lanes)
        for lane in range(lanes):
            here = f.offset(f.offset(array, lane * step[0], I8), f.extract(distance, lane), I8)
            copy_block(f, self.inner, self.itemsize, f.offset(out, lane * step[1], I8), here)
