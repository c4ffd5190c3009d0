"""The way of a tile from the micro-kernel to memory, where there is something to do on it: edges, alpha, beta, an epilogue.

The sums lie in a small matrix on the stack; rows of it are taken up vector by vector. A finisher is a function of the
module that wants the product, and the micro-kernel knows it by its address: so one micro-kernel serves all epilogues.
Imports `ring` and the builder; start reading at `finisher`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I64, PTR, Module, Type, Value
from functrans.backends.llvm.kernels.product.ring import Ring

__all__ = [
    "ADD", "ALPHA", "ALPHA_WORD", "BETA", "BETA_WORD", "CONTEXT", "FINISH", "LAST", "PLAIN_LIMIT", "STATE_WORDS",
    "Epilogue", "Vector", "each_vector", "finisher", "has_masks", "word",
]  # fmt: skip

Epilogue: TypeAlias = Callable[[Function, Value, Value, Value, Value | None, Sequence[Value]], Value]
"""`(f, vector, row, column, mask, operands) -> vector`: what becomes of the elements from (row, column) on along a row.

The vector has any number of lanes, one included, of what memory holds (`Ring.stored`; bool as i8, complex numbers as
their parts); a mask says which of them are there, None that all are. `operands` point to the operands after the first two.
"""

Vector: TypeAlias = Callable[[Value, int, Value | None], None]
"""`(part, lanes, mask)`: what is done to the parts of a row from one on."""

# What there is to do with a tile, as bits of `how`; a tile with none of those from PLAIN_LIMIT on is stored as it is.
ADD = 1
"""Add what the result holds: sums of an earlier block."""
PLAIN_LIMIT = 2
BETA = 2
"""Add beta times what the result holds."""
ALPHA = 4
"""The sums times alpha."""
LAST = 8
"""The sums are whole: the epilogue's turn."""

# What stays the same for all tiles of a product, in words of 8 bytes.
FINISH, CONTEXT, ALPHA_WORD, BETA_WORD, STATE_WORDS = 0, 1, 2, 4, 6


def word(f: Function, state: Value, number: int) -> Value:
    """Where a word of the state lies."""
    return f.offset(state, number, I64)


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


def finisher(
    module: Module, name: str, ring: Ring, *, scaled: bool, operands: int = 0, epilogue: Epilogue | None = None
) -> Function:
    """`(sums, their step, c, its step, rows, columns, row, column, how, state)`: `rows` × `columns` elements to memory."""
    f = Function(module, name, [
        ("sums", PTR), ("step", I64), ("c", PTR), ("c_step", I64), ("rows", I64), ("columns", I64),
        ("row", I64), ("column", I64), ("how", I64), ("state", PTR),
    ])  # fmt: skip
    _Finisher(f, ring, scaled, operands, epilogue).rows()
    return f


class _Finisher:
    def __init__(self, f: Function, ring: Ring, scaled: bool, operands: int, epilogue: Epilogue | None) -> None:
        self.f = f
        self.ring = ring
        self.scaled = scaled
        self.epilogue = epilogue
        self.how, state = f.args[-2:]
        context = f.load(word(f, state, CONTEXT), PTR) if operands else state
        self.operands = [f.load(f.offset(context, i, PTR), PTR) for i in range(operands)]
        if scaled:
            self.alpha, self.beta = (self._number(state, number) for number in (ALPHA_WORD, BETA_WORD))

    def _number(self, state: Value, number: int) -> list[Value]:
        pointer = word(self.f, state, number)
        return [self.f.load(self.f.offset(pointer, p, self.ring.part), self.ring.part) for p in range(self.ring.parts)]

    def rows(self) -> None:
        f, ring = self.f, self.ring
        sums, step, c, c_step, rows, columns, row, _, _, _ = f.args
        with f.loop(0, rows) as loop:
            here = f.offset(sums, loop.index * step * ring.parts, ring.part)
            there = f.offset(c, loop.index * c_step * ring.parts, ring.stored)
            each_vector(f, ring, columns * ring.parts, partial(self._vector, here, there, row + loop.index))

    def _vector(self, sums: Value, c: Value, row: Value, part: Value, lanes: int, mask: Value | None) -> None:
        """The parts from number `part` of a row on."""
        f, ring = self.f, self.ring
        pointer = f.offset(c, part, ring.stored)
        total = f.load(f.offset(sums, part, ring.part), ring.part.vector(lanes), ring.part.bytes)
        total = self._scaled(total, pointer, mask)
        if ring.narrow:
            total = ring.narrowed(f, total)
        if self.epilogue is not None:
            total = self._finished(total, row, f.args[7] + f.integer("lshr", part, ring.parts - 1), mask)
        if mask is None:
            f.store(total, pointer, total.type.bytes)
        else:
            f.masked_store(total, pointer, mask)

    def _scaled(self, total: Value, c: Value, mask: Value | None) -> Value:
        """alpha times the sums, and what of the result is added to them."""
        f, ring = self.f, self.ring
        if self.scaled:
            given = total
            total = f.choose(self._has(ALPHA), lambda: ring.scaled(f, given, self.alpha), lambda: given)
            total = self._added(BETA, total, c, mask, self.beta)
        return self._added(ADD, total, c, mask, None)

    def _has(self, bit: int) -> Value:
        return self.f.icmp("ne", self.how & bit, 0)

    def _added(self, bit: int, total: Value, c: Value, mask: Value | None, beta: Sequence[Value] | None) -> Value:
        f, ring = self.f, self.ring

        def add() -> Value:
            kind = total.type.scalar.vector(total.type.lanes)
            old = _loaded(f, c, ring, kind, mask)
            return ring.sum(old if beta is None else ring.scaled(f, old, beta), total)

        return f.choose(self._has(bit), add, lambda: total)

    def _finished(self, total: Value, row: Value, column: Value, mask: Value | None) -> Value:
        epilogue = self.epilogue
        assert epilogue is not None
        finish = lambda: epilogue(self.f, total, row, column, mask, self.operands)
        return self.f.choose(self._has(LAST), finish, lambda: total)


def _loaded(f: Function, pointer: Value, ring: Ring, kind: Type, mask: Value | None) -> Value:
    stored = ring.stored.vector(kind.lanes)
    x = f.load(pointer, stored, ring.stored.bytes) if mask is None else f.masked_load(pointer, stored, mask)
    return ring.widened(f, x) if ring.narrow else x
