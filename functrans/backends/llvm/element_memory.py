"""Loads and stores of elements: any stride, any number of valid lanes, never a byte outside of them.

A count of lanes that is known here is cut into pieces whose sizes are powers of two. Start reading at `load`. Imports `elements`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from functrans.backends.llvm.elements import Element, Lanes, is_half, memory_type
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import F16, F32, I1, I8, Type, Value
from functrans.typing import DType

__all__ = ["load", "store", "take"]


_FAR = 32
"""Bytes of a vector that is stored past the caches, at least: the processor puts halves of a line together."""


def load(b: Lanes, pointer: Value, dtype: DType, offset: Value | int, stride: int, count: int) -> Element:
    """The elements at `offset + stride * lane` for the first `count` lanes; the other lanes are 0 (or repeat, for stride 0)."""
    f, lanes, kind = b.function, b.lanes, _raw_type(dtype)
    if dtype.kind != "c":
        place = f.offset(pointer, offset, kind)
        return Element(dtype, (_from_memory(f, _load(f, place, kind, lanes, stride, count), dtype),))
    place = f.offset(pointer, f.like(offset, f.index(0)) * 2, kind)
    if stride == 1 and lanes > 1:
        both = _load(f, place, kind, 2 * lanes, 1, 2 * count)
        re, im = (f.shuffle(both, both, range(part, 2 * lanes, 2)) for part in (0, 1))
        return Element(dtype, (re, im))
    re, im = (_load(f, f.offset(place, part, kind), kind, lanes, 2 * stride, count) for part in (0, 1))
    return Element(dtype, (re, im))


def store(
    b: Lanes, element: Element, pointer: Value, offset: Value | int, stride: int, count: int, *, far: bool = False
) -> None:
    """The reverse of `load`; with stride 0 only lane 0 is stored. What is `far` goes past the caches, if it is a whole vector."""
    f, kind = b.function, _raw_type(element.dtype)
    if element.dtype.kind != "c":
        x, place = _to_memory(f, element), f.offset(pointer, offset, kind)
        if far and stride == 1 and count == x.type.lanes and count * kind.bytes >= _FAR:
            f.store_far(x, place)
        else:
            _store(f, x, place, stride, count)
        return
    place = f.offset(pointer, f.like(offset, f.index(0)) * 2, kind)
    re, im = element.parts
    if stride == 1 and b.lanes > 1:
        order = [lane + part * b.lanes for lane in range(b.lanes) for part in (0, 1)]
        _store(f, f.shuffle(re, im, order), place, 1, 2 * count)
        return
    for part, value in enumerate((re, im)):
        _store(f, value, f.offset(place, part, kind), 2 * stride, count)


def take(b: Lanes, pointer: Value, dtype: DType, indices: Value) -> Element:
    """For each lane the element at its index; all of them are read."""
    f, kind = b.function, _raw_type(dtype)
    if dtype.kind != "c":
        return Element(dtype, (_from_memory(f, _take(f, pointer, kind, indices), dtype),))
    re, im = (_take(f, f.offset(pointer, part, kind), kind, indices * 2) for part in (0, 1))
    return Element(dtype, (re, im))


# ---- what lies in memory, and what is computed with ----


def _raw_type(dtype: DType) -> Type:
    kind = memory_type(dtype)
    return kind.integer() if is_half(dtype) else kind  # few machines shuffle half floats


def _from_memory(f: Function, x: Value, dtype: DType) -> Value:
    if dtype.kind == "b":
        return f.icmp("ne", x, 0)
    return f.cast("fpext", f.from_bits(x), F32) if is_half(dtype) else x


def _to_memory(f: Function, element: Element) -> Value:
    x = element.value
    if element.dtype.kind == "b":
        return f.cast("zext", x, I8)
    return f.bits(f.cast("fptrunc", x, F16)) if is_half(element.dtype) else x


# ---- vectors of one type ----


def _load(f: Function, place: Value, kind: Type, lanes: int, stride: int, count: int) -> Value:
    """A vector whose lanes from `count` on are 0."""
    if lanes == 1 or stride == 0:
        return f.splat(f.load(place, kind), lanes)
    if stride < 0:
        x = _load(f, f.offset(place, stride * (count - 1), kind), kind, lanes, -stride, count)
        return f.shuffle(x, x, _reversed(count, lanes))
    if stride == 1:
        return _load_unit(f, place, kind, lanes, count)
    if stride == 2 and count == lanes:  # the second vector ends at the last element, and not after it
        low = _load_unit(f, place, kind, lanes, lanes)
        high = _load_unit(f, f.offset(place, lanes - 1, kind), kind, lanes, lanes)
        return f.shuffle(low, high, [2 * lane + (2 * lane >= lanes) for lane in range(lanes)])
    x = f.zero(kind.vector(lanes))
    for lane in range(count):
        x = f.insert(x, f.load(f.offset(place, stride * lane, kind), kind), lane)
    return x


def _take(f: Function, pointer: Value, kind: Type, indices: Value) -> Value:
    if indices.type.lanes > 1:
        return f.gather(pointer, indices, kind)
    return f.load(f.offset(pointer, indices, kind), kind)


def _load_unit(f: Function, place: Value, kind: Type, lanes: int, count: int) -> Value:
    if count == lanes:
        return f.load(place, kind.vector(lanes), kind.bytes)
    if count & (count - 1) and kind.bytes in f.module.target.masked_bytes:
        return f.masked_load(place, kind.vector(lanes), f.first_lanes(count, lanes))
    x = f.zero(kind.vector(lanes))
    for start, size in _pieces(count):
        part = f.load(f.offset(place, start, kind), kind.vector(size), kind.bytes)
        if size == 1:
            x = f.insert(x, part, start)
        else:
            # Lanes of any value, not of lane 0: LLVM 22 takes <0, 1, 0, 0, 0, 0, 0, 0> for lane 0 in every lane.
            wide = f.shuffle(part, part, [*range(size), *[-1] * (lanes - size)])
            inside = range(start, start + size)
            x = f.shuffle(x, wide, [lanes + lane - start if lane in inside else lane for lane in range(lanes)])
    return x


def _store(f: Function, x: Value, place: Value, stride: int, count: int) -> None:
    kind, lanes = x.type.scalar, x.type.lanes
    if lanes == 1 or stride == 0:
        f.store(f.extract(x, 0), place)
    elif stride == -1:
        _store(f, f.shuffle(x, x, _reversed(count, lanes)), f.offset(place, 1 - count, kind), 1, count)
    elif stride == 2 and count == lanes and f.module.target.vector_bytes == 64 and kind.bytes in (4, 8):
        _store_apart(f, x, place)
    elif stride != 1:
        for lane in range(count):
            f.store(f.extract(x, lane), f.offset(place, stride * lane, kind))
    else:
        for start, size in [(0, lanes)] if count == lanes else _pieces(count):
            part = x if size == lanes else f.extract(x, start) if size == 1 else _slice(f, x, start, size)
            f.store(part, f.offset(place, start, kind), kind.bytes)


def _store_apart(f: Function, x: Value, place: Value) -> None:
    """All lanes with a gap after each, which is not written to: under a mask, half of them at a time."""
    lanes = x.type.lanes
    every_other = f.vector_const([lane % 2 == 0 for lane in range(lanes)], I1)
    for start in (0, lanes // 2):
        spread = f.shuffle(x, x, [start + lane // 2 for lane in range(lanes)])
        f.masked_store(spread, f.offset(place, 2 * start, x.type.scalar), every_other)


def _slice(f: Function, x: Value, start: int, size: int) -> Value:
    return f.shuffle(x, x, range(start, start + size))


def _reversed(count: int, lanes: int) -> Sequence[int]:
    return [count - 1 - lane if lane < count else lane for lane in range(lanes)]


def _pieces(count: int) -> Iterator[tuple[int, int]]:
    """`(start, size)` of pieces whose sizes are powers of two, the largest first."""
    start = 0
    while start < count:
        size = 1 << (count - start).bit_length() - 1
        yield start, size
        start += size
