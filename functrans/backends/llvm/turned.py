"""Reads across the order of memory: blocks of an operand are turned over in registers, into a buffer in the first cache.

Where the innermost loop walks with a large stride over what another loop walks one by one (a transpose), both are run in
blocks, and each line of memory is read once. Imports the compiler's data and the builder; start reading at `crossing`.
"""

from __future__ import annotations

from collections.abc import Sequence

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I64, PTR, Module, Type, Value
from functrans.compiler.nest import Access, Nest
from functrans.record import Record

__all__ = ["COLUMNS", "Crossing", "crossing", "rows", "turn", "turned_buffer"]

COLUMNS = 64
"""Of a block: elements along the innermost loop."""
_ROW_BYTES = 128
"""Of a block: bytes along the other loop, whole lines of memory."""
_SHORTEST = 8
"""Shorter loops are not worth it."""
_MOST_LANES = 8


class Crossing(Record):
    """Accesses that walk one by one along the inner loop number `depth`, and not along the innermost."""

    depth: int
    accesses: tuple[Access, ...]


def crossing(nest: Nest) -> Crossing | None:
    """The reads of a nest of one elementwise pass that are better turned; None where there are none."""
    last = len(nest.inner) - 1
    if len(nest.passes) != 1 or last < 1 or nest.inner[last] < _SHORTEST or any(op.reduces for op in nest.ops):
        return None
    best: tuple[Access, ...] = ()
    found = None
    for depth in range(last):
        accesses = tuple(access for access in nest.reads if _is_crossed(access, len(nest.lead), depth))
        if nest.inner[depth] >= _SHORTEST and len(accesses) > len(best):
            best, found = accesses, depth
    return None if found is None else Crossing(found, best)


def _is_crossed(access: Access, lead: int, depth: int) -> bool:
    wide = abs(access.strides[-1]) >= _SHORTEST and access.base.aval.dtype.itemsize <= 8
    return wide and access.strides[lead + depth] == 1


def rows(crossed: Crossing) -> int:
    """How many elements a block has along the loop `depth`."""
    return max(_ROW_BYTES // max(access.base.aval.dtype.itemsize for access in crossed.accesses), _MOST_LANES)


def turned_buffer(f: Function, access: Access, height: int) -> Value:
    """Memory for a block of an access: element (i, j) lies at `COLUMNS * i + j`."""
    return f.stack(_kind(access), height * COLUMNS)


def _kind(access: Access) -> Type:
    return Type("i", 8 * access.base.aval.dtype.itemsize)


def turn(f: Function, access: Access, base: Value, start: Value, buffer: Value, height: Value, width: Value) -> None:
    """Fill a buffer from the element at `start` on: `height` elements that lie side by side, for each of `width` strides."""
    kind = _kind(access)
    name = f"turn{kind.bits}"
    function = f.module.shared(name, lambda: _turn(f.module, name, kind))
    f.call(function, f.offset(base, start, kind), f.index(access.strides[-1]), buffer, height, width)


def _turn(module: Module, name: str, kind: Type) -> Function:
    """`void turn(ptr of, i64 stride, ptr to, i64 height, i64 width)`: squares by vectors, what is left one by one."""
    f = Function(module, name, [("of", PTR), ("stride", I64), ("to", PTR), ("height", I64), ("width", I64)])
    height, width = f.args[3:]
    lanes = min(module.lanes(kind), _MOST_LANES)
    whole_height, whole_width = height & -lanes, width & -lanes
    with f.loop(0, whole_height, lanes) as i, f.loop(0, whole_width, lanes) as j:
        _square(f, kind.vector(lanes), i.index, j.index)
    _each(f, kind, (f.index(0), whole_height), (whole_width, width))
    _each(f, kind, (whole_height, height), (f.index(0), width))
    return f


def _square(f: Function, kind: Type, i: Value, j: Value) -> None:
    of, stride, to, *_ = f.args
    places = [i + f.integer("mul", j + k, stride) for k in range(kind.lanes)]
    found = [f.load(f.offset(of, place, kind), kind, kind.bytes) for place in places]
    for k, turned in enumerate(_transposed(f, found)):
        f.store(turned, f.offset(to, (i + k) * COLUMNS + j, kind), kind.bytes)


def _each(f: Function, kind: Type, rows: tuple[Value, Value], columns: tuple[Value, Value]) -> None:
    of, stride, to, *_ = f.args
    with f.loop(*rows) as i, f.loop(*columns) as j:
        one = f.load(f.offset(of, i.index + f.integer("mul", j.index, stride), kind), kind)
        f.store(one, f.offset(to, i.index * COLUMNS + j.index, kind))


def _transposed(f: Function, vectors: Sequence[Value]) -> list[Value]:
    """As many vectors as each has lanes, turned over: halves of larger and larger squares change places."""
    found, lanes = list(vectors), len(vectors)
    step = 1
    while step < lanes:
        low = [lane + (lanes - step if lane & step else 0) for lane in range(lanes)]
        high = [lane + (lanes if lane & step else step) for lane in range(lanes)]
        for k in range(lanes):
            if not k & step:
                a, b = found[k], found[k + step]
                found[k], found[k + step] = f.shuffle(a, b, low), f.shuffle(a, b, high)
        step *= 2
    return found
