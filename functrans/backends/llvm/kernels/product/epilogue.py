"""An epilogue as a function: the operations of a nest on some rows and columns of a product's sums, which lie near.

Imports `nests` and `finish`; start reading at `epilogue_function`.
"""

from __future__ import annotations

from collections.abc import Sequence

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I64, PTR, Module, Value
from functrans.backends.llvm.kernels.product.finish import State
from functrans.backends.llvm.nests import NestBody, nest_variables
from functrans.backends.llvm.scalars import Scalars
from functrans.compiler.nest import Access, Finished
from functrans.core.ir import Var
from functrans.core.lowering import Pointwise

__all__ = ["epilogue_function", "epilogue_state", "epilogue_variables"]

_AT_ONCE = 2
"""Vectors of a row that are written out one after the other, if their operations are light; more are a loop."""
_LIGHT = 8


def epilogue_variables(work: Finished) -> tuple[Var, ...]:
    """Those whose memory it is given, in this order."""
    return tuple(var for var in nest_variables(work.nest) if var is not work.result)


def epilogue_state(f: Function, function: Function, work: Finished, pointers: Sequence[Value]) -> Value:
    """The state of a product, made in `f`; the pointers are those of the epilogue's variables and to the warnings."""
    table = f.stack(PTR, len(pointers))
    for i, pointer in enumerate(pointers):
        f.store(pointer, f.offset(table, i, PTR), 8)
    state = State(f, f.stack(I64, State.WORDS))
    f.store(f.address(function.name), state.finish, 8)
    f.store(table, state.table, 8)
    known = dict(zip(epilogue_variables(work), pointers, strict=False))
    accesses = dict.fromkeys([*work.reads, *(store.access for store in work.nest.stores)])
    streams = [access for access in accesses if _row_step(work, access) and access.strides[-1] == 1]
    for i, access in enumerate(streams[: State.MOST_STREAMS]):
        size = access.base.aval.dtype.itemsize
        pointer, row, column = state.stream(i)
        f.store(f.value(PTR, f"getelementptr i8, ptr {known[access.base]}, i64 {access.offset * size}"), pointer, 8)
        f.store(f.index(_row_step(work, access) * size), row)
        f.store(f.index(size), column)
    f.store(f.index(min(len(streams), State.MOST_STREAMS)), state.count)
    return state.pointer


def epilogue_function(module: Module, name: str, work: Finished, widths: Sequence[int]) -> Function:
    """`(sums, their step, row, column, rows, columns, table)`: does to the sums of rows and columns from (row, column) on
    what is to be done. There are never other numbers of columns than `widths`, and a vector begins with the first.
    """
    params = [
        ("sums", PTR),
        ("step", I64),
        ("row", I64),
        ("column", I64),
        ("rows", I64),
        ("columns", I64),
        ("table", PTR),
    ]
    f = Function(module, name, params)
    _Epilogue(f, work).write(widths)
    return f


def _row_step(work: Finished, access: Access) -> int:
    """From row to row, in elements."""
    return access.strides[0] if work.nest.lead else 0


class _Epilogue(NestBody):
    def __init__(self, f: Function, work: Finished) -> None:
        self.work = work
        self.sums, self.step, self.row, self.column, self.rows, self.columns, table = f.args
        variables = epilogue_variables(work)
        given = [f.load(f.offset(table, i, PTR), PTR) for i in range(len(variables) + 1)]
        pointers = dict(zip(variables, given, strict=False)) | {work.result: self.sums}
        super().__init__(f, work.nest, pointers, given[-1])
        self.accesses = tuple(dict.fromkeys([*self.nest.reads, *(store.access for store in self.nest.stores)]))

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
        with self.f.loop(0, self.rows, carry=[self._start(access) for access in self.accesses]) as loop:
            places = dict(zip(self.accesses, loop.carry, strict=True))
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
        """Where the first row's elements begin, counted from the base; of the sums, from the first of them."""
        if access.base is self.work.result:
            return self.f.index(0)
        return self.row * _row_step(self.work, access) + self.column * access.strides[-1] + access.offset

    def _step(self, access: Access) -> Value | int:
        return self.step if access.base is self.work.result else _row_step(self.work, access)
