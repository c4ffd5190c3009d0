"""What runs inside a product or a convolution as a function: the operations of a nest on some rows and columns of a matrix
that lie near.

For an epilogue these are sums, which it reads; for a prologue a part of the right operand, which it writes. Imports `nests` and
`finish`; start reading at `window_function`.
"""

from __future__ import annotations

from collections.abc import Sequence

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I64, PTR, Module, Value
from functrans.backends.llvm.kernels.product.finish import State
from functrans.backends.llvm.nests import NestBody, nest_variables
from functrans.backends.llvm.scalars import Scalars
from functrans.compiler.nest import Access, Fused, Nest
from functrans.core.ir import Var
from functrans.core.lowering import Pointwise
from functrans.record import Record

__all__ = ["Inside", "inside_variables", "window_function", "window_state"]

_AT_ONCE = 2
"""Vectors of a row that are written out one after the other, if their operations are light; more are a loop."""
_LIGHT = 8


class Inside(Record):
    """A nest, and the variable of its that has no memory but what the product lends it."""

    nest: Nest
    near: Var

    @staticmethod
    def before(work: Fused | None) -> Inside | None:
        if work is None or work.prologue is None:
            return None
        return Inside(work.prologue, work.prologue.outs[0])

    @staticmethod
    def after(work: Fused | None) -> Inside | None:
        return None if work is None or work.epilogue is None else Inside(work.epilogue, work.result)

    @property
    def variables(self) -> tuple[Var, ...]:
        """Those whose memory it is given, in this order."""
        return tuple(var for var in nest_variables(self.nest) if var is not self.near)

    @property
    def accesses(self) -> tuple[Access, ...]:
        return tuple(dict.fromkeys([*self.nest.reads, *(store.access for store in self.nest.stores)]))

    @property
    def streams(self) -> tuple[Access, ...]:
        """What it goes through row by row."""
        return tuple(x for x in self.accesses if x.base is not self.near and self.row_step(x) and x.strides[-1] == 1)

    def row_step(self, access: Access) -> int:
        """From row to row, in elements."""
        return access.strides[-2] if self.nest.lead else 0


def inside_variables(work: Fused) -> tuple[Var, ...]:
    """The variables whose pointers the function of a product is given, in this order: its operands, or what these are made
    of, and its result, or what is made of that.
    """
    before, after = Inside.before(work), Inside.after(work)
    made = () if before is None else before.variables
    return (*work.operands, *made, *(work.product.outs if after is None else after.variables))


def window_state(f: Function, function: Function, inside: Inside, pointers: Sequence[Value]) -> Value:
    """The state of a nest inside a product, made in `f`; the pointers are those of its variables and to the warnings."""
    table = f.stack(PTR, len(pointers))
    for i, pointer in enumerate(pointers):
        f.store(pointer, f.offset(table, i, PTR), 8)
    state = State(f, f.stack(I64, State.WORDS))
    f.store(f.address(function.name), state.finish, 8)
    f.store(table, state.table, 8)
    known = dict(zip(inside.variables, pointers, strict=False))
    streams = inside.streams[: State.MOST_STREAMS]
    for i, access in enumerate(streams):
        size = access.base.aval.dtype.itemsize
        pointer, row, column = state.stream(i)
        f.store(f.value(PTR, f"getelementptr i8, ptr {known[access.base]}, i64 {access.offset * size}"), pointer, 8)
        f.store(f.index(inside.row_step(access) * size), row)
        f.store(f.index(size), column)
    f.store(f.index(len(streams)), state.count)
    return state.pointer


def window_function(module: Module, name: str, inside: Inside, widths: Sequence[int]) -> Function:
    """`(near, its step, row, column, rows, columns, table)`: does to the elements of rows and columns from (row, column) on
    what is to be done. There are never other numbers of columns than `widths`, and a vector begins with the first. Rows are
    counted in C order over the loops of `lead`, and those of a call are turns of its last loop alone.
    """
    numbers = ("step", "row", "column", "rows", "columns")
    f = Function(module, name, [("near", PTR), *((number, I64) for number in numbers), ("table", PTR)])
    _Window(f, inside).write(widths)
    return f


class _Window(NestBody):
    def __init__(self, f: Function, inside: Inside) -> None:
        self.inside = inside
        self.near, self.step, self.row, self.column, self.rows, self.columns, table = f.args
        variables = inside.variables
        given = [f.load(f.offset(table, i, PTR), PTR) for i in range(len(variables) + 1)]
        pointers = dict(zip(variables, given, strict=False)) | {inside.near: self.near}
        super().__init__(f, inside.nest, pointers, given[-1])

    def write(self, widths: Sequence[int]) -> None:
        """A loop over rows for each number of columns."""
        first, *others = widths
        if not others:
            self._rows(first)
            return
        with self.f.when(self.f.icmp("eq", self.columns, first)) as branch:
            self._rows(first)
            branch.otherwise()
            self.write(others)

    def _rows(self, columns: int) -> None:
        accesses = self.inside.accesses
        with self.f.loop(0, self.rows, carry=[self._start(access) for access in accesses]) as loop:
            places = dict(zip(accesses, loop.carry, strict=True))
            self._columns(columns, places)
            loop.next = [place + self._step(access) for access, place in places.items()]

    def _columns(self, count: int, places: dict[Access, Value]) -> None:
        costs = [op.node.lowering.cost if isinstance(op.node.lowering, Pointwise) else 1 for op in self.nest.ops]
        vectors, rest = divmod(count, self.lanes)
        if vectors > _AT_ONCE or sum(costs) > _LIGHT:
            self.vectors(count, lambda column, scalars: self._body(column, scalars, places))
            return
        for number in range(vectors):
            self._body(self.f.index(number * self.lanes), self.scalars(self.lanes), places)
        if rest:
            self._body(self.f.index(vectors * self.lanes), self.scalars(self.lanes, rest), places)

    def _body(self, column: Value, scalars: Scalars, places: dict[Access, Value]) -> None:
        env = dict(self.once)

        def place(access: Access) -> Value:
            return places[access] + column * access.strides[-1]

        for number in range(len(self.nest.ops)):
            self.compute(number, scalars, env, place)
        for store in self.nest.stores:
            self.store(store, scalars, env, place, self.stride(store.access))

    def _start(self, access: Access) -> Value:
        """Where the first row's elements begin, counted from the base; of what lies near, from the first of them."""
        if access.base is self.inside.near:
            return self.f.index(0)
        f, row, (*outer, _last) = self.f, self.row, access.strides
        start = f.index(0)
        for size, step in reversed(list(zip(self.nest.lead[1:], outer[1:], strict=True))):
            start = start + f.integer("srem", row, f.index(size)) * step
            row = f.integer("sdiv", row, f.index(size))
        return row * (outer[0] if outer else 0) + start + self.column * access.strides[-1] + access.offset

    def _step(self, access: Access) -> Value | int:
        return self.step if access.base is self.inside.near else self.inside.row_step(access)
