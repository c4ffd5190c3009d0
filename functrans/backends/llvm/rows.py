"""Row nests: for each index of the outer loops, passes over the inner loops, whose innermost is run in vectors.

The last few elements of the innermost loop are a vector of which not all lanes count. Imports `nests` and `reductions`;
start reading at `RowEmitter.emit`, then `_innermost`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from functrans.backends.llvm.across import Across, across_bytes
from functrans.backends.llvm.elements import Element
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, Value
from functrans.backends.llvm.nests import Env, NestEmitter
from functrans.backends.llvm.next_row import NextRow
from functrans.backends.llvm.reductions import Reduction, flat, tree, unflat
from functrans.backends.llvm.scalars import Scalars
from functrans.backends.llvm.turned import COLUMNS, Crossing, crossing, rows, turn, turned_buffer
from functrans.compiler.nest import Access, Level, Pass
from functrans.core.lowering import Pointwise

__all__ = ["RowEmitter"]

_LIGHT = 8
"""A body of at most so many operations is repeated for several vectors in one turn of its loop: as many as leave none over."""
_LIGHTEST = 3
_BLOCK = 16
"""How many elements go into one lane of an accumulator before it is added to the totals."""


@dataclass(slots=True)
class _Row:
    """One traversal of the inner loops: what is known before it, and the state of its reductions."""

    one: Pass
    env: Env
    starts: dict[Access, Value]
    reductions: list[Reduction]


class RowEmitter(NestEmitter):
    """Writes a row nest."""

    _turned: dict[Access, tuple[Value, Value]]
    """The accesses of which there is a block, and where the elements that are to be loaded lie in it."""

    def emit(self) -> Function:
        self._crossing, self._turned = crossing(self.nest), {}
        self.emit_once()
        self._next_row = NextRow(self, [sum(map(self._cost, one.ops)) for one in self.nest.passes])
        self.across = Across(self, self.scratch)
        self.across.clear()
        with ExitStack() as loops:
            lead = [
                loops.enter_context(self.f.loop(*self.range(depth, size))).index
                for depth, size in enumerate(self.nest.lead)
            ]
            self._row(lead)
            self.across.end_row(lead)
        self.across.end_block()
        if self.chunk is None:
            self._after()
        return self.finish()

    def emit_after(self, chunks: int) -> Function:
        """The function of what comes after all chunks: it adds up what they have added up, each in scratch memory of its own."""
        self._turned = {}
        self.emit_once()
        self.across = Across(self, self.scratch)
        with self.f.loop(1, chunks) as loop:
            self.across.join(Across(self, self.f.offset(self.scratch, loop.index * across_bytes(self.nest), I8)))
        self._after()
        return self.finish()

    def _row(self, lead: list[Value]) -> None:
        env: Env = {}
        accesses = dict.fromkeys([*self.nest.reads, *(store.access for store in self.nest.stores)])
        starts = {access: self.offset(access, lead) for access in accesses}
        self._outer(0, env, starts)
        for number, one in enumerate(self.nest.passes):
            reduced = [i for i in one.ops if self.nest.ops[i].reduces and not self.nest.ops[i].is_across]
            row = _Row(one, env, starts, [self._reduction(i) for i in reduced])
            env.update(self._pass(row))
            self._outer(number + 1, env, starts)

    def _outer(self, stage: int, env: Env, starts: dict[Access, Value]) -> None:
        """What is computed once per row, before a pass; and the reductions of the pass before that are stored."""
        ops, scalars = self.nest.ops, self.scalars(1)
        numbers = [i for i, op in enumerate(ops) if op.level == "outer" and op.stage == stage]
        for number in numbers:
            self._compute(number, scalars, env, starts.__getitem__, self.f.index(0))
        reduced = [i for i, op in enumerate(ops) if op.reduces and not op.is_across and op.stage == stage - 1]
        for store in self.stores([*(i for i in numbers if not ops[i].is_across), *reduced]):
            self.store(store, scalars, env, starts.__getitem__, 0)

    def _compute(
        self, number: int, scalars: Scalars, env: Env, place: Callable[[Access], Value], column: Value
    ) -> None:
        """One operation; a reduction over the outer loops takes what it is given, for results from `column` on."""
        op = self.nest.ops[number]
        if op.is_across:
            x = self.operand(op.operands[0], op, scalars, env, place)
            self.across.add(number, scalars, x, column)
        else:
            self.compute(number, scalars, env, place)

    def _after(self) -> None:
        """What is made of the reductions over the outer loops: numbers, then rows of results."""
        numbers: Env = {}
        self._late("outer", "end", [], self.scalars(1), numbers)
        *slow, last = self.nest.inner or (1,)
        with ExitStack() as loops:
            indices = [loops.enter_context(self.f.loop(0, size)).index for size in slow]

            def body(index: Value, scalars: Scalars) -> None:
                self._late("full", "columns", [*indices, index], scalars, dict(numbers))

            if any(op.is_across and op.level == "full" for op in self.nest.ops):
                self.vectors(last, body)

    def _late(self, reduced: Level, made: Level, inner: list[Value], scalars: Scalars, env: Env) -> None:
        """The reductions over the outer loops of one level, and what is made of them."""
        indices = [*(self.f.index(0) for _ in self.nest.lead), *inner]

        def place(access: Access) -> Value:
            return self.offset(access, indices)

        across = [i for i, op in enumerate(self.nest.ops) if op.is_across and op.level == reduced]
        for number in across:
            env[number] = self.across.result(number, scalars, self._column(inner))
        numbers = [i for i, op in enumerate(self.nest.ops) if op.level == made]
        for number in numbers:
            self.compute(number, scalars, env, place)
        for store in self.stores([*across, *numbers]):
            self.store(store, scalars, env, place, self.stride(store.access) if inner else 0)

    def _column(self, inner: Sequence[Value]) -> Value:
        """Where the inner loops are, as one count."""
        column = self.f.index(0)
        for index, size in zip(inner, self.nest.inner, strict=False):
            column = column * size + index
        return column

    # ---- a pass ----

    def _reduction(self, number: int) -> Reduction:
        op = self.nest.ops[number]
        assert op.reduces is not None
        return Reduction(number, op.reduces.combine, op.node.outs[0].aval.dtype)

    def _pass(self, row: _Row) -> Env:
        """The elements that its reductions give."""
        scalars = self.scalars(self.lanes if self.nest.inner else 1)
        totals = [total for reduction in row.reductions for total in reduction.totals(scalars)]
        if self._crossing is not None:
            self._blocks(row, self._crossing, scalars)
            return {}
        if self.chunk is not None and not self.nest.lead and len(self.nest.inner) == 1:
            self._elements(row, *self.chunk, scalars)
            return {}
        totals = self._slow(row, [], totals, scalars)
        results: Env = {}
        for reduction in row.reductions:
            count = len(reduction.totals(scalars))
            results[reduction.op] = reduction.finish(scalars, totals[:count])
            totals = totals[count:]
        return results

    def _slow(self, row: _Row, indices: list[Value], totals: list[Element], scalars: Scalars) -> list[Element]:
        """The inner loops but the innermost, from the outside; totals go in and come out."""
        depth = len(indices)
        if depth >= len(self.nest.inner) - 1:
            return self._innermost(row, indices, totals, scalars)
        start, stop = self.range(len(self.nest.lead) + depth, self.nest.inner[depth])
        with self.f.loop(start, stop, carry=flat(totals)) as loop:
            inside = self._slow(row, [*indices, loop.index], unflat(loop.carry, totals), scalars)
            loop.next = flat(inside)
        return unflat(loop.results, totals)

    def _innermost(self, row: _Row, slow: list[Value], totals: list[Element], scalars: Scalars) -> list[Element]:
        """The innermost loop: blocks of unrolled vectors, single vectors that are left, and the shorter vector."""
        n, lanes = (self.nest.inner or (1,))[-1], scalars.lanes
        unroll = self._unroll(row.one, n // lanes) if self.nest.inner else 1
        step = unroll * lanes
        bulk, vectors = n // step * step, n // lanes * lanes

        def run(start: Value | int, stop: Value | int, count: int, found: list[Element]) -> list[Element]:
            with self.f.loop(start, stop, count * lanes, carry=flat(found)) as loop:
                inside = unflat(loop.carry, found)
                for k in range(count):
                    inside = self._body(row, [*slow, loop.index + k * lanes], scalars, inside, k, count)
                loop.next = flat(inside)
            return unflat(loop.results, found)

        def blocks(start: int, stop: int, count: int) -> None:
            nonlocal totals
            if start == stop:
                return
            size = _BLOCK * count * lanes
            if stop - start <= size or not any(reduction.is_compensated for reduction in row.reductions):
                totals = self._merged(row, totals, run(start, stop, count, self._fresh(row, count, scalars)), scalars)
                return
            with self.f.loop(start, stop, size, carry=flat(totals)) as block:
                end = self.f.minimum(block.index + size, self.f.index(stop))
                found = run(block.index, end, count, self._fresh(row, count, scalars))
                block.next = flat(self._merged(row, unflat(block.carry, totals), found, scalars))
            totals = unflat(block.results, totals)

        blocks(0, bulk, unroll)
        blocks(bulk, vectors, 1)
        if n % lanes:
            rest = self.scalars(lanes, n % lanes)
            found = self._body(row, [*slow, self.f.index(vectors)], rest, self._fresh(row, 1, rest), 0, 1)
            totals = self._merged(row, totals, found, scalars)
        return totals

    def _elements(self, row: _Row, start: Value, stop: Value, scalars: Scalars) -> None:
        """A chunk of an elementwise pass over one loop; the one that reaches the end has the shorter vector, too."""
        f, (n,), lanes = self.f, self.nest.inner, scalars.lanes
        unroll = self._unroll(row.one, n // lanes)
        bulk, vectors = n // (unroll * lanes) * unroll * lanes, n // lanes * lanes
        for low, high, count in ((0, bulk, unroll), (bulk, vectors, 1)):
            if low < high:
                with f.loop(f.maximum(start, f.index(low)), f.minimum(stop, f.index(high)), count * lanes) as loop:
                    for k in range(count):
                        self._body(row, [loop.index + k * lanes], scalars, [], 0, 1)
        if n % lanes:
            with f.when(f.icmp("eq", stop, n) & f.icmp("slt", start, n)):
                self._body(row, [f.index(vectors)], self.scalars(lanes, n % lanes), [], 0, 1)

    def _blocks(self, row: _Row, crossed: Crossing, scalars: Scalars) -> None:
        """An elementwise pass whose operands are in part turned over first, block by block."""
        f, (*_, n), last, height = self.f, self.nest.inner, len(self.nest.inner) - 1, rows(crossed)
        buffers = {access: turned_buffer(f, access, height) for access in crossed.accesses}
        whole = n // scalars.lanes * scalars.lanes
        with ExitStack() as loops:
            steps = [height if depth == crossed.depth else COLUMNS if depth == last else 1 for depth in range(last + 1)]
            order = sorted(range(last + 1), key=lambda depth: (steps[depth] > 1, -depth))
            ranges = [self.range(len(self.nest.lead) + depth, size) for depth, size in enumerate(self.nest.inner)]
            index = {depth: loops.enter_context(f.loop(*ranges[depth], steps[depth])).index for depth in order}
            first = [index[depth] for depth in range(last + 1)]
            top, left = first[crossed.depth], first[last]
            bottom = f.minimum(top + height, f.like(ranges[crossed.depth][1], top))
            right = f.minimum(left + COLUMNS, f.index(n))
            place = self._placed(row.starts, first)
            for access, buffer in buffers.items():
                turn(f, access, self.pointers[access.base], place(access), buffer, bottom - top, right - left)
            i = loops.enter_context(f.loop(top, bottom)).index

            def body(j: Value, scalars: Scalars) -> None:
                inner = [
                    i if depth == crossed.depth else j if depth == last else first[depth] for depth in range(last + 1)
                ]
                self._turned = {a: (buffer, (i - top) * COLUMNS + (j - left)) for a, buffer in buffers.items()}
                self._body(row, inner, scalars, [], 0, 1)

            with f.loop(left, f.minimum(right, f.index(whole)), scalars.lanes) as loop:
                body(loop.index, scalars)
            if n > whole:
                with f.when(f.icmp("eq", right, n)):
                    body(f.index(whole), self.scalars(scalars.lanes, n - whole))
        self._turned = {}

    def load(self, access: Access, scalars: Scalars, place: Callable[[Access], Value]) -> Element:
        if access in self._turned:
            buffer, offset = self._turned[access]
            return scalars.load(buffer, access.base.aval.dtype, offset, 1)
        return super().load(access, scalars, place)

    def _unroll(self, one: Pass, vectors: int) -> int:
        cost = sum(self._cost(i) for i in one.ops)
        if cost > _LIGHT:
            return 1
        counts = [count for count in (8, 4, 2) if vectors >= 2 * count and (count < 8 or cost <= _LIGHTEST)]
        return next((count for count in counts if vectors % count == 0), counts[0] if counts else 1)

    def _cost(self, number: int) -> int:
        lowering = self.nest.ops[number].node.lowering
        return lowering.cost if isinstance(lowering, Pointwise) else 1

    # ---- the state of the reductions: for each `count` accumulators, one after the other ----

    def _fresh(self, row: _Row, count: int, scalars: Scalars) -> list[Element]:
        return [reduction.start(scalars) for reduction in row.reductions for _ in range(count)]

    def _merged(
        self, row: _Row, totals: Sequence[Element], found: Sequence[Element], scalars: Scalars
    ) -> list[Element]:
        """The totals with what accumulators hold."""
        merged: list[Element] = []
        count = len(found) // max(len(row.reductions), 1)
        for i, reduction in enumerate(row.reductions):
            width = len(reduction.totals(scalars))
            mine = totals[len(merged) : len(merged) + width]
            block = tree(reduction.combine, scalars, found[i * count : (i + 1) * count])
            merged += reduction.merge(scalars, mine, block)
        return merged

    # ---- the body ----

    def _body(
        self, row: _Row, inner: list[Value], scalars: Scalars, found: list[Element], k: int, count: int
    ) -> list[Element]:
        """All operations of a pass for one vector of indices; what goes into accumulator k of each reduction."""
        found, env = list(found), dict(row.env)
        place = self._placed(row.starts, inner)
        for number in row.one.reloads:
            access = self.stores([number])[0].access
            env[number] = self.load(access, scalars, place)
        for number in row.one.ops:
            op = self.nest.ops[number]
            if op.reduces and not op.is_across:
                slot = [reduction.op for reduction in row.reductions].index(number) * count + k
                x = self.operand(op.operands[0], op, scalars, env, place)
                found[slot] = row.reductions[slot // count].add(scalars, found[slot], x)
            else:
                self._compute(number, scalars, env, place, self._column(inner))
        stage = self.nest.passes.index(row.one)
        if stage == self._next_row.stage:
            self._next_row.fetch(place, scalars.lanes)
        own = [i for i in row.one.ops if self.nest.ops[i].stage == stage and not self.nest.ops[i].reduces]
        for store in self.stores(own):
            self.store(store, scalars, env, place, self.stride(store.access))
        return found

    def _placed(self, starts: dict[Access, Value], inner: list[Value]) -> Callable[[Access], Value]:
        depth = len(self.nest.lead)
        indices = inner if self.nest.inner else []
        return lambda access: starts[access] + self.walked(access, indices, depth)
