"""Small and thin products: operands read where they lie, in tiles that cover the result exactly.

The tiles are functions of the module that calls them; what is written here is the loops around them, with all sizes
known. Imports the micro-kernel and `packing`; start reading at `direct`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import Module, Value
from functrans.backends.llvm.kernels.product.microkernel import best_tile, exact_pieces, exact_tile
from functrans.backends.llvm.kernels.product.ring import Ring
from functrans.record import Record

__all__ = ["Compute", "Matrices", "Store", "at_edges", "direct", "even"]


class Matrices(Record):
    """One product of matrices: sizes, and strides in elements."""

    m: int
    n: int
    k: int
    left: Value
    left_row: int
    left_k: int
    right: Value
    right_k: int
    right_column: int


Compute = Callable[[Value, Value], object]
"""`(c, its step)`: writes a tile to a place."""
Store = Callable[[Value, Value, Value | int, Value | int, Compute], None]
"""`(row, column, rows, columns, compute)`: has a tile computed where it belongs, and does to it what there is to do."""


def even(size: int, most: int) -> int:
    """The length of parts of a size, none longer than `most`, of which the last is as little shorter as can be."""
    return -(-size // -(-size // most))


def direct(f: Function, ring: Ring, x: Matrices, store: Store) -> None:
    """The product, k ≥ 1, of a right operand whose rows lie together."""
    for start, stop, columns in _column_parts(f.module, ring, x):
        pieces = len(exact_pieces(f.module, ring, columns))
        rows = _rows(f.module, x.m, max(_accumulators(f.module, ring) // pieces, 1))
        tile = exact_tile(f, ring, rows, columns, clamped=x.m % rows != 0)
        with f.loop(start, stop, columns) as across, f.loop(0, x.m, rows) as down:
            height = f.minimum(x.m - down.index, f.index(rows)) if x.m % rows else f.index(rows)
            right = f.offset(x.right, across.index * ring.parts, ring.part)
            left = f.offset(x.left, down.index * (x.left_row * ring.parts), ring.part)
            whole = partial(tile, left, x.left_row, x.left_k, right, x.right_k, x.k, height)
            compute = at_edges(f, ring, (rows, columns), (height, f.index(columns)), whole)
            store(down.index, across.index, height, columns, compute)


def at_edges(f: Function, ring: Ring, tile: tuple[int, int], there: tuple[Value, Value], compute: Compute) -> Compute:
    """What writes a whole tile, made to write only the rows and columns that are there: the others go elsewhere."""
    rows, columns = there
    if (rows.known, columns.known) == tile:
        return compute

    def computed(c: Value, step: Value) -> None:
        whole = f.icmp("eq", rows, tile[0]) & f.icmp("eq", columns, tile[1])
        space = f.stack(ring.part, tile[0] * tile[1] * ring.parts)
        compute(f.select(whole, c, space), f.select(whole, step, f.index(tile[1])))
        with f.when(whole) as branch:
            branch.otherwise()
            with f.loop(0, rows) as loop:
                to = f.offset(c, loop.index * step * ring.parts, ring.part)
                of = f.offset(space, loop.index * (tile[1] * ring.parts), ring.part)
                f.copy(to, of, columns * ring.bytes)

    return computed


def _rows(module: Module, m: int, usual: int) -> int:
    """Of a tile: about as many as usual, so that as few as can be are computed in vain."""
    most = usual * 3 // 2 if module.target.vector_registers >= 32 else usual
    if m <= most:
        return m
    return min(range(max(usual * 3 // 4, 1), most + 1), key=lambda rows: (-(-m // rows) * rows, abs(rows - usual)))


def _accumulators(module: Module, ring: Ring) -> int:
    """Vectors of results that registers hold."""
    tile = best_tile(module, ring)
    return tile.rows * tile.vectors


def _column_parts(module: Module, ring: Ring, x: Matrices) -> Iterator[tuple[int, int, int]]:
    """Columns in tiles of two vectors, or of more where there are few rows, and what is left of them."""
    vectors = max(2, _accumulators(module, ring) // min(x.m, _accumulators(module, ring)))
    width = vectors * ring.elements(module)
    whole = x.n // width * width
    if whole:
        yield 0, whole, width
    if whole < x.n:
        yield whole, x.n, x.n - whole
