"""`TopK`: the largest elements of each line. Start reading at `emit`. Imports `ordering`, `sort_keys`.

Of a long line only candidates are kept, those above the smallest of the k best so far; when there is no room for more
they are sorted and all but k are dropped. Candidates come in the order of their places, so equal ones stay in it.
"""

from __future__ import annotations

from collections.abc import Sequence

from functrans.backends.llvm.elements import is_known
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I1, I8, I64, PTR, Module, Value
from functrans.backends.llvm.kernels.ordering import aligned, emit_order, order_bytes
from functrans.backends.llvm.kernels.sort_keys import key, load_bits, raw_type
from functrans.backends.llvm.scalars import Scalars
from functrans.core.aval import ShapedArray
from functrans.core.lowering_order import TopK
from functrans.typing import DType

__all__ = ["emit", "scratch_bytes", "supports"]

_ROOM = 4
"""Candidates per element that is asked for."""
_LEAST_ROOM = 64


def supports(spec: TopK, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> bool:
    return is_known(ins[0].dtype) and ins[0].shape[-1] < 1 << 31


def _room(dtype: DType, count: int, k: int) -> int:
    """For candidates; all elements are if that is not many more, or where one comparison does not tell."""
    room = max(_ROOM * k, _LEAST_ROOM)
    return count if dtype.kind == "c" or 2 * room >= count else room


def scratch_bytes(spec: TopK, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> int:
    dtype, count = ins[0].dtype, ins[0].shape[-1]
    room = _room(dtype, count, outs[0].shape[-1])
    return aligned(8 * room) * 2 + aligned(dtype.itemsize * room) + order_bytes([dtype], room)


def emit(module: Module, name: str, spec: TopK, ins: Sequence[ShapedArray], outs: Sequence[ShapedArray]) -> Function:
    """`i64 (ptr in, ptr values, ptr indices, ptr scratch)`, 0."""
    dtype, count, k = ins[0].dtype, ins[0].shape[-1], outs[0].shape[-1]
    work = outs[0].size
    line = _emit_line(module, dtype, count, k) if work else None
    f = Function(module, name, [(p, PTR) for p in ("x", "values", "indices", "scratch")], I64)
    x, values, indices, scratch = f.args
    if line is not None:
        with f.loop(0, work // k) as loop:
            here = f.offset(x, loop.index * count, raw_type(dtype))
            at = loop.index * k
            f.call(line, here, f.offset(values, at, raw_type(dtype)), f.offset(indices, at, I64), scratch)
    f.ret(f.index(0))
    return f


def _emit_line(module: Module, dtype: DType, count: int, k: int) -> Function:
    name = f"top_{k}_of_{dtype.kind}{dtype.itemsize}_{count}"
    build = _line if _room(dtype, count, k) < count else _sorted_line
    return module.shared(name, lambda: build(module, name, dtype, count, k))


def _give(f: Function, dtype: DType, k: int, chosen: Value) -> None:
    """Write the elements of the line at the first k chosen places, and the places."""
    x, values, indices, _ = f.args
    kind, align = raw_type(dtype), min(dtype.itemsize, 8)
    with f.loop(0, k) as loop:
        place = f.load(f.offset(chosen, loop.index, I64), I64)
        f.store(f.load(f.offset(x, place, kind), kind, align), f.offset(values, loop.index, kind), align)
        f.store(place, f.offset(indices, loop.index, I64))


def _sorted_line(module: Module, name: str, dtype: DType, count: int, k: int) -> Function:
    """By the order of the whole line."""
    order = emit_order(module, [dtype], count, descending=True)
    f = Function(module, name, [(p, PTR) for p in ("x", "values", "indices", "scratch")])
    x, _, _, scratch = f.args
    f.call(order, x, scratch, f.offset(scratch, aligned(8 * count), I8))
    _give(f, dtype, k, scratch)
    f.ret()
    return f


# ---- with candidates ----


def _line(module: Module, name: str, dtype: DType, count: int, k: int) -> Function:
    room, kind = _room(dtype, count, k), raw_type(dtype)
    lanes = module.lanes(kind)
    shrink = _emit_shrink(module, dtype, room, k)
    f = Function(module, name, [(p, PTR) for p in ("x", "values", "indices", "scratch")])
    x, _, _, places = f.args
    with f.loop(0, room) as loop:
        f.store(loop.index, f.offset(places, loop.index, I64))
    limit = f.call(shrink, x, f.index(room), places)

    def visit(index: Value, lanes: int, held: Value, limit: Value) -> tuple[Value, Value]:
        """The candidates among the elements from `index` on: how many there are now, and the new limit."""
        full = f.icmp("sgt", held, room - lanes)
        limit = f.choose(full, lambda: f.call(shrink, x, held, places), lambda: limit)
        held = f.select(full, k, held)
        for lane in range(lanes):
            f.store(index + lane, f.offset(places, held, I64))
            held = held + f.cast("zext", _is_above(f, x, index + lane, dtype, limit, 1), I64)
        return held, limit

    held = f.stack(I64, 1)
    floor = f.stack(kind, 1)
    f.store(f.index(k), held)
    f.store(limit, floor)
    for start, stop, step in (
        (room, count - (count - room) % lanes, lanes),
        (count - (count - room) % lanes, count, 1),
    ):
        with f.loop(start, stop, step) as loop:
            found = _is_above(f, x, loop.index, dtype, f.load(floor, kind), step)
            with f.when(found if step == 1 else f.intrinsic("vector.reduce.or", found, result=I1)):
                results = visit(loop.index, step, f.load(held, I64), f.load(floor, kind))
                f.store(results[0], held)
                f.store(results[1], floor)
    f.call(shrink, x, f.load(held, I64), places)
    _give(f, dtype, k, places)
    f.ret()
    return f


def _is_above(f: Function, x: Value, index: Value, dtype: DType, limit: Value, lanes: int) -> Value:
    (bits,) = load_bits(Scalars(f, lanes), x, index, dtype)
    return f.icmp("sgt", key(f, bits, dtype), f.splat(limit, lanes))


def _emit_shrink(module: Module, dtype: DType, room: int, k: int) -> Function:
    """`key (ptr line, i64 held, ptr places)`: sort the candidates, keep k, give the key of the last; scratch follows."""
    name = f"top_{k}_shrink_{dtype.kind}{dtype.itemsize}_{room}"
    return module.shared(name, lambda: _shrink(module, name, dtype, room, k))


def _shrink(module: Module, name: str, dtype: DType, room: int, k: int) -> Function:
    kind = raw_type(dtype)
    order_of = emit_order(module, [dtype], room, descending=True)
    f = Function(module, name, [("x", PTR), ("held", I64), ("places", PTR)], kind)
    x, held, places = f.args
    order = f.offset(places, aligned(8 * room), I8)
    elements = f.offset(order, aligned(8 * room), I8)
    with f.loop(0, held) as loop:
        place = f.load(f.offset(places, loop.index, I64), I64)
        f.store(f.load(f.offset(x, place, kind), kind), f.offset(elements, loop.index, kind))
    with f.loop(held, f.index(room)) as loop:  # equal to the least or less than it, and after it
        f.store(f.const(_least(dtype), kind), f.offset(elements, loop.index, kind))
    f.call(order_of, elements, order, f.offset(elements, aligned(dtype.itemsize * room), I8))
    with f.loop(0, k) as loop:
        where = f.offset(order, loop.index, I64)
        f.store(f.load(f.offset(places, f.load(where, I64), I64), I64), where)
    f.copy(places, order, f.index(8 * k))
    last = f.load(f.offset(x, f.load(f.offset(places, k - 1, I64), I64), kind), kind)
    f.ret(key(f, last, dtype))
    return f


def _least(dtype: DType) -> int:
    """The bits of the element that comes first in order."""
    bits = 8 * dtype.itemsize
    infinity = {16: 0xFC00, 32: 0xFF800000, 64: 0xFFF << 52}
    return infinity[bits] if dtype.kind == "f" else 1 << bits - 1 if dtype.kind == "i" else 0
