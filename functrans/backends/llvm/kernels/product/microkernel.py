"""One tile of the result: `rows` × `vectors` accumulators in registers, summed over the contracted axis.

Everything about the operands is known at run time (pointers, strides), so one function serves packed and unpacked ones.
Imports `ring`, `finish` and the builder; start reading at `accumulate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I64, PTR, Module, Value
from functrans.backends.llvm.kernels.product.finish import FINISH, PLAIN_LIMIT, word
from functrans.backends.llvm.kernels.product.ring import Ring

__all__ = ["Left", "Right", "Tile", "accumulate", "best_tile", "microkernel", "stored_plainly"]


@dataclass(frozen=True, slots=True)
class Tile:
    """How much of the result a micro-kernel makes."""

    rows: int
    vectors: int

    def columns(self, module: Module, ring: Ring) -> int:
        return self.vectors * ring.elements(module)


def best_tile(module: Module, ring: Ring) -> Tile:
    """As many accumulators as registers allow, next to a row of the right operand and one element of the left.

    Two vectors to a row: then loads stay below two for each two multiply-adds. Integers need registers for the product
    before it is added, those of 64 bits several.
    """
    registers = module.target.vector_registers
    accumulators = 24 if registers >= 32 else 12
    if ring.part.kind == "i" and ring.part.bits == 64:
        accumulators //= 2
    elif ring.part.kind == "i" or not module.target.has_fma:
        accumulators = accumulators * 5 // 6
    return Tile(accumulators // (2 * ring.parts), 2)


# ---- the sum ----


@dataclass(frozen=True, slots=True)
class Left:
    """The first element of each row, and the distance of the next one along the contracted axis, in elements."""

    rows: Sequence[Value]
    step: Value


@dataclass(frozen=True, slots=True)
class Right:
    """The first row of the right operand; the distance to the next in elements; masks of vectors that are not whole."""

    pointer: Value
    step: Value
    masks: Sequence[Value | None]


def accumulate(f: Function, ring: Ring, left: Left, right: Right, k: Value) -> list[list[Value]]:
    """For each row of the left, vector by vector, the sums over k ≥ 1 terms."""
    kind = ring.vector(f.module)
    count = len(left.rows) * len(right.masks) * ring.parts
    with f.loop(0, k, carry=[f.zero(kind)] * count, certain=True) as loop:
        offset = loop.index * left.step * ring.parts
        here = f.offset(right.pointer, loop.index * right.step * ring.parts, ring.part)
        vectors = [_vector(f, ring, here, v, mask) for v, mask in enumerate(right.masks)]
        sums = iter(loop.carry)
        following: list[Value] = []
        for row in left.rows:
            at = f.offset(row, offset, ring.part)
            parts = [f.splat(f.load(f.offset(at, p, ring.part), ring.part), kind.lanes) for p in range(ring.parts)]
            following += [ring.multiply_add(f, part, vector, next(sums)) for vector in vectors for part in parts]
        loop.next = following
    width = len(right.masks) * ring.parts
    rows = [loop.results[i : i + width] for i in range(0, count, width)]
    return [[ring.combined(f, row[i : i + ring.parts]) for i in range(0, width, ring.parts)] for row in rows]


def _vector(f: Function, ring: Ring, row: Value, number: int, mask: Value | None) -> Value:
    kind = ring.vector(f.module)
    pointer = f.offset(row, number * kind.lanes, ring.part)
    return f.load(pointer, kind, ring.part.bytes) if mask is None else f.masked_load(pointer, kind, mask)


# ---- the way to memory where there is nothing to do on it ----


def stored_plainly(f: Function, ring: Ring, sums: list[list[Value]], c: Value, c_step: Value, *, add: bool) -> None:
    """Whole rows of sums written to the result, or added to it."""
    kind = ring.vector(f.module)
    for r, row in enumerate(sums):
        pointer = f.offset(c, c_step * (r * ring.parts), ring.part)
        for v, total in enumerate(row):
            at = f.offset(pointer, v * kind.lanes, ring.part)
            f.store(ring.sum(f.load(at, kind, ring.part.bytes), total) if add else total, at, ring.part.bytes)


# ---- the function ----


def microkernel(module: Module, ring: Ring, tile: Tile) -> Function:
    """The function of a tile, one for a module.

    `(left, its row step, its k step, right, its k step, k, c, c's row step, rows, columns, row, column, how, state)`:
    see `finish` for the last six. Vectors of the right operand are read whole; rows past the last repeat it.
    """
    return module.shared(f"tile_{ring.name}_{tile.rows}x{tile.vectors}", lambda: _microkernel(module, ring, tile))


def _microkernel(module: Module, ring: Ring, tile: Tile) -> Function:
    f = Function(module, f"tile_{ring.name}_{tile.rows}x{tile.vectors}", [
        ("left", PTR), ("row_step", I64), ("k_step", I64), ("right", PTR), ("right_step", I64), ("k", I64),
        ("c", PTR), ("c_step", I64), ("rows", I64), ("columns", I64),
        ("row", I64), ("column", I64), ("how", I64), ("state", PTR),
    ])  # fmt: skip
    left, row_step, k_step, right, right_step, k, c, c_step, rows, columns, row, column, how, state = f.args
    last = rows - 1
    pointers_of_rows = [
        f.offset(left, f.minimum(f.index(r), last) * row_step * ring.parts, ring.part) for r in range(tile.rows)
    ]
    for r in range(tile.rows):
        f.prefetch(f.offset(c, c_step * (r * ring.parts), ring.part), write=True)
    sums = accumulate(f, ring, Left(pointers_of_rows, k_step), Right(right, right_step, [None] * tile.vectors), k)
    whole = f.icmp("sge", rows, tile.rows) & f.icmp("sge", columns, tile.columns(module, ring))
    with f.when(whole & f.icmp("slt", how, PLAIN_LIMIT)) as branch:
        with f.when(f.icmp("eq", how, 0)) as overwrite:
            stored_plainly(f, ring, sums, c, c_step, add=False)
            overwrite.otherwise()
            stored_plainly(f, ring, sums, c, c_step, add=True)
        branch.otherwise()
        space, step = spilled(f, ring, sums)
        f.call_pointer(f.load(word(f, state, FINISH), PTR), None,
                       space, step, c, c_step, rows, columns, row, column, how, state)  # fmt: skip
    return f


def spilled(f: Function, ring: Ring, sums: list[list[Value]]) -> tuple[Value, Value]:
    """Sums in memory, row by row, for `finish`; and the distance of the rows in elements."""
    kind = ring.vector(f.module)
    width = len(sums[0]) * kind.lanes
    space = f.stack(ring.part, len(sums) * width)
    stored_plainly(f, ring, sums, space, f.index(width // ring.parts), add=False)
    return space, f.index(width // ring.parts)
