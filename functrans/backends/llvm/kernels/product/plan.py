"""How to do a product: which kernel, by its shape, and the blocks, by the caches.

Imports `layout`, `ring`, `target`; start reading at `plan_of`. The bounds were measured (see the comments).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from functrans.backends.llvm.ir import Module
from functrans.backends.llvm.kernels.product.layout import Layout, Operand
from functrans.backends.llvm.kernels.product.microkernel import Tile, best_tile
from functrans.backends.llvm.kernels.product.ring import Ring

__all__ = ["Blocks", "Path", "Plan", "Regions", "plan_of"]

Path = Literal["zeros", "outer", "direct", "dot", "stream", "blocked"]

STREAMED = 1 << 18
"""Bytes of a matrix that a row is multiplied with, from which on it is read row by row."""
FEW = 6
"""Fewer rows than these, or columns, do not pay for panels."""
NEAR = 1 << 17
"""Bytes of a right operand that is read where it lies."""
SMALL = 1 << 20
"""Multiplications that the functions of a program itself do."""

ALIGNMENT = 4096
"""Of each part of the scratch memory: panels begin on a page, whatever lies before them."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """How much of each axis is done at once, and which operand is copied to panels for it."""

    rows: int
    columns: int
    depth: int
    pack_left: bool
    pack_right: bool


@dataclass(frozen=True, slots=True)
class Regions:
    """Where what lies in the scratch memory begins, in bytes; where nothing lies, the end of what lies before."""

    left: int
    right: int
    result: int
    left_panels: int
    right_panels: int
    end: int


@dataclass(frozen=True, slots=True)
class Plan:
    layout: Layout
    ring: Ring
    path: Path
    blocks: Blocks
    regions: Regions


def plan_of(module: Module, ring: Ring, layout: Layout, *, scaled: bool) -> Plan:
    """`scaled`: the result is read before it is written, which only the kernel for large products does."""
    path = _path(ring, layout, scaled)
    tile = best_tile(module, ring)
    blocks = _blocks(module, ring, tile, layout)
    return Plan(layout, ring, path, blocks, _regions(module, ring, tile, layout, path, blocks))


def _path(ring: Ring, layout: Layout, scaled: bool) -> Path:
    m, n, k, left, right = layout.m, layout.n, layout.k, layout.left, layout.right
    if layout.multiplications == 0:
        return "zeros"
    if scaled and not ring.narrow:
        return "blocked"
    by_rows = right.free == 1 or n == 1
    if not layout.contracts:
        return "outer"
    if m == 1 and by_rows and n * k * ring.bytes > STREAMED:
        return "stream"
    along = ring.parts == 1 and left.contracted == 1 and right.contracted == 1
    if along and (m < FEW or n < FEW):
        return "dot"
    if by_rows and (m < FEW or (n * k * ring.bytes <= NEAR and m * n * k <= SMALL)):
        return "direct"
    return "blocked"


def _up(size: int, of: int) -> int:
    return -(-size // of) * of


def _blocks(module: Module, ring: Ring, tile: Tile, layout: Layout) -> Blocks:
    width = tile.columns(module, ring)
    pack_left = layout.left.contracted != 1 and layout.k > 1
    depth = min(layout.k, 256 if pack_left else 4096 // ring.bytes)
    rows = min(layout.m, tile.rows * 24)
    columns = min(_up(layout.n, width), 512 if not pack_left else 2048)
    return Blocks(rows, columns, depth, pack_left, True)


def _regions(module: Module, ring: Ring, tile: Tile, layout: Layout, path: Path, blocks: Blocks) -> Regions:
    sizes = [
        _copied(ring, layout.left),
        _copied(ring, layout.right),
        _result(ring, layout, path),
        _up(blocks.rows, tile.rows) * blocks.depth * ring.bytes if path == "blocked" and blocks.pack_left else 0,
        _up(blocks.columns, tile.columns(module, ring)) * blocks.depth * ring.bytes if path == "blocked" else 0,
    ]
    starts = [0]
    for size in sizes:
        starts.append(_up(starts[-1] + size, ALIGNMENT))
    return Regions(*starts)


def _result(ring: Ring, layout: Layout, path: Path) -> int:
    """Bytes of the sums that wait to be finished: all of them, or one row of zeros; and room to read a whole vector."""
    rows, columns = layout.frame
    if path == "zeros":
        return columns * ring.bytes + ALIGNMENT
    return rows * columns * ring.bytes + ALIGNMENT if ring.narrow else 0


def _copied(ring: Ring, operand: Operand) -> int:
    """Bytes of the copy of an operand, or of it in a wider type."""
    return operand.size * ring.bytes if operand.copy is not None or ring.narrow else 0
