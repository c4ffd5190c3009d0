"""Column nests: rows are combined into a row of results, a tile of columns at a time, which stays in the first cache.

Memory is walked in its order: along a row of the tile, then the next rows. A few rows are combined in registers before the
tile is touched. Imports `nests` and `reductions`; start reading at `ColumnEmitter.emit`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from functrans.backends.llvm.elements import Element, memory_type
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import Value
from functrans.backends.llvm.nests import Env, NestEmitter
from functrans.backends.llvm.reductions import Reduction, tree
from functrans.backends.llvm.scalars import Scalars
from functrans.backends.llvm.threads.chunks import column_unit
from functrans.compiler.nest import Access
from functrans.core.lowering import Pointwise

__all__ = ["ColumnEmitter"]

_TILE = 16384
"""Bytes of a tile, for each reduction: memory is read in long runs."""
_LIGHT = 4
"""A body of at most so many operations is repeated for several rows."""
_ROWS = 8


class ColumnEmitter(NestEmitter):
    """Writes a column nest."""

    def emit(self) -> Function:
        self.emit_once()
        *slow_last, self._n = self.nest.last
        self._reductions = [
            Reduction(i, op.reduces.combine, op.node.outs[0].aval.dtype)
            for i, op in enumerate(self.nest.ops)
            if op.reduces
        ]
        self._width = min(self._tile_columns(), -(-self._n // self.lanes) * self.lanes)
        self._tiles = [self._stack(reduction) for reduction in self._reductions]
        with ExitStack() as loops:
            sizes = (*self.nest.lead, *slow_last)
            ranges = [self.range(depth, size) for depth, size in enumerate(sizes)]
            slow = [loops.enter_context(self.f.loop(*bounds)).index for bounds in ranges]
            self._columns(slow[: len(self.nest.lead)], slow[len(self.nest.lead) :])
        return self.finish()

    def _tile_columns(self) -> int:
        widest = max(reduction.work.itemsize for reduction in self._reductions)
        return max(_TILE // widest // self.lanes, 1) * self.lanes

    def _stack(self, reduction: Reduction) -> Value:
        size = memory_type(reduction.work)
        return self.f.stack(size, self._width * (2 if reduction.work.kind == "c" else 1))

    def _columns(self, lead: list[Value], last: list[Value]) -> None:
        """All columns of one run of the last dimension: full tiles in a loop, then the rest."""
        if self.chunk is not None and not lead and not last:
            self._some_columns(*self.chunk)
            return
        if not self._n:
            return
        full = self._n // self._width * self._width
        if full:
            with self.f.loop(0, full, self._width) as loop:
                self._tile(lead, last, loop.index, self._width)
        if self._n - full:
            self._tile(lead, last, self.f.index(full), self._n - full)

    def _some_columns(self, start: Value, stop: Value) -> None:
        """The columns of a chunk; the one that reaches the end has those that are no whole unit, too."""
        f, unit = self.f, column_unit(self.nest)
        full = self._n // unit * unit
        end = f.minimum(stop, f.index(full))
        with f.loop(start, end, self._width) as loop:
            self._tile([], [], loop.index, f.minimum(end - loop.index, f.index(self._width)))
        if self._n > full:
            with f.when(f.icmp("eq", stop, self._n) & f.icmp("slt", start, stop)):
                self._tile([], [], f.index(full), self._n - full)

    def _tile(self, lead: list[Value], last: list[Value], first: Value, columns: Value | int) -> None:
        """Columns first to first + columns."""
        self._vectors(columns, self._clear)
        *slow, rows = self.nest.inner
        with ExitStack() as loops:
            inner = [loops.enter_context(self.f.loop(0, size)).index for size in slow]
            cost = sum(self._cost(i) for i, op in enumerate(self.nest.ops) if op.level == "full")
            count = _ROWS if cost <= _LIGHT else 1
            for start, stop, several in ((0, rows // count * count, count), (rows // count * count, rows, 1)):
                if start < stop:
                    with self.f.loop(start, stop, several) as loop:
                        found = [[*inner, loop.index + k] for k in range(several)]
                        self._rows(lead, found, last, first, columns)
        self._vectors(columns, lambda column, scalars: self._finish(lead, last, first, column, scalars))

    def _vectors(self, columns: Value | int, body: Callable[[Value, Scalars], None]) -> None:
        """Each vector of a tile; of how many columns is known, or they are whole vectors."""
        if isinstance(columns, int):
            self.vectors(columns, body)
            return
        with self.f.loop(0, columns, self.lanes) as loop:
            body(loop.index, self.scalars(self.lanes))

    # ---- bodies, each for one vector of columns ----

    def _clear(self, column: Value, scalars: Scalars) -> None:
        for reduction, tile in zip(self._reductions, self._tiles, strict=True):
            scalars.store(reduction.start(scalars), tile, column, 1)

    def _rows(
        self, lead: list[Value], rows: list[list[Value]], last: list[Value], first: Value, columns: Value | int
    ) -> None:
        def body(column: Value, scalars: Scalars) -> None:
            found = [self._row([*lead, *row, *last, first + column], scalars) for row in rows]
            for k, (reduction, tile) in enumerate(zip(self._reductions, self._tiles, strict=True)):
                total = tree(reduction.combine, scalars, [elements[k] for elements in found])
                before = scalars.load(tile, reduction.work, column, 1)
                scalars.store(reduction.add(scalars, before, total), tile, column, 1)

        self._vectors(columns, body)

    def _row(self, indices: list[Value], scalars: Scalars) -> list[Element]:
        """The full operations of one row: the elements that go into each reduction."""
        env: Env = {}
        found: list[Element] = []

        def place(access: Access) -> Value:
            return self.offset(access, indices)

        for number, op in enumerate(self.nest.ops):
            if op.reduces:
                x = self.operand(op.operands[0], op, scalars, env, place)
                found.append(scalars.cast(x, self._reductions[len(found)].work))
            elif op.level == "full":
                self.compute(number, scalars, env, place)
        for store in self.stores(list(env)):  # after all reads: it may lie in place of what is read here
            self.store(store, scalars, env, place, self.stride(store.access))
        return found

    def _finish(self, lead: list[Value], last: list[Value], first: Value, column: Value, scalars: Scalars) -> None:
        """The results of a tile, and what is made of them."""
        zeros = [self.f.index(0) for _ in self.nest.inner]
        indices = [*lead, *zeros, *last, first + column]
        env: Env = {}

        def place(access: Access) -> Value:
            return self.offset(access, indices)

        for reduction, tile in zip(self._reductions, self._tiles, strict=True):
            element = scalars.load(tile, reduction.work, column, 1)
            env[reduction.op] = scalars.cast(element, reduction.dtype)
        numbers = [i for i, op in enumerate(self.nest.ops) if op.level == "outer"]
        for number in numbers:
            self.compute(number, scalars, env, place)
        for store in self.stores([*numbers, *(reduction.op for reduction in self._reductions)]):
            self.store(store, scalars, env, place, self.stride(store.access))

    def _cost(self, number: int) -> int:
        lowering = self.nest.ops[number].node.lowering
        return lowering.cost if isinstance(lowering, Pointwise) else 1
