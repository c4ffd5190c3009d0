"""How to do a product: which kernel, by its shape, and the blocks, by the caches.

Imports `layout`, `ring`, `target`; start reading at `plan_of`. The bounds were measured (see the comments).
"""

from __future__ import annotations

from math import prod
from typing import Literal

from functrans.backends.llvm.ir import Module
from functrans.backends.llvm.kernels.product.blocked import FINISHED
from functrans.backends.llvm.kernels.product.cut import WHOLE, Cut, Least, cut_of
from functrans.backends.llvm.kernels.product.layout import Copy, Layout, Operand
from functrans.backends.llvm.kernels.product.microkernel import Tile, best_tile
from functrans.backends.llvm.kernels.product.openblas import has_openblas
from functrans.backends.llvm.kernels.product.packing import TOGETHER, room
from functrans.backends.llvm.kernels.product.ring import Ring
from functrans.record import Record, replace

__all__ = ["Blocks", "Path", "Plan", "Regions", "plan_of"]

Path = Literal["zeros", "outer", "direct", "dot", "stream", "blocked", "library"]

STREAMED = 1 << 18
"""Bytes of a matrix that a row is multiplied with, from which on it is read row by row; 256 × 256 floats, just not:
read by columns 0.78 of OpenBLAS's time."""
FEW = 6
"""Fewer rows than these, or columns, of operands that both lie along the contracted axis do not pay for panels: four rows
by vectors along it 0.13 of OpenBLAS's time, which makes panels."""
NEAR = 1 << 18
"""Bytes of a right operand that is read where it lies, in the second cache."""
FAR = 1 << 22
"""Bytes of a right operand that few rows are multiplied with, from which on it is not read column by column: ten rows times
16 MB of floats so 1.14 of OpenBLAS's time, by panels 0.69."""
THIN = 0.5
"""How much of a vector of columns is filled, below which vectors along the contracted axis are better: at ten of sixteen
both are 71 to 81 GF/s, and to turn the operand is more code."""
SMALL = 1 << 21
"""Multiplications that the functions of a program itself do: 104³ so 108 GF/s, by panels 83; 256³ 110 by panels."""

ALIGNMENT = 4096
"""Of each part of the scratch memory: panels begin on a page, whatever lies before them."""


class Blocks(Record):
    """How much of each axis is done at once, and whether the left operand is copied to panels."""

    rows: int
    columns: int
    depth: int
    pack_left: bool


class Regions(Record):
    """Where what lies in the scratch memory begins, in bytes; where nothing lies, the end of what lies before."""

    left: int
    right: int
    result: int
    left_panels: int
    right_panels: int
    sums: int
    """Those that an epilogue waits for, of which each part of the product has its own."""
    made: int
    """What a prologue makes that is to be transposed for a panel."""
    part: int
    """The bytes of panels, sums and what is made of a part."""
    end: int


class Plan(Record):
    layout: Layout
    ring: Ring
    path: Path
    cut: Cut
    blocks: Blocks
    regions: Regions
    sums_row: int
    """From row to row of the sums that an epilogue waits for."""

    def widths(self, module: Module) -> tuple[int, ...]:
        """The numbers of columns of the result that there may be at a time."""
        parts = [self.layout.n]
        if self.cut.axis == "columns" and self.cut.count > 1:
            parts = [self.cut.each, self.layout.n % self.cut.each]
        width = best_tile(module, self.ring).columns(module, self.ring)
        sizes = (size for n in parts for size in ((width if n >= width else 0), n % width))
        return tuple(dict.fromkeys(n for n in sizes if n))

    @property
    def depths(self) -> tuple[int, ...]:
        """The numbers of terms that there may be at a time."""
        return tuple(dict.fromkeys(n for n in (self.blocks.depth, self.layout.k % self.blocks.depth) if n))


def plan_of(
    module: Module, ring: Ring, layout: Layout, *, prepared: bool, finished: bool, library: bool, alone: bool = False
) -> Plan:
    """The plan of a product in parts; `alone`: of all at once, for one thread, where all else is the same.

    `prepared`, `finished`: with a prologue, an epilogue, as large ones may be. `library`: by OpenBLAS where that can be."""
    if _is_thin(module, ring, layout):
        layout = _turned(layout)
    path = _path(module, ring, layout)
    if library and path not in ("zeros", "outer") and layout.m > 1 and has_openblas(ring.wide):
        path = "library"
    tile = best_tile(module, ring)
    whole = path in ("zeros", "library") or alone
    cut = WHOLE if whole else cut_of(module, ring.wide, layout, _least(module, ring, tile, layout, path))
    blocks = _blocks(module, ring, tile, cut.part(layout, cut.each))
    part = cut.part(layout, cut.each)
    rows, columns = _sums(module, ring, tile, part, blocks) if finished else (0, 0)
    made = tile.columns(module, ring) * blocks.depth if prepared and layout.right.free != 1 else 0
    regions = _regions(module, ring, tile, layout, path, blocks, cut, rows * columns * ring.bytes, made * ring.bytes)
    return Plan(layout, ring, path, cut, blocks, regions, columns)


def _sums(module: Module, ring: Ring, tile: Tile, part: Layout, blocks: Blocks) -> tuple[int, int]:
    """Rows and columns of the sums that an epilogue waits for: those of some tiles, or if there are several blocks along k,
    all that these add to.
    """
    width = tile.columns(module, ring)
    if part.k <= blocks.depth:
        return FINISHED * tile.rows, width
    return _up(part.m, tile.rows), _up(min(blocks.columns, part.n), width)


_RUN = 16384
"""Bytes of a streamed row that a part has at least: in parts of 1 KB one thread took twice its time, of 8 KB 1.25."""


def _least(module: Module, ring: Ring, tile: Tile, layout: Layout, path: Path) -> Least:
    """What a part has at least: of a large product what is worth panels, which each part makes for itself.

    Of the right operand if it is cut by rows, of the left one, if that wants panels, if by columns. 1024³ of floats in eight
    parts took 1.00 of its time as a whole by columns; of a left operand with panels 1.29 by columns and 1.09 by rows, by four
    parts of 256 rows, which fill the second cache, 1.24.
    """
    width = tile.columns(module, ring)
    if path == "blocked":
        return Least(_up(128, tile.rows), tile.rows, _up(128, width), width, _wants_panels(layout))
    if path == "stream":
        return Least(1, 1, _RUN // ring.bytes, _RUN // ring.bytes)
    return Least(tile.rows, tile.rows, width, width)


def _wants_panels(layout: Layout) -> bool:
    """Whether the left operand's elements along k lie apart."""
    return layout.left.contracted != 1 and layout.k > 1


def _path(module: Module, ring: Ring, layout: Layout) -> Path:
    m, n, k, left, right = layout.m, layout.n, layout.k, layout.left, layout.right
    if layout.multiplications == 0:
        return "zeros"
    if not layout.contracts:
        return "outer"
    by_rows, size = right.free == 1 or n == 1, n * k * ring.bytes
    if m == 1 and by_rows and size > STREAMED:
        return "stream"
    along = ring.parts == 1 and left.contracted == 1 and right.contracted == 1
    deep = k >= 32 * ring.lanes(module) and m <= 64 and m * k * ring.bytes <= NEAR
    if along and (m < FEW or n < 2 * ring.lanes(module) or deep):
        return "dot"
    narrow = n <= ring.elements(module)
    some = (
        m < module.target.vector_registers
    )  # rows for which panels of a whole matrix do not pay: 16 rows 1.5 times the time
    if by_rows and ((some and size < FAR) or (size <= NEAR and (narrow or m * n * k <= SMALL))):
        return "direct"
    return "blocked"


def _is_thin(module: Module, ring: Ring, layout: Layout) -> bool:
    """Whether there are so few columns that much of a vector of them would be empty: better to turn the right operand."""
    lanes = ring.lanes(module)
    loops = any(loop.strides[1] for loop in layout.loops)
    right = layout.right.free == 1 and layout.left.contracted == 1 and not loops and ring.parts == 1
    filled = layout.n / _up(max(layout.n, 1), lanes)
    return right and 1 < layout.n < 2 * lanes and filled < THIN and layout.m > FEW and layout.k > 4 * lanes


def _turned(layout: Layout) -> Layout:
    """With a copy of the right operand that lies along the contracted axis."""
    right = layout.right
    copy = Copy((layout.n, layout.k), (right.free, right.contracted))
    return replace(layout, right=Operand(right.size, layout.k, 1, copy))


def _up(size: int, of: int) -> int:
    return -(-size // of) * of


def _blocks(module: Module, ring: Ring, tile: Tile, layout: Layout) -> Blocks:
    """Rows of an eighth of the first cache: the depth, in parts as equal as can be. If so much of the left operand fits
    into the second cache, it is taken whole, and the panels of the right one are made one by one: while one is in use,
    memory for the next is asked for. Else three quarters of the second cache of the left operand, and columns to fill it
    once; or four times, from the third, if the left operand is packed again for each block of them.

    Measured (AVX-512, 1 MB second cache, float32; OpenBLAS's time is 1): depth 512 in place of 1024 0.877 for 0.866, rows
    96 for 192 0.866, columns 256, 512 and 1024 0.863, 0.865, 0.866; panels of a left operand that lies along k 0.889. In
    the products of a training step, whose operands come from the third cache: columns 256 0.91, 128 0.90, single panels
    with the next one asked for 0.83.
    """
    first, second = module.target.caches
    width = tile.columns(module, ring)
    pack_left = _wants_panels(layout)
    k, most = max(layout.k, 1), max(first // 8 // ring.bytes, 64)
    depth = -(-k // -(-k // most))
    column = depth * ring.bytes
    is_packed_again = pack_left and depth < k  # for each block of columns: 256 × 2048 × 2048 took 1.4 times as long
    if layout.m * column <= second and not is_packed_again:
        return Blocks(layout.m, width, depth, pack_left)
    rows = _down(second * 3 // 4 // column, tile.rows)
    columns = _down((4 if pack_left else 1) * second // column, width * TOGETHER)
    return Blocks(min(layout.m, rows), min(_up(layout.n, width), columns), depth, pack_left)


def _down(size: int, of: int) -> int:
    return max(size // of, 1) * of


def _regions(
    module: Module, ring: Ring, tile: Tile, layout: Layout, path: Path, blocks: Blocks, cut: Cut, sums: int, made: int
) -> Regions:
    deep = room(module, ring, blocks.depth) * ring.bytes
    left, right = _copied(ring, layout.left), _copied(ring, layout.right)
    left_panels = _up(blocks.rows, tile.rows) * deep if path == "blocked" and blocks.pack_left else 0
    right_panels = _up(blocks.columns, tile.columns(module, ring)) * deep if path == "blocked" else 0
    starts = [0]
    for size in (left, right, _result(ring, layout, path)):
        starts.append(_up(starts[-1] + size, ALIGNMENT))
    *before, first = starts
    second = _up(first + left_panels, ALIGNMENT)
    third = _up(second + right_panels, ALIGNMENT)
    fourth = _up(third + sums, ALIGNMENT)
    part = _up(fourth + made, ALIGNMENT) - first
    return Regions(before[0], before[1], before[2], first, second, third, fourth, part, first + cut.count * part)


def _result(ring: Ring, layout: Layout, path: Path) -> int:
    """Bytes of all sums where they are wider than the result; and room to read a whole vector."""
    return prod(layout.frame) * ring.bytes + ALIGNMENT if ring.narrow and path != "zeros" else 0


def _copied(ring: Ring, operand: Operand) -> int:
    """Bytes of the copy of an operand, or of it in a wider type."""
    return operand.size * ring.bytes if operand.copy is not None or ring.narrow else 0
