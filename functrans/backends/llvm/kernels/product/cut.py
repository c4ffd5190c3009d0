"""Into which parts a product is cut, that threads may compute at the same time: by a loop, by columns or by rows.

Never along the contracted axis, so that each element is summed in one order. The parts follow from shapes and the machine's
vectors alone: results do not depend on the number of threads. Imports `layout`, `ring`; start reading at `cut_of`.
"""

from __future__ import annotations

from math import prod
from typing import Literal

from functrans.backends.llvm.ir import Module
from functrans.backends.llvm.kernels.product.layout import Layout
from functrans.backends.llvm.kernels.product.ring import Ring
from functrans.compiler.cost import product_nanoseconds, worthwhile_parts
from functrans.record import Record, replace

__all__ = ["WHOLE", "Cut", "Least", "cut_of"]

_MOST = 16
"""Each part has panels of its own."""
_ENOUGH = 8
"""Parts with which some threads are about equally busy."""


class Least(Record):
    """Rows and columns that a part has at least, and of which it has a multiple."""

    rows: int
    row_unit: int
    columns: int
    column_unit: int
    rows_first: bool = False
    """Whether rows are the better way, if either is enough."""


class Cut(Record):
    """Parts of `each` turns of an axis; the last one has what is left."""

    count: int
    axis: Literal["rows", "columns"] | int = 0
    """A number: of a loop."""
    each: int = 0

    def part(self, layout: Layout, size: int) -> Layout:
        """A part of so many rows or columns; that of a loop is as the whole."""
        if isinstance(self.axis, int):
            return layout
        return replace(layout, m=size) if self.axis == "rows" else replace(layout, n=size)


WHOLE = Cut(1)


def cut_of(module: Module, ring: Ring, layout: Layout, least: Least) -> Cut:
    """The first way that gives enough parts, or that which gives most."""
    wanted = min(_MOST, worthwhile_parts(_nanoseconds(module, ring, layout)))
    if wanted < 2:
        return WHOLE
    loops = [_evenly(number, loop.size, wanted, 1) for number, loop in enumerate(layout.loops) if loop.strides[2]]
    columns = _evenly("columns", layout.n, min(wanted, layout.n // least.columns), least.column_unit)
    rows = _evenly("rows", layout.m, min(wanted, layout.m // least.rows), least.row_unit)
    ways = [*loops, *([rows, columns] if least.rows_first else [columns, rows])]
    return max(ways, key=lambda cut: min(cut.count, _ENOUGH))


def _evenly(axis: Literal["rows", "columns"] | int, size: int, count: int, unit: int) -> Cut:
    if count < 2:
        return WHOLE
    each = -(-size // (min(count, size) * unit)) * unit
    return Cut(-(-size // each), axis, each)


def _nanoseconds(module: Module, ring: Ring, layout: Layout) -> float:
    """About what a product takes."""
    moved = (layout.left.size + layout.right.size + prod(layout.frame)) * ring.stored_bytes
    return product_nanoseconds(layout.multiplications * ring.parts**2, module.lanes(ring.part), moved)
