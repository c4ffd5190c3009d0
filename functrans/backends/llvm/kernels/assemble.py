"""`concatenate`, `pad` and `iota`: arrays put together of runs of memory.

Imports `blocks` and `scalars`; start reading at `emit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, I32, I64, PTR, Module, Value
from functrans.backends.llvm.kernels.blocks import Axis, byte_strides, copy_block, fill_block, kernel, nest, pattern_at
from functrans.backends.llvm.scalars import Element, Scalars
from functrans.core.aval import ShapedArray
from functrans.core.lowering_data import Concatenate, Iota, Pad

__all__ = ["emit", "kept", "scratch_bytes", "supports"]

_TOGETHER = 8
"""Up to so many operands with short rows are gone through side by side."""
_SPREAD = 4
"""Up to so many places apart, elements are shuffled in between what is between them; further apart, written one by one."""
_SHORT = 64
"""Bytes of a row up to which a call of memcpy would cost more than the copy."""


def supports(spec: Concatenate | Pad | Iota, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> bool:
    return True


def scratch_bytes(spec: Concatenate | Pad | Iota, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> int:
    return 0


def emit(
    module: Module, name: str, spec: Concatenate | Pad | Iota, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]
) -> Function:
    f = kernel(module, name, ins, outs)
    out = f.args[len(ins)]
    if outs[0].size:
        match spec:
            case Concatenate(axis):
                _concatenate(f, axis, ins, outs[0], out)
            case Pad(widths):
                _Padding(f, widths, ins[0], outs[0]).run(f.args[0], f.args[1], out)
            case Iota():
                _iota(f, outs[0], out)
    f.ret(f.index(0))
    return f


# ---- concatenate ----


def _concatenate(f: Function, axis: int, ins: Sequence[ShapedArray], aval: ShapedArray, out: Value) -> None:
    """Each operand is rows, which go one after the other into the result's rows."""
    count = prod(aval.shape[:axis])
    full = [(x.nbytes // count, place) for x, place in zip(ins, f.args, strict=False) if x.size]
    row = sum(size for size, _ in full)
    if count > 1 and len(full) <= _TOGETHER and row <= _TOGETHER * _SHORT:
        steps = Axis(count, (row, *(size for size, _ in full)))
        with nest(f, [steps], out, *(place for _, place in full)) as (to, *rows):
            _side_by_side(f, to, [(size, place) for (size, _), place in zip(full, rows, strict=True)])
        return
    start = 0
    for size, place in full:
        f.call(_row_copier(f.module, size), f.offset(out, start, I8), place, count, row, size)
        start += size


def _side_by_side(f: Function, to: Value, rows: Sequence[tuple[int, Value]]) -> None:
    start = 0
    for size, row in rows:
        f.copy(f.offset(to, start, I8), row, f.index(size))
        start += size


def _row_copier(module: Module, size: int) -> Function:
    """`(to, of, count, step, size)`: rows that lie side by side, to places that are `step` apart."""
    short = size <= _SHORT

    def build() -> Function:
        f = Function(module, name, [("to", PTR), ("of", PTR), ("count", I64), ("step", I64), ("size", I64)])
        to, of, count, step, any_size = f.args
        run = f.index(size) if short else any_size
        with f.loop(0, count) as loop:
            f.copy(f.offset(to, loop.index * step, I8), f.offset(of, loop.index * run, I8), run)
        f.ret()
        return f

    name = f"copy_rows_{size}" if short else "copy_rows"
    return module.shared(name, build)


# ---- pad ----


class _Padding:
    """Axis by axis from the outside: what is before, the operand's elements with what is between, what is after."""

    def __init__(self, f: Function, widths: Sequence[tuple[int, int, int]], x: ShapedArray, out: ShapedArray) -> None:
        self.f = f
        self.itemsize = x.dtype.itemsize
        self.shape = x.shape
        self.widths = widths
        self.from_strides = byte_strides(x.shape, self.itemsize)
        self.to_strides = byte_strides(out.shape, self.itemsize)
        self.sizes = out.shape
        self.plain = next((i for i in range(x.ndim, 0, -1) if widths[i - 1] != (0, 0, 0)), 0)
        """The axis from which on nothing is padded."""

    def run(self, x: Value, value: Value, out: Value) -> None:
        self.filling = pattern_at(self.f, value, self.itemsize)
        self._axis(0, out, x)

    def _axis(self, axis: int, to: Value, of: Value) -> None:
        f = self.f
        if axis == self.plain:
            copy_block(f, self._rest(axis), self.itemsize, to, of)
            return
        step, into = self.from_strides[axis], self.to_strides[axis]
        first, count, start, apart = kept(self.shape[axis], self.sizes[axis], self.widths[axis])
        if not count:
            self._fill(to, self.sizes[axis] * into)
            return
        self._fill(to, start * into)
        to, of = f.offset(to, start * into, I8), f.offset(of, first * step, I8)
        end = start + (count - 1) * apart + 1
        if axis + 1 == self.plain and into == self.itemsize and apart <= _SPREAD:
            done = self._spread(count - 1, apart, to, of)
            to, of, count = f.offset(to, done * apart * into, I8), f.offset(of, done * step, I8), count - done
        self._rows(axis, Axis(count, (apart * into, step)), to, of, (apart - 1) * into)
        self._fill(f.offset(to, ((count - 1) * apart + 1) * into, I8), (self.sizes[axis] - end) * into)

    def _rows(self, axis: int, rows: Axis, to: Value, of: Value, gap: int) -> None:
        """What lies along an axis, with gaps between, of so many bytes: each written with the row before it, near in memory."""
        f = self.f
        if axis + 1 == self.plain and not gap:
            copy_block(f, [rows, *self._rest(axis + 1)], self.itemsize, to, of)
            return
        with f.loop(0, rows.size) as row:
            there, here = (
                f.offset(x, row.index * stride, I8) for x, stride in zip((to, of), rows.strides, strict=True)
            )
            self._axis(axis + 1, there, here)
            if gap:
                with f.when(f.icmp("slt", row.index, rows.size - 1)):
                    self._fill(f.offset(there, rows.strides[0] - gap, I8), gap)

    def _spread(self, count: int, apart: int, to: Value, of: Value) -> int:
        """Write elements that lie side by side, each with what is after it, by whole registers; gives how many."""
        f, kind, lanes = self.f, self.filling.type.scalar, self.filling.type.lanes
        parts = self.itemsize // kind.bytes
        each = lanes // parts
        whole = count // each * each
        with f.loop(0, whole, each) as loop:
            x = f.load(f.offset(of, loop.index * parts, kind), self.filling.type, kind.bytes)
            for first in range(0, apart * lanes, lanes):
                elements = [divmod(place, parts) for place in range(first, first + lanes)]
                order = [
                    lanes + lane if element % apart else element // apart * parts + part
                    for lane, (element, part) in enumerate(elements)
                ]
                there = f.offset(to, loop.index * (apart * parts) + first, kind)
                f.store(f.shuffle(x, self.filling, order), there, kind.bytes)
        return whole

    def _rest(self, axis: int) -> list[Axis]:
        rest = zip(self.shape[axis:], self.to_strides[axis:], self.from_strides[axis:], strict=True)
        return [Axis(size, (into, step)) for size, into, step in rest]

    def _fill(self, to: Value, size: int) -> None:
        fill_block(self.f, [Axis(size // self.itemsize, (self.itemsize,))], self.itemsize, to, self.filling)


def kept(size: int, total: int, widths: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """The first of the operand's elements that stays, how many do, where the first one goes, and how far apart they are."""
    before, _, between = widths
    apart = between + 1
    first = -(before // apart) if before < 0 else 0
    last = min(size, (total - 1 - before) // apart + 1)
    return first, max(last - first, 0), before + first * apart, apart


# ---- iota ----


def _iota(f: Function, aval: ShapedArray, out: Value) -> None:
    narrow = aval.size < 1 << 31  # which few machines do not turn into floats by vectors
    kind, counter = (I32, np.dtype(np.int32)) if narrow else (I64, np.dtype(np.int64))
    lanes = f.module.lanes(kind)
    whole = aval.size // lanes * lanes

    def count(start: Value, valid: int) -> None:
        b = Scalars(f, lanes, valid=valid)
        first = f.cast("trunc", start, kind) if narrow else start
        numbers = f.splat(first, lanes) + f.vector_const(list(range(lanes)), kind)
        b.store(b.cast(Element(counter, (numbers,)), aval.dtype), out, start)

    if whole:
        with f.loop(0, whole, lanes) as loop:
            count(loop.index, lanes)
    if whole < aval.size:
        count(f.index(whole), aval.size - whole)
