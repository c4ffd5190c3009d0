"""Small and thin products: operands read where they lie, in tiles that cover the result exactly.

The tiles are functions of the module that calls them; what is written here is the loops around them, with all sizes
known. Imports the micro-kernel and `packing`; start reading at `direct`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import Module, Value
from functrans.backends.llvm.kernels.product.microkernel import best_tile, exact_pieces, exact_tile
from functrans.backends.llvm.kernels.product.ring import Ring

__all__ = ["Compute", "Matrices", "Store", "direct", "split"]


@dataclass(frozen=True, slots=True)
class Matrices:
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
Store = Callable[[Value, Value, int, int, Compute], None]
"""`(row, column, rows, columns, compute)`: has a tile computed where it belongs, and does to it what there is to do."""


def split(size: int, most: int) -> Iterator[tuple[int, int, int]]:
    """A size in parts as equal as can be, none larger than `most`: (start, stop, length of each part between)."""
    count = -(-size // most)
    length, longer = divmod(size, count)
    middle = longer * (length + 1)
    if longer:
        yield 0, middle, length + 1
    yield middle, size, length


def direct(f: Function, ring: Ring, x: Matrices, store: Store) -> None:
    """The product, k ≥ 1, of a right operand whose rows lie together."""
    for start, stop, columns in _column_parts(f.module, ring, x):
        pieces = len(exact_pieces(f.module, ring, columns))
        most = max(_accumulators(f.module, ring) // pieces, 1)
        with f.loop(start, stop, columns) as across:
            right = f.offset(x.right, across.index * ring.parts, ring.part)
            for first, last, rows in split(x.m, most):
                tile = exact_tile(f.module, ring, rows, columns)
                with f.loop(first, last, rows) as down:
                    left = f.offset(x.left, down.index * (x.left_row * ring.parts), ring.part)
                    compute = partial(f.call, tile, left, x.left_row, x.left_k, right, x.right_k, x.k)
                    store(down.index, across.index, rows, columns, compute)


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
