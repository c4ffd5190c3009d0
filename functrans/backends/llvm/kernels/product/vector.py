"""A row times a large matrix that lies by rows: streamed once, some rows at a time, into a result that stays near.

And products without a contracted axis. Imports the builder, `ring` and `direct`; start reading at `streamed`.
"""

from __future__ import annotations

from functools import partial

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I64, PTR, Module, Value
from functrans.backends.llvm.kernels.product.direct import Matrices, Store
from functrans.backends.llvm.kernels.product.finish import each_vector
from functrans.backends.llvm.kernels.product.ring import Ring

__all__ = ["outer", "streamed"]

AT_A_TIME = 128
"""Bytes of each row. With half of that, or with twice as much, matrices in the third cache took up to 1.2 times as long."""
AT_ONCE = 512
"""Columns of a product without a sum: near enough for an epilogue to find them in the first cache."""


def streamed(f: Function, ring: Ring, x: Matrices, store: Store) -> None:
    """The product of a row with a matrix, k ≥ 1."""

    def compute(c: Value, _: Value) -> None:
        f.fill(c, 0, f.index(x.n * ring.bytes))
        rows = _beside(f.module, ring, x.k)
        for start, stop, step in ((0, x.k // rows * rows, rows), (x.k // rows * rows, x.k, 1)):
            if start < stop:
                with f.loop(start, stop, step) as loop:
                    left = f.offset(x.left, loop.index * (x.left_k * ring.parts), ring.part)
                    right = f.offset(x.right, loop.index * (x.right_k * ring.parts), ring.part)
                    steps = f.index(x.left_k), f.index(x.right_k)
                    f.call(_rows(f.module, ring, step), left, right, *steps, f.index(x.n), c)

    store(f.index(0), f.index(0), 1, x.n, compute)


def _beside(module: Module, ring: Ring, k: int) -> int:
    """How many rows of the matrix are read side by side: enough to keep memory busy, and not more than there are registers
    for, with 32 of them 8 to 12 (6: 1.1 to 1.4 times as long), with 16 half as many; if that can be, so that none are left.
    """
    most = max(module.target.vector_registers * 3 // 8 // ring.parts, 1)
    return next((rows for rows in range(most, most * 2 // 3 - 1, -1) if k % rows == 0), most)


def outer(f: Function, ring: Ring, x: Matrices, store: Store) -> None:
    """Each element of the left times each of the right, with nothing added: a zero keeps its sign."""
    with f.loop(0, x.m) as down:
        left = f.offset(x.left, down.index * (x.left_row * ring.parts), ring.part)
        with f.loop(0, x.n, AT_ONCE) as across:
            columns = f.minimum(x.n - across.index, f.index(AT_ONCE))
            right = f.offset(x.right, across.index * ring.parts, ring.part)
            compute = partial(f.call, _multiples(f.module, ring), left, right, columns)
            store(down.index, across.index, 1, columns, compute)


def _rows(module: Module, ring: Ring, rows: int) -> Function:
    """`(left, right, left step, right step, n, c)`: adds some numbers of the left times rows of the right to c."""

    def build() -> Function:
        params = [("left", PTR), ("right", PTR), ("left_step", I64), ("right_step", I64), ("n", I64), ("c", PTR)]
        f = Function(module, name, params, noalias=("left", "right", "c"))
        left, right, left_step, right_step, n, c = f.args
        numbers = [_number(f, ring, f.offset(left, left_step * (r * ring.parts), ring.part)) for r in range(rows)]
        starts = [f.offset(right, right_step * (r * ring.parts), ring.part) for r in range(rows)]

        def vector(part: Value, lanes: int, mask: Value | None) -> None:
            old = _loaded(f, ring, f.offset(c, part, ring.part), lanes, mask)
            sums = [old, *(f.zero(old.type) for _ in range(ring.parts - 1))]
            for number, start in zip(numbers, starts, strict=True):
                row = _loaded(f, ring, f.offset(start, part, ring.part), lanes, mask)
                sums = [ring.multiply_add(f, f.splat(a, lanes), row, s) for a, s in zip(number, sums, strict=True)]
            _stored(f, ring.combined(f, sums), f.offset(c, part, ring.part), mask)

        lanes = AT_A_TIME // ring.part.bytes
        whole = f.integer("and", n * ring.parts, -lanes)
        with f.loop(0, whole, lanes) as loop:
            vector(loop.index, lanes, None)
        each_vector(f, ring, n * ring.parts, vector, whole)
        return f

    name = f"rows_{ring.name}_{rows}"
    return module.shared(name, build)


def _multiples(module: Module, ring: Ring) -> Function:
    """`(left, right, n, c, _)`: one number of the left times n of the right."""
    name = f"multiples_{ring.name}"

    def build() -> Function:
        f = Function(module, name, [("left", PTR), ("right", PTR), ("n", I64), ("c", PTR), ("step", I64)])
        left, right, n, c, _ = f.args
        number = _number(f, ring, left)

        def vector(part: Value, lanes: int, mask: Value | None) -> None:
            row = _loaded(f, ring, f.offset(right, part, ring.part), lanes, mask)
            _stored(f, ring.scaled(f, row, number), f.offset(c, part, ring.part), mask)

        each_vector(f, ring, n * ring.parts, vector)
        return f

    return module.shared(name, build)


# ---- along a row ----


def _number(f: Function, ring: Ring, pointer: Value) -> list[Value]:
    return [f.load(f.offset(pointer, p, ring.part), ring.part) for p in range(ring.parts)]


def _loaded(f: Function, ring: Ring, pointer: Value, lanes: int, mask: Value | None) -> Value:
    kind = ring.part.vector(lanes)
    return f.load(pointer, kind, ring.part.bytes) if mask is None else f.masked_load(pointer, kind, mask)


def _stored(f: Function, x: Value, pointer: Value, mask: Value | None) -> None:
    if mask is None:
        f.store(x, pointer, x.type.bytes)
    else:
        f.masked_store(x, pointer, mask)
