"""The order of the elements of a line: what argsort, top-k and every sort that moves more than one number are made of.

Pairs (word, place) are sorted as one integer, the place in the lower half, so equal words keep their order. Keys of
several words, or several keys, are sorted by their last word first. Start reading at `emit_order`. Imports `merge_sort`
and `sort_keys`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, I32, I64, PTR, Module, Type, Value
from functrans.backends.llvm.kernels.merge_sort import MergeSort, buffer_bytes, emit_merge_sort
from functrans.backends.llvm.kernels.merging import largest
from functrans.backends.llvm.kernels.sort_keys import store_bits, word_count, words
from functrans.backends.llvm.scalars import Scalars
from functrans.typing import DType

__all__ = ["aligned", "any_bits", "emit_order", "for_vectors", "order_bytes", "pad", "with_rest"]

_INDEX = np.dtype(np.int64)


def aligned(size: int) -> int:
    """Bytes, so that what follows is aligned."""
    return -(-size // 64) * 64


def for_vectors(f: Function, count: int, lanes: int, body: Callable[[Scalars, Value], None]) -> None:
    """`body(scalars, index)` for all of a known count: whole vectors, then one of which only the first lanes are valid."""
    whole = count - count % lanes
    if whole:
        with f.loop(0, whole, lanes) as loop:
            body(Scalars(f, lanes), loop.index)
    if whole < count:
        body(Scalars(f, lanes, valid=count - whole), f.index(whole))


def any_bits(f: Function, count: int, lanes: int, kind: Type, body: Callable[[Scalars, Value], Value]) -> Value:
    """As `for_vectors`, of a body that gives integers of a kind, 0 in the lanes that are not valid: whether one is not 0."""
    whole, found = count - count % lanes, f.zero(kind.vector(lanes))
    if whole:
        with f.loop(0, whole, lanes, carry=[found]) as loop:
            loop.next = [loop.carry[0] | body(Scalars(f, lanes), loop.index)]
        found = loop.results[0]
    if whole < count:
        found = found | body(Scalars(f, lanes, valid=count - whole), f.index(whole))
    return f.icmp("ne", f.intrinsic("vector.reduce.or", found, result=kind), 0)


def with_rest(b: Scalars, x: Value, rest: int) -> Value:
    """Integers with another one in the lanes that are not valid."""
    f = b.function
    return x if b.valid == b.lanes else f.select(f.first_lanes(b.valid, b.lanes), x, f.const(rest, x.type))


def pad(f: Function, buffers: Sequence[Value], plan: MergeSort) -> None:
    """Fill buffers, before the numbers are written, with the largest one from the last register of them on."""
    last = f.const(largest(plan.kind), plan.kind.vector(plan.lanes))
    with f.loop(plan.count - plan.count % plan.lanes, plan.capacity, plan.lanes) as rest:
        for buffer in buffers:
            f.store(last, f.offset(buffer, rest.index, plan.kind))


def order_bytes(keys: Sequence[DType], count: int) -> int:
    """The scratch that `emit_order`'s function needs."""
    total = sum(map(word_count, keys))
    return 2 * buffer_bytes(I64, count) + (total * aligned(4 * count) if total > 1 else 0)


def emit_order(module: Module, keys: Sequence[DType], count: int, *, descending: bool = False) -> Function:
    """`void (ptr key …, ptr order, ptr scratch)`: the places, as i64, that put `count` elements in order, stable."""
    name = f"order_{''.join(dtype.char for dtype in keys)}_{count}" + ("_descending" if descending else "")
    name = name.replace("?", "b1_")
    build = _one_word if sum(map(word_count, keys)) == 1 else _many_words
    return module.shared(name, lambda: build(module, name, keys, count, descending))


def _one_word(module: Module, name: str, keys: Sequence[DType], count: int, descending: bool) -> Function:
    plan = MergeSort.plan(module, I64, count)
    f = Function(module, name, [("key", PTR), ("order", PTR), ("scratch", PTR)])
    x, order, data = f.args
    spare = f.offset(data, buffer_bytes(I64, count), I8)

    def pair(b: Scalars, index: Value) -> None:
        (word,) = words(b, x, index, keys[0], descending=descending)
        f.store(with_rest(b, _pair(f, word, index), largest(I64)), f.offset(data, index, I64))

    pad(f, (data, spare), plan)
    for_vectors(f, count, module.lanes(I32), pair)
    f.call(emit_merge_sort(module, plan), data, spare)
    found = spare if plan.in_spare else data

    def place(b: Scalars, index: Value) -> None:
        pairs = f.load(f.offset(found, index, I64), I64.vector(b.lanes))
        store_bits(b, pairs & 0xFFFFFFFF, order, index, _INDEX)

    for_vectors(f, count, module.lanes(I64), place)
    f.ret()
    return f


def _pair(f: Function, word: Value, index: Value) -> Value:
    """The word above the place, of the lanes from `index` on."""
    lanes = word.type.lanes
    steps = f.vector_const(range(lanes), I64) if lanes > 1 else f.index(0)
    return (f.cast("zext", word, I64) << 32) | (f.splat(index, lanes) + steps)


# ---- keys of several words ----


def _many_words(module: Module, name: str, keys: Sequence[DType], count: int, descending: bool) -> Function:
    params = [(f"key{k}", PTR) for k in range(len(keys))]
    refine = _emit_refine(module, count)
    f = Function(module, name, [*params, ("order", PTR), ("scratch", PTR)])
    *operands, order, scratch = f.args
    total = sum(map(word_count, keys))
    tables = [f.offset(scratch, k * aligned(4 * count), I8) for k in range(total + 1)]

    def split(b: Scalars, index: Value) -> None:
        found = [
            word
            for x, dtype in zip(operands, keys, strict=True)
            for word in words(b, x, index, dtype, descending=descending)
        ]
        for word, table in zip(found, tables, strict=False):
            f.store(word, f.offset(table, index, I32))
        store_bits(b, _pair(f, f.zero(I32.vector(b.lanes)), index), order, index, _INDEX)

    for_vectors(f, count, module.lanes(I32), split)
    for k in reversed(range(total)):
        f.call(refine, tables[k], order, tables[-1])
    f.ret()
    return f


def _emit_refine(module: Module, count: int) -> Function:
    """`void (ptr words, ptr order, ptr scratch)`: sort an order by a table of words; what is equal stays in order."""
    name = f"order_refine_{count}"
    return module.shared(name, lambda: _refine(module, name, count))


def _refine(module: Module, name: str, count: int) -> Function:
    plan = MergeSort.plan(module, I64, count)
    sort = emit_merge_sort(module, plan)
    f = Function(module, name, [("words", PTR), ("order", PTR), ("scratch", PTR)], I64)
    table, order, data = f.args
    f.leave_if(_all_equal(f, table, count), 0)
    spare = f.offset(data, buffer_bytes(I64, count), I8)
    pad(f, (data, spare), plan)
    with f.loop(0, count) as loop:
        word = f.load(f.offset(table, f.load(f.offset(order, loop.index, I64), I64), I32), I32)
        f.store(_pair(f, word, loop.index), f.offset(data, loop.index, I64))
    f.call(sort, data, spare)
    found = spare if plan.in_spare else data
    with f.loop(0, count) as loop:
        where = f.offset(found, loop.index, I64)
        f.store(f.load(f.offset(order, f.load(where, I64) & 0xFFFFFFFF, I64), I64), where)
    f.copy(order, found, f.index(8 * count))
    f.ret(f.index(0))
    return f


def _all_equal(f: Function, table: Value, count: int) -> Value:
    """Whether a table holds one word only, as the upper words of small integers."""
    first = f.load(table, I32)
    lanes = f.module.lanes(I32)

    def difference(b: Scalars, index: Value) -> Value:
        found = f.load(f.offset(table, index, I32), I32.vector(b.lanes)) ^ f.splat(first, b.lanes)
        return with_rest(b, found, 0)

    return any_bits(f, count, lanes, I32, difference) ^ 1
