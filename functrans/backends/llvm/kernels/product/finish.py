"""What becomes of sums that are not simply stored: tiles at edges, types that are narrowed, epilogues.

The function of an epilogue belongs to the module that wants the product, and that for large products knows it by its address:
so one serves all epilogues; and all prologues, which are told of in the same way. Imports `ring` and the builder; start reading
at `State`.
"""

from __future__ import annotations

from collections.abc import Callable

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I64, PTR, Module, Value
from functrans.backends.llvm.kernels.product.ring import Ring
from functrans.record import Record

__all__ = ["ADD", "PADDED", "State", "Vector", "each_vector", "edges", "has_masks"]

Vector = Callable[[Value, int, Value | None], None]
"""`(part, lanes, mask)`: what is done to the parts of a row from one on."""

# What there is to do with a tile, as bits of `how`.
ADD = 1
"""Add what `c` holds: sums of an earlier block."""
PADDED = 2
"""`c` has room for whole tiles at the edges, too."""


class State(Record):
    """What is to be known of an epilogue or a prologue, in memory: words of 8 bytes.

    Its function, the table of pointers that it reads, and the streams: memory that it will go through row by row,
    each as its pointer, the bytes from row to row, and those from column to column.
    """

    f: Function
    pointer: Value

    MOST_STREAMS = 4
    WORDS = 3 + 3 * MOST_STREAMS

    @property
    def finish(self) -> Value:
        """Where its function is kept: `(sums or operand, their step, row, column, rows, columns, table)`."""
        return self._word(0)

    @property
    def table(self) -> Value:
        return self._word(1)

    @property
    def count(self) -> Value:
        """Of streams."""
        return self._word(2)

    def stream(self, number: Value | int) -> tuple[Value, Value, Value]:
        start = self.f.offset(self._word(3), self.f.like(number, self.f.index(0)) * 3, I64)
        return start, self.f.offset(start, 1, I64), self.f.offset(start, 2, I64)

    def _word(self, number: int) -> Value:
        return self.f.offset(self.pointer, number, I64)


def has_masks(module: Module, ring: Ring) -> bool:
    """Whether the machine loads and stores some lanes of a vector; where not, what is no whole vector goes one by one."""
    return {ring.part.bytes, ring.stored.bytes} <= set(module.target.masked_bytes)


def each_vector(f: Function, ring: Ring, parts: Value, vector: Vector, start: Value | int = 0) -> None:
    """All vectors of a row from one on, and what is left: under a mask, or element by element.

    Where masks cost nothing every vector has one, so that what is done to it is written once.
    """
    lanes, whole = ring.lanes(f.module), f.like(start, parts)
    if not has_masks(f.module, ring) or f.module.target.vector_bytes < 64:
        whole = f.integer("and", parts, -lanes)
        with f.loop(start, whole, lanes) as loop:
            vector(loop.index, lanes, None)
    if has_masks(f.module, ring):
        with f.loop(whole, parts, lanes) as loop:
            vector(loop.index, lanes, f.lanes_below(parts - loop.index, lanes))
    else:
        with f.loop(whole, parts, ring.parts) as loop:
            vector(loop.index, ring.parts, None)


def edges(module: Module, ring: Ring) -> Function:
    """`(sums, their step, c, its step, rows, columns, how)`: some rows and columns of sums to memory, as it holds them."""

    def build() -> Function:
        f = Function(module, f"edges_{ring.name}", [
            ("sums", PTR), ("step", I64), ("c", PTR), ("c_step", I64), ("rows", I64), ("columns", I64), ("how", I64),
        ])  # fmt: skip
        sums, step, c, c_step, rows, columns, how = f.args
        adds = f.icmp("ne", how & ADD, 0)
        with f.loop(0, rows) as loop:
            of = f.offset(sums, loop.index * step * ring.parts, ring.part)
            to = f.offset(c, loop.index * c_step * ring.parts, ring.stored)

            def vector(part: Value, lanes: int, mask: Value | None) -> None:
                pointer = f.offset(to, part, ring.stored)
                total = f.load(f.offset(of, part, ring.part), ring.part.vector(lanes), ring.part.bytes)
                _store(f, ring, _added(f, ring, adds, total, pointer, mask), pointer, mask)

            each_vector(f, ring, columns * ring.parts, vector)
        return f

    return module.shared(f"edges_{ring.name}", build)


def _added(f: Function, ring: Ring, adds: Value, total: Value, c: Value, mask: Value | None) -> Value:
    if ring.narrow:  # their sums are whole before they are narrowed
        return total

    def add() -> Value:
        old = f.load(c, total.type, ring.part.bytes) if mask is None else f.masked_load(c, total.type, mask)
        return ring.sum(old, total)

    return f.choose(adds, add, lambda: total)


def _store(f: Function, ring: Ring, total: Value, pointer: Value, mask: Value | None) -> None:
    total = ring.narrowed(f, total) if ring.narrow else total
    if mask is None:
        f.store(total, pointer, total.type.bytes)
    else:
        f.masked_store(total, pointer, mask)
