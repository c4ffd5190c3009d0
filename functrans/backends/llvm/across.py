"""Reductions over the outer loops of a row nest: rows of results, which each index of the outer loops adds to.

They lie in scratch memory, which stays in the cache. Sums of floats are added up in blocks of rows, and the blocks as in
`reductions.py`: more exactly than NumPy adds rows. Each chunk of a nest has its own. Imports `nests` and `reductions`; start
reading at `Across`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod

from functrans.backends.llvm.elements import Element
from functrans.backends.llvm.ir import I8, Value
from functrans.backends.llvm.nests import NestEmitter
from functrans.backends.llvm.reductions import Reduction
from functrans.backends.llvm.scalars import Scalars
from functrans.compiler.nest import Nest
from functrans.record import Record

__all__ = ["Across", "across_bytes"]

_BLOCK = 64
"""How many rows are added up before they are added to the totals."""
_LINE = 64
"""Bytes to which each row of results is aligned."""


def _reductions(nest: Nest) -> dict[int, Reduction]:
    ops = enumerate(nest.ops)
    return {
        i: Reduction(i, op.reduces.combine, op.node.outs[0].aval.dtype) for i, op in ops if op.is_across and op.reduces
    }


def _columns(nest: Nest, number: int) -> int:
    """How many results a reduction has."""
    return prod(nest.inner) if nest.ops[number].level == "full" else 1


def _rows(reduction: Reduction) -> int:
    """The block, and the totals and their errors."""
    return 3 if reduction.is_compensated else 1


def _row_bytes(nest: Nest, reduction: Reduction) -> int:
    return -(-_columns(nest, reduction.op) * reduction.work.itemsize // _LINE) * _LINE


def across_bytes(nest: Nest) -> int:
    """The memory that the reductions of a nest over its outer loops work in."""
    return sum(_rows(reduction) * _row_bytes(nest, reduction) for reduction in _reductions(nest).values())


class _Row(Record):
    """A reduction with its memory."""

    reduction: Reduction
    columns: int
    block: Value
    totals: tuple[Value, ...]

    @property
    def whole(self) -> tuple[Value, ...]:
        """What holds all when no row is to come."""
        return self.totals or (self.block,)

    def load(self, scalars: Scalars, column: Value) -> list[Element]:
        """What `whole` holds from a column on."""
        return [scalars.load(memory, self.reduction.work, column) for memory in self.whole]


class Across:
    """All reductions of a nest over its outer loops."""

    def __init__(self, emitter: NestEmitter, scratch: Value) -> None:
        self._emitter = emitter
        self._rows: dict[int, _Row] = {}
        place = 0
        for number, reduction in _reductions(emitter.nest).items():
            size = _row_bytes(emitter.nest, reduction)
            block, *totals = (emitter.f.offset(scratch, place + k * size, I8) for k in range(_rows(reduction)))
            self._rows[number] = _Row(reduction, _columns(emitter.nest, number), block, tuple(totals))
            place += _rows(reduction) * size

    def clear(self) -> None:
        """Before all loops."""
        for row in self._rows.values():
            self._each(row, self._start)

    def _start(self, row: _Row, column: Value, scalars: Scalars) -> None:
        for memory in (row.block, *row.totals):
            scalars.store(row.reduction.start(scalars), memory, column)

    def add(self, number: int, scalars: Scalars, x: Element, column: Value) -> None:
        """One more element for each result from `column` on."""
        row = self._rows[number]
        before = scalars.load(row.block, row.reduction.work, column)
        scalars.store(row.reduction.add(scalars, before, x), row.block, column)

    def end_row(self, lead: Sequence[Value]) -> None:
        """After each row; `lead` are the indices of the outer loops."""
        sizes = self._emitter.nest.lead
        if prod(sizes) <= _BLOCK or not any(row.totals for row in self._rows.values()):
            return
        f = self._emitter.f
        number = f.index(0)
        for index, size in zip(lead, sizes, strict=True):
            number = number * size + index
        with f.when(f.icmp("eq", number & (_BLOCK - 1), _BLOCK - 1)):
            self.end_block()

    def end_block(self) -> None:
        """Add what blocks hold to the totals; after all rows too."""
        for row in self._rows.values():
            if row.totals:
                self._each(row, self._merge)

    def _merge(self, row: _Row, column: Value, scalars: Scalars) -> None:
        block, *totals = (scalars.load(memory, row.reduction.work, column) for memory in (row.block, *row.totals))
        for memory, element in zip(row.totals, row.reduction.merge(scalars, totals, block), strict=True):
            scalars.store(element, memory, column)
        scalars.store(row.reduction.start(scalars), row.block, column)

    def join(self, other: Across) -> None:
        """Add what another chunk has added up."""
        for number, row in self._rows.items():
            self._each(row, partial(self._join, other._rows[number]))

    def _join(self, other: _Row, row: _Row, column: Value, scalars: Scalars) -> None:
        joined = row.reduction.join(scalars, row.load(scalars, column), other.load(scalars, column))
        for memory, element in zip(row.whole, joined, strict=True):
            scalars.store(element, memory, column)

    def result(self, number: int, scalars: Scalars, column: Value) -> Element:
        """The results from `column` on, after all rows."""
        row = self._rows[number]
        return row.reduction.result(scalars, row.load(scalars, column))

    def _each(self, row: _Row, body: Callable[[_Row, Value, Scalars], None]) -> None:
        """Run a body for all results of a reduction."""
        if row.columns == 1:
            body(row, self._emitter.f.index(0), self._emitter.scalars(1))
        else:
            self._emitter.vectors(row.columns, partial(body, row))
