"""A small matrix times a tile times the matrix's transpose, for vectors of features: the sums before and after the products.

Compiled once for a process and matrix. Imports `matrices` and the builder; start reading at `call_transform`.
"""

from __future__ import annotations

from collections.abc import Sequence

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import F32, I64, PTR, Module, Value
from functrans.backends.llvm.kernels.product.ring import Ring
from functrans.backends.llvm.kernels.winograd.matrices import Matrix
from functrans.backends.llvm.once import compiled_once
from functrans.record import Record

__all__ = ["Tile", "call_transform"]


class Tile(Record):
    """Where the elements of tiles lie: the first, and how far it is to the next row, column and tile, in numbers."""

    first: Value
    row: Value | int
    column: Value | int
    next: Value | int


def call_transform(f: Function, ring: Ring, name: str, matrix: Matrix, of: Tile, to: Tile, count: Value | int) -> None:
    """Transform `count` tiles of vectors; the name says which matrix it is."""
    symbol = f"functrans_winograd_{ring.name}_{name}"
    known = compiled_once(f.module, symbol, lambda module: _transform(module, symbol, ring, matrix))
    given = [x for tile in (of, to) for x in (tile.first, tile.row, tile.column, tile.next)]
    f.call_symbol(known, None, *(f.like(x, f.index(0)) for x in (*given, count)))


def _transform(module: Module, name: str, ring: Ring, matrix: Matrix) -> Function:
    """The columns first, into memory of its own, then the rows of that."""
    words = ["row", "column", "next"]
    of, to = ([(side, PTR), *((f"{side}_{word}", I64) for word in words)] for side in ("of", "to"))
    f = Function(module, name, [*of, *to, ("count", I64)], exported=True, noalias=("of", "to"))
    source, row, column, after, target, to_row, to_column, to_after, count = f.args
    lanes, size = ring.lanes(module), len(matrix[0])
    vector, space = ring.vector(module), f.stack(ring.part, len(matrix) * size * lanes)

    def load(pointer: Value) -> Value:
        return f.load(pointer, vector, ring.bytes)

    with f.loop(0, count) as loop:
        here, there = f.offset(source, loop.index * after, F32), f.offset(target, loop.index * to_after, F32)
        with f.loop(0, size) as line:
            first = f.offset(here, line.index * column, F32)
            loaded = [load(f.offset(first, row * i, F32)) for i in range(size)]
            for i, x in enumerate(_combined(f, ring, matrix, loaded)):
                f.store(x, f.offset(space, line.index * lanes + i * size * lanes, F32), ring.bytes)
        with f.loop(0, len(matrix)) as line:
            first, to_first = (
                f.offset(space, line.index * (size * lanes), F32),
                f.offset(there, line.index * to_row, F32),
            )
            loaded = [load(f.offset(first, j * lanes, F32)) for j in range(size)]
            for j, x in enumerate(_combined(f, ring, matrix, loaded)):
                f.store(x, f.offset(to_first, to_column * j, F32), ring.bytes)
    return f


def _combined(f: Function, ring: Ring, matrix: Matrix, values: Sequence[Value]) -> list[Value]:
    """The matrix times a vector of vectors. Of two rows that differ in signs alone, one part is the same, one is turned."""
    found: dict[int, Value] = {}
    for i, row in enumerate(matrix):
        for k in range(i + 1, len(matrix)):
            same = [j for j, (a, b) in enumerate(zip(row, matrix[k], strict=True)) if a and a == b]
            turned = [j for j, (a, b) in enumerate(zip(row, matrix[k], strict=True)) if a and a == -b]
            if i in found or k in found or not same or not turned or len(same + turned) < _terms(row, matrix[k]):
                continue
            even, odd = (_sum(f, ring, [(row[j], values[j]) for j in part]) for part in (same, turned))
            found[i], found[k] = even + odd, even - odd
        if i not in found:
            found[i] = _sum(f, ring, [(a, x) for a, x in zip(row, values, strict=True) if a])
    return [found[i] for i in range(len(matrix))]


def _terms(*rows: Sequence[float]) -> int:
    """Of so many columns some row has a number."""
    return sum(any(column) for column in zip(*rows, strict=True))


def _sum(f: Function, ring: Ring, terms: Sequence[tuple[float, Value]]) -> Value:
    """A sum of numbers times vectors."""
    ordered = sorted(terms, key=lambda term: term[0] != 1)
    (a, total), *rest = ordered
    total = total if a == 1 else total * a
    for a, x in rest:
        if abs(a) == 1:
            total = total + x if a == 1 else total - x
        else:
            total = ring.multiply_add(f, x, f.const(a, x.type), total)
    return total
