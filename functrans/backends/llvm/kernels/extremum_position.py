"""`ExtremumPosition`: argmax and argmin. Start reading at `emit`. Imports `lines`, `scalars`.

A line in contiguous memory is reduced in blocks; the first block with the extremum is then searched for it. Elsewhere
many lines go side by side, each with its extremum so far and its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from functrans.backends.llvm.elements import Element, memory_type
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I1, I32, I64, PTR, Module, Value
from functrans.backends.llvm.kernels.lines import Lines
from functrans.backends.llvm.scalars import Scalars
from functrans.backends.llvm.scalars import supports as has_operation
from functrans.core.aval import ShapedArray
from functrans.core.lowering_order import ExtremumPosition
from functrans.typing import DType

__all__ = ["bytes_of", "emit", "in_columns", "pointer_at", "scratch_bytes", "supports"]

_BLOCK = 512
"""Elements of a line that are reduced before their extremum is compared with the best one."""


def supports(spec: ExtremumPosition, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> bool:
    dtype = bytes_of(ins[0].dtype)
    needed = (spec.extremum, _better_name(spec), "eq", *(["is_nan"] if dtype.kind in "fc" else []))
    return ins[0].shape[spec.axis] < 1 << 31 and all(has_operation(name, [dtype, dtype], {}) for name in needed)


def scratch_bytes(spec: ExtremumPosition, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> int:
    return 0


def emit(
    module: Module, name: str, spec: ExtremumPosition, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]
) -> Function:
    """`i64 (ptr in, ptr out, ptr scratch)`, 0."""
    dtype, lines = bytes_of(ins[0].dtype), Lines.along(ins[0].shape, spec.axis)
    f = Function(module, name, [(p, PTR) for p in ("x", "out", "scratch")], I64, noalias=("x", "out"))
    if outs[0].size:
        with f.loop(0, lines.outer) as outer:
            line = pointer_at(f, f.args[0], outer.index * (lines.length * lines.inner), dtype)
            out = pointer_at(f, f.args[1], outer.index * lines.inner, outs[0].dtype)
            if lines.inner == 1:
                place = _along(f, spec, line, dtype, lines.length)
                _store(Scalars(f, 1), place, out, f.index(0), outs[0].dtype)
            else:
                _across(f, spec, line, out, dtype, outs[0].dtype, lines)
    f.ret(f.index(0))
    return f


def bytes_of(dtype: DType) -> DType:
    """bool is compared as the bytes that hold it, more of which fit in a register."""
    return np.dtype(np.uint8) if dtype.kind == "b" else dtype


def pointer_at(f: Function, pointer: Value, index: Value, dtype: DType) -> Value:
    parts = 2 if dtype.kind == "c" else 1
    return f.offset(pointer, index * parts, memory_type(dtype))


def _store(b: Scalars, places: Value, out: Value, index: Value, dtype: DType) -> None:
    kind = memory_type(dtype)
    narrow = "trunc" if kind.bits < places.type.bits else "zext"
    b.store(Element(dtype, (b.function.cast(narrow, places, kind),)), out, index)


# ---- comparing ----


def _better_name(spec: ExtremumPosition) -> str:
    return "gt" if spec.extremum == "max" else "lt"


def _is_nan(b: Scalars, x: Element) -> Value | None:
    return b.call("is_nan", x).value if x.dtype.kind in "fc" else None


def _is_better(b: Scalars, spec: ExtremumPosition, x: Element, best: Element) -> Value:
    """Whether x comes before the best so far: nothing comes before NaN, and NaN before all else."""
    better = b.call(_better_name(spec), x, best).value
    x_is_nan, best_is_nan = _is_nan(b, x), _is_nan(b, best)
    if x_is_nan is None or best_is_nan is None:
        return better
    return b.function.select(best_is_nan, b.number(0, best_is_nan.type.scalar), better | x_is_nan)


def _is_same(b: Scalars, x: Element, best: Element) -> Value:
    same = b.call("eq", x, best).value
    x_is_nan, best_is_nan = _is_nan(b, x), _is_nan(b, best)
    return same if x_is_nan is None or best_is_nan is None else same | (x_is_nan & best_is_nan)


def _chosen(f: Function, mask: Value, x: Element, y: Element) -> Element:
    return Element(x.dtype, tuple(f.select(mask, p, q) for p, q in zip(x.parts, y.parts, strict=True)))


# ---- along lines ----


def _along(f: Function, spec: ExtremumPosition, line: Value, dtype: DType, length: int) -> Value:
    """The place of the extremum of one line."""
    one = Scalars(f, 1)
    block = min(_BLOCK, length)
    whole = length - length % block
    start = one.load(line, dtype)
    best, place = start, f.index(0)
    if whole > block:
        with f.loop(0, whole, block, carry=[*start.parts, place]) as loop:
            best, place = Element(dtype, tuple(loop.carry[:-1])), loop.carry[-1]
            best, place = _better_block(f, spec, line, loop.index, block, best, place)
            loop.next = [*best.parts, place]
        best, place = Element(dtype, tuple(loop.results[:-1])), loop.results[-1]
    else:
        best, place = _better_block(f, spec, line, f.index(0), block, best, place)
    if whole < length:
        best, place = _better_block(f, spec, line, f.index(whole), length - whole, best, place)
    return _first(f, line, best, place, length)


def _better_block(
    f: Function, spec: ExtremumPosition, line: Value, start: Value, count: int, best: Element, place: Value
) -> tuple[Element, Value]:
    one = Scalars(f, 1)
    found = _extremum(f, spec, line, start, count, best.dtype)
    better = _is_better(one, spec, found, best)
    return _chosen(f, better, found, best), f.select(better, start, place)


def _extremum(f: Function, spec: ExtremumPosition, line: Value, start: Value, count: int, dtype: DType) -> Element:
    """Of `count` elements: registers of four vectors, then vectors, then single elements."""
    lanes = f.module.lanes(I64 if dtype.itemsize >= 8 else I32)
    best = Scalars(f, 1).load(line, dtype, start)
    done = 0
    for wide in (4 * lanes, lanes, 1):
        b, stop = Scalars(f, wide), count - (count - done) % wide
        if stop > done:
            many = b.load(line, dtype, start + done)
            with f.loop(done, stop, wide, carry=many.parts) as loop:
                x = b.load(line, dtype, start + loop.index)
                loop.next = b.combine(spec.extremum, Element(dtype, tuple(loop.carry)), x).parts
            found = b.reduce_lanes(spec.extremum, Element(dtype, tuple(loop.results)))
            best = found if done == 0 else Scalars(f, 1).combine(spec.extremum, best, found)
            done = stop
    return best


def _first(f: Function, line: Value, best: Element, start: Value, length: int) -> Value:
    """The first place from `start` on where the element is the best one; there is one."""
    lanes = f.module.lanes(I64 if best.dtype.itemsize >= 8 else I32)
    if length >= lanes:  # step over vectors without it, while there are whole ones
        with f.repeat([start]) as loop:
            (place,) = loop.carry
            is_whole = f.icmp("sle", place, length - lanes)
            loop.again = f.choose(is_whole, partial(_is_absent, f, line, best, place, lanes), lambda: f.const(0, I1))
            loop.next = [f.select(loop.again, place + lanes, place)]
        start = loop.results[0]
    with f.repeat([start]) as loop:
        (place,) = loop.carry
        loop.again = _is_absent(f, line, best, place, 1)
        loop.next = [place + 1]
    return loop.results[0] - 1


def _is_absent(f: Function, line: Value, best: Element, place: Value, lanes: int) -> Value:
    b = Scalars(f, lanes)
    return b.any(_is_same(b, b.load(line, best.dtype, place), b.splat(best))) ^ 1


# ---- across lines ----


def _across(
    f: Function, spec: ExtremumPosition, x: Value, out: Value, dtype: DType, index_dtype: DType, lines: Lines
) -> None:
    """Lines side by side."""
    kind = I64 if dtype.itemsize >= 8 else I32
    lanes = 4 * f.module.lanes(kind)

    def columns(b: Scalars, first: Value) -> None:
        start = b.load(x, dtype, first)
        with f.loop(1, lines.length, carry=[*start.parts, f.zero(kind.vector(b.lanes))]) as loop:
            best, places = Element(dtype, tuple(loop.carry[:-1])), loop.carry[-1]
            found = b.load(x, dtype, loop.index * lines.inner + first)
            better = _is_better(b, spec, found, best)
            here = f.splat(f.cast("trunc", loop.index, kind), b.lanes)
            loop.next = [*_chosen(f, better, found, best).parts, f.select(better, here, places)]
        _store(b, loop.results[-1], out, first, index_dtype)

    in_columns(f, lines.inner, lanes, columns)


def in_columns(f: Function, count: int, lanes: int, body: Callable[[Scalars, Value], None]) -> None:
    """`body(scalars, first)` for `count` elements side by side: many at once, then those that are left at once."""
    whole = count - count % lanes
    if whole:
        with f.loop(0, whole, lanes) as loop:
            body(Scalars(f, lanes), loop.index)
    if whole < count:
        left = count - whole
        body(Scalars(f, 1 << (left - 1).bit_length(), valid=left), f.index(whole))
