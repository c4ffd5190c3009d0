"""Products of operands that both lie along the contracted axis: vectors along it, added up across lanes at the end.

For few rows or few columns, where panels would cost more than they bring. Numbers of one part only. Imports the
builder, `ring` and `direct`; start reading at `dots`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I64, PTR, Module, Value
from functrans.backends.llvm.kernels.product.direct import Matrices, Store, at_edges, even
from functrans.backends.llvm.kernels.product.finish import has_masks
from functrans.backends.llvm.kernels.product.ring import Ring

__all__ = ["dots"]

COLUMNS, COLUMNS_OF_A_ROW = 4, 8
"""Of a tile, at most: powers of two, so that so many sums end in one vector. Alone, a row needs more sums at once."""


def dots(f: Function, ring: Ring, x: Matrices, store: Store) -> None:
    """The product, k ≥ 1, of operands whose elements along the contracted axis lie together."""
    widest = min(COLUMNS_OF_A_ROW if x.m == 1 else COLUMNS, ring.lanes(f.module))
    columns = min(widest, 1 << (x.n - 1).bit_length())
    rows = even(x.m, max(f.module.target.vector_registers // (2 * columns), 1))
    tile = _tile(f.module, ring, rows, columns)
    with f.loop(0, x.n, columns) as across, f.loop(0, x.m, rows) as down:
        there = _there(f, x.m, down.index, rows), _there(f, x.n, across.index, columns)
        right = f.offset(x.right, across.index * x.right_column, ring.part)
        left = f.offset(x.left, down.index * x.left_row, ring.part)
        compute = partial(f.call, tile, left, x.left_row, there[0], right, x.right_column, there[1], x.k)
        store(down.index, across.index, *there, at_edges(f, ring, (rows, columns), there, compute))


def _there(f: Function, size: int, start: Value, length: int) -> Value:
    """How much of a part that begins at `start` is there."""
    return f.minimum(size - start, f.index(length)) if size % length else f.index(length)


def _tile(module: Module, ring: Ring, rows: int, columns: int) -> Function:
    """`(left, row step, height, right, column step, width, k, c, its step)`: rows and columns past the last repeat it."""
    name = f"dot_{ring.name}_{rows}x{columns}"

    def build() -> Function:
        f = Function(module, name, [
            ("left", PTR), ("row_step", I64), ("height", I64), ("right", PTR), ("column_step", I64), ("width", I64),
            ("k", I64), ("c", PTR), ("c_step", I64),
        ])  # fmt: skip
        left, row_step, height, right, column_step, width, k, c, c_step = f.args
        lefts = [f.offset(left, row_step * f.minimum(f.index(r), height - 1), ring.part) for r in range(rows)]
        rights = [f.offset(right, column_step * f.minimum(f.index(i), width - 1), ring.part) for i in range(columns)]
        for r, sums in enumerate(_sums(f, ring, lefts, rights, k)):
            total = _added_across(f, ring, sums)
            f.store(total, f.offset(c, c_step * r, ring.part), ring.part.bytes)
        return f

    return module.shared(name, build)


def _sums(f: Function, ring: Ring, lefts: Sequence[Value], rights: Sequence[Value], k: Value) -> list[list[Value]]:
    """For each row and column, the products added up lane by lane."""
    lanes = ring.lanes(f.module)
    whole = f.integer("and", k, -lanes)
    zeros = [f.zero(ring.vector(f.module))] * (len(lefts) * len(rights))
    with f.loop(0, whole, lanes, carry=zeros) as loop:
        loop.next = _step(f, ring, lefts, rights, loop.index, loop.carry, lanes, None)
    sums = loop.results
    if has_masks(f.module, ring):
        mask = f.lanes_below(k - whole, lanes)
        sums = _step(f, ring, lefts, rights, whole, sums, lanes, mask)
    else:
        with f.loop(whole, k, carry=sums) as loop:
            loop.next = _step(f, ring, lefts, rights, loop.index, loop.carry, 1, None)
        sums = loop.results
    return [sums[i : i + len(rights)] for i in range(0, len(sums), len(rights))]


def _step(
    f: Function, ring: Ring, lefts: Sequence[Value], rights: Sequence[Value], index: Value, sums: Sequence[Value],
    lanes: int, mask: Value | None,
) -> list[Value]:  # fmt: skip
    """One vector along k; of one lane, in the first lane of the sums."""

    def load(row: Value) -> Value:
        at, kind = f.offset(row, index, ring.part), ring.part.vector(lanes)
        x = f.load(at, kind, ring.part.bytes) if mask is None else f.masked_load(at, kind, mask)
        return x if lanes == sums[0].type.lanes else f.insert(f.zero(sums[0].type), x, 0)

    out = list(sums)
    first = [load(row) for row in lefts]
    for i, column in enumerate(map(load, rights)):
        for r, row in enumerate(first):
            place = r * len(rights) + i
            out[place] = ring.multiply_add(f, row, column, sums[place])
    return out


def _added_across(f: Function, ring: Ring, sums: list[Value]) -> Value:
    """The sums over the lanes of each vector, in the lanes of the result.

    At each distance halves are added; as long as there are two vectors, of both in one addition. So a sum is always
    taken in the same order, however many columns there are.
    """
    lanes, count = sums[0].type.lanes, len(sums)
    width = lanes  # what is left of each sum: a block of so many lanes
    while width > 1:
        half = len(sums) // 2
        if half:
            sums = [_pair(f, ring, x, y, width) for x, y in zip(sums[:half], sums[half:], strict=True)]
        else:
            sums = [ring.sum(sums[0], f.shuffle(sums[0], sums[0], [lane ^ width // 2 for lane in range(lanes)]))]
        width //= 2
    if count == 1:
        return f.extract(sums[0], 0)
    return f.shuffle(sums[0], sums[0], range(0, lanes, lanes // count))


def _pair(f: Function, ring: Ring, x: Value, y: Value, width: int) -> Value:
    """The halves of each block of two vectors added; the blocks of x and of y in turn."""
    lanes, half = x.type.lanes, width // 2
    starts = [start for block in range(0, lanes, width) for start in (block, lanes + block)]
    low = [start + i for start in starts for i in range(half)]
    return ring.sum(f.shuffle(x, y, low), f.shuffle(x, y, [lane + half for lane in low]))
