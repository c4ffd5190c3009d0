"""The order of the elements of a line: what argsort, top-k and every sort that moves more than one number are made of.

Pairs (word, place) are sorted as one integer, the place in the lower half, so equal words keep their order. Keys of
several words, or several keys, are sorted by their last word first. Start reading at `emit_order`. Imports `merge_sort`
and `sort_keys`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, I32, I64, PTR, Module, Type, Value
from functrans.backends.llvm.kernels.merge_sort import MergeSort, buffer_bytes, emit_merge_sort, largest
from functrans.backends.llvm.kernels.sort_keys import word_count, words
from functrans.typing import DType

__all__ = ["aligned", "any_bits", "emit_order", "for_vectors", "order_bytes", "pad"]


def aligned(size: int) -> int:
    """Bytes, so that what follows is aligned."""
    return -(-size // 64) * 64


def for_vectors(f: Function, count: int, lanes: int, body: Callable[[Value, int], None]) -> None:
    """`body(index, lanes)` for all of a known count: vectors, then what is left one by one."""
    whole = count - count % lanes
    if whole:
        with f.loop(0, whole, lanes) as loop:
            body(loop.index, lanes)
    if whole < count:
        with f.loop(whole, count) as loop:
            body(loop.index, 1)


def any_bits(f: Function, count: int, lanes: int, kind: Type, body: Callable[[Value, int], Value]) -> Value:
    """As `for_vectors`, of a body that gives integers of a kind: whether one of them is not 0."""
    whole, found = count - count % lanes, f.zero(kind)
    if whole:
        with f.loop(0, whole, lanes, carry=[f.zero(kind.vector(lanes))]) as loop:
            loop.next = [loop.carry[0] | body(loop.index, lanes)]
        found = f.intrinsic("vector.reduce.or", loop.results[0], result=kind) if lanes > 1 else loop.results[0]
    if whole < count:
        with f.loop(whole, count, carry=[found]) as loop:
            loop.next = [loop.carry[0] | body(loop.index, 1)]
        found = loop.results[0]
    return f.icmp("ne", found, 0)


def pad(f: Function, buffers: Sequence[Value], plan: MergeSort) -> None:
    """Fill buffers with the largest number from `count` on: up to a whole register one by one, then by registers."""
    aligned_end = plan.count + -plan.count % plan.lanes
    for start, stop, lanes in ((plan.count, aligned_end, 1), (aligned_end, plan.capacity, plan.lanes)):
        with f.loop(start, stop, lanes) as rest:
            for buffer in buffers:
                last = f.const(largest(plan.kind), plan.kind.vector(lanes))
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

    def pair(index: Value, lanes: int) -> None:
        (word,) = words(f, x, index, keys[0], lanes, descending=descending)
        f.store(_pair(f, word, index), f.offset(data, index, I64))

    for_vectors(f, count, module.lanes(I32), pair)
    pad(f, (data, spare), plan)
    f.call(emit_merge_sort(module, plan), data, spare)
    found = spare if plan.in_spare else data

    def place(index: Value, lanes: int) -> None:
        pairs = f.load(f.offset(found, index, I64), I64.vector(lanes))
        f.store(pairs & 0xFFFFFFFF, f.offset(order, index, I64))

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

    def split(index: Value, lanes: int) -> None:
        found = [
            word
            for x, dtype in zip(operands, keys, strict=True)
            for word in words(f, x, index, dtype, lanes, descending=descending)
        ]
        for word, table in zip(found, tables, strict=False):
            f.store(word, f.offset(table, index, I32))
        f.store(_pair(f, f.zero(I32.vector(lanes)), index), f.offset(order, index, I64))

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
    with f.loop(0, count) as loop:
        word = f.load(f.offset(table, f.load(f.offset(order, loop.index, I64), I64), I32), I32)
        f.store(_pair(f, word, loop.index), f.offset(data, loop.index, I64))
    spare = f.offset(data, buffer_bytes(I64, count), I8)
    pad(f, (data, spare), plan)
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

    def difference(index: Value, lanes: int) -> Value:
        return f.load(f.offset(table, index, I32), I32.vector(lanes)) ^ f.splat(first, lanes)

    return any_bits(f, count, lanes, I32, difference) ^ 1
