"""One tile of the result: `rows` × `vectors` accumulators in registers, summed over the contracted axis.

Where the operands lie is known at run time, so that one function serves packed and unpacked ones.
Imports `ring`, `finish` and the builder; start reading at `accumulate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, I64, PTR, Module, Value
from functrans.backends.llvm.kernels.product.finish import ADD, PADDED, edges, has_masks
from functrans.backends.llvm.kernels.product.ring import Ring
from functrans.backends.llvm.once import compiled_once
from functrans.record import Record

__all__ = ["LINE", "Tile", "best_tile", "exact_pieces", "exact_tile", "microkernel"]


class Tile(Record):
    """How much of the result a micro-kernel makes."""

    rows: int
    vectors: int

    def columns(self, module: Module, ring: Ring) -> int:
        return self.vectors * ring.elements(module)


def best_tile(module: Module, ring: Ring) -> Tile:
    """Accumulators that registers hold, next to a row of the right operand and one element of the left.

    Two vectors to a row: then loads stay below two for each two multiply-adds. With 32 registers 16 are enough to keep
    the machine busy (8 rows 0.86 of OpenBLAS's time over 14 shapes, 12 rows 0.91), and rows whose distance is a power of
    two, which share a set of the first cache, find its eight places. With 16, integers need some for the product before
    it is added, those of 64 bits several.
    """
    accumulators = 16
    if module.target.vector_registers < 32:
        accumulators = 12
        if ring.part.kind == "i" and ring.part.bits == 64:
            accumulators = 6
        elif ring.part.kind == "i" or not module.target.has_fma:
            accumulators = 10
    return Tile(accumulators // (2 * ring.parts), 2)


LINE = 64
"""Bytes that memory is brought near in."""

# ---- the sum ----

AHEAD = 16
"""So many steps along the contracted axis before their turn operands are asked for where their elements lie far apart:
the products of a training step's last layer took 0.6 of the time, ten rows times a matrix in the third cache 0.9.
"""


class Left(Record):
    """The first element of each row, and the distance of the next one along the contracted axis, in elements."""

    rows: Sequence[Value]
    step: Value


class Piece(Record):
    """Parts of a row of the right operand and of the result that one register holds: the first `count` of its lanes."""

    start: int
    lanes: int
    count: int


class Right(Record):
    """The first row of the right operand, the distance to the next in elements, and the pieces of each."""

    pointer: Value
    step: Value
    pieces: Sequence[Piece]


class Lines(Record):
    """Memory that will be read later: where a line of it lies for each k, so many bytes apart."""

    pointer: Value
    step: Value


def whole_pieces(module: Module, ring: Ring, vectors: int) -> list[Piece]:
    lanes = ring.lanes(module)
    return [Piece(v * lanes, lanes, lanes) for v in range(vectors)]


def exact_pieces(module: Module, ring: Ring, columns: int) -> list[Piece]:
    """Pieces that cover so many columns and nothing else: the last under a mask, or in halves where there are none."""
    lanes = ring.lanes(module)
    start, rest = columns * ring.parts // lanes * lanes, columns * ring.parts % lanes
    pieces = whole_pieces(module, ring, start // lanes)
    if rest and has_masks(module, ring):
        fewest = max(16 // ring.part.bytes, 1 << (rest - 1).bit_length())  # half a vector takes half the time
        return [*pieces, Piece(start, min(fewest, lanes), rest)]
    while rest:
        size = 1 << (rest.bit_length() - 1)
        pieces.append(Piece(start, size, size))
        start, rest = start + size, rest - size
    return pieces


def accumulate(
    f: Function, ring: Ring, left: Left, right: Right, k: Value, wanted: Lines | None = None
) -> list[list[Value]]:
    """For each row of the left, piece by piece, the sums over k ≥ 1 terms."""
    kinds = [ring.part.vector(piece.lanes) for piece in right.pieces for _ in range(ring.parts)]
    zeros = [f.zero(kind) for kind in kinds]
    with f.loop(0, k, carry=zeros * len(left.rows), certain=True) as loop:
        offset = loop.index * left.step * ring.parts
        here = f.offset(right.pointer, loop.index * right.step * ring.parts, ring.part)
        vectors = [_piece(f, ring, here, piece) for piece in right.pieces]
        f.prefetch(f.offset(left.rows[-1], offset + left.step * (AHEAD * ring.parts), ring.part))
        if wanted is not None:
            f.prefetch(f.offset(wanted.pointer, loop.index * wanted.step, I8), locality=2)
        sums = iter(loop.carry)
        following: list[Value] = []
        for row in left.rows:
            at = f.offset(row, offset, ring.part)
            parts = [f.load(f.offset(at, p, ring.part), ring.part) for p in range(ring.parts)]
            following += [
                ring.multiply_add(f, f.splat(part, vector.type.lanes), vector, next(sums))
                for vector in vectors
                for part in parts
            ]
        loop.next = following
    results = iter(loop.results)
    return [[ring.combined(f, [next(results) for _ in range(ring.parts)]) for _ in right.pieces] for _ in left.rows]


def _piece(f: Function, ring: Ring, row: Value, piece: Piece) -> Value:
    kind = ring.part.vector(piece.lanes)
    pointer = f.offset(row, piece.start, ring.part)
    if piece.count == piece.lanes:
        return f.load(pointer, kind, ring.part.bytes)
    return f.masked_load(pointer, kind, f.first_lanes(piece.count, piece.lanes))


# ---- the way to memory ----


def store_sums(
    f: Function, ring: Ring, sums: list[list[Value]], pieces: Sequence[Piece], c: Value, c_step: Value
) -> None:
    """Rows of sums written to a place."""
    for at, piece, total in _places(f, ring, sums, pieces, c, c_step):
        _store_first(f, total, at, piece.count)


def _places(
    f: Function, ring: Ring, sums: list[list[Value]], pieces: Sequence[Piece], c: Value, c_step: Value
) -> Iterator[tuple[Value, Piece, Value]]:
    """Each piece of the sums and where it belongs."""
    for r, row in enumerate(sums):
        pointer = f.offset(c, c_step * (r * ring.parts), ring.part)
        for piece, total in zip(pieces, row, strict=True):
            yield f.offset(pointer, piece.start, ring.part), piece, total


def _store_first(f: Function, x: Value, pointer: Value, count: int) -> None:
    """The first lanes of a vector, in whole vectors of fewer lanes: stores under masks are slow on some machines."""
    if count == x.type.lanes:
        f.store(x, pointer, x.type.bytes)
        return
    start = 0
    while start < count:
        size = 1 << ((count - start).bit_length() - 1)
        part = f.extract(x, start) if size == 1 else f.shuffle(x, x, range(start, start + size))
        f.store(part, f.offset(pointer, start, x.type), x.type.bytes)
        start += size


# ---- tiles of a size that is known ----


def exact_tile(f: Function, ring: Ring, rows: int, columns: int, *, clamped: bool) -> Callable[..., Value]:
    """`(left, its row step, its k step, right, its step, k, height, c, its step)`, called from f: so many rows and columns.

    If `clamped`, only `height` rows are there: those past the last repeat it. One for a module; of a single vector, one for
    the process, as LLVM is to optimise it, which would slow down the code generation of all else in the module.
    """
    name = f"functrans_tile_{ring.name}_{rows}x{columns}{'_clamped' if clamped else ''}"
    is_single = len(exact_pieces(f.module, ring, columns)) == 1

    def build(module: Module) -> Function:
        f = Function(module, name, [
            ("left", PTR), ("row_step", I64), ("k_step", I64), ("right", PTR), ("right_step", I64), ("k", I64),
            ("height", I64), ("c", PTR), ("c_step", I64),
        ], exported=is_single)  # fmt: skip
        left, row_step, k_step, right, right_step, k, height, c, c_step = f.args
        numbers = [f.minimum(f.index(r), height - 1) if clamped else f.index(r) for r in range(rows)]
        first = [f.offset(left, row_step * number * ring.parts, ring.part) for number in numbers]
        pieces = exact_pieces(module, ring, columns)
        f.optimized = is_single  # LLVM folds the loads of the left into the multiply-adds: 0.7 of the time
        following = Lines(f.offset(right, right_step * (AHEAD * ring.parts), ring.part), right_step * ring.bytes)
        sums = accumulate(f, ring, Left(first, k_step), Right(right, right_step, pieces), k, following)
        store_sums(f, ring, sums, pieces, c, c_step)
        return f

    if not is_single:
        return partial(f.call, f.module.shared(name, lambda: build(f.module)))
    known = compiled_once(f.module, name, build)
    return lambda *args: f.call_symbol(known, None, *(f.like(arg, f.index(0)) for arg in args))


# ---- tiles of the size that is best, whatever is to be done with them ----


def microkernel(module: Module, ring: Ring) -> str:
    """All tiles in a column of them: a function of the process.

    `(left, its row step, its step from tile to tile, its k step, right, k, c, its row step, rows, columns, how, streams,
    later)`: see `finish` for `how`. The right operand is a panel of the tile's width. The last tile may have fewer rows: those
    past the last repeat it. `streams` is null, or tells what memory an epilogue will go through: how many streams, and for
    each its pointer and the bytes from row to row. So does `later` of the next panel's memory, and of a stream of nothing after
    that: each of the first tiles asks for one of them, a line for each k, and all others for the last.
    """
    name = f"functrans_tiles_{ring.name}"
    return compiled_once(module, name, partial(_microkernel, name=name, ring=ring))


def _microkernel(module: Module, name: str, ring: Ring) -> Function:
    tile = best_tile(module, ring)
    f = Function(module, name, [
        ("left", PTR), ("row_step", I64), ("tile_step", I64), ("k_step", I64), ("right", PTR), ("k", I64),
        ("c", PTR), ("c_step", I64), ("rows", I64), ("columns", I64),
        ("how", I64), ("streams", PTR), ("later", PTR),
    ], exported=True)  # fmt: skip
    left, row_step, tile_step, k_step, right, k, c, c_step, rows, columns, how, streams, later = f.args
    pieces = whole_pieces(module, ring, tile.vectors)
    with f.loop(0, rows, tile.rows) as loop:
        first = f.offset(left, loop.index * tile_step * ring.parts, ring.part)
        there = f.offset(c, loop.index * c_step * ring.parts, ring.part)
        height = f.minimum(rows - loop.index, f.index(tile.rows))
        numbers = [f.minimum(f.index(r), height - 1) for r in range(tile.rows)]
        lefts = [f.offset(first, number * row_step * ring.parts, ring.part) for number in numbers]
        _call_for(f, ring, there, c_step, streams, loop.index)
        panel = Right(right, f.index(tile.columns(module, ring)), pieces)
        number = f.minimum(f.integer("sdiv", loop.index, tile.rows), f.load(later, I64))
        stream = f.offset(later, number * 2 + 1, I64)
        wanted = Lines(f.load(stream, PTR), f.load(f.offset(stream, 1, I64), I64))
        sums = accumulate(f, ring, Left(lefts, k_step), panel, k, wanted)
        _put(f, ring, sums, there, c_step, height, columns, how)
    return f


def _call_for(f: Function, ring: Ring, c: Value, c_step: Value, streams: Value, index: Value) -> None:
    """Ask for the memory that a tile will be stored to, or that an epilogue will go through: it comes while it is summed."""
    tile = best_tile(f.module, ring)
    with f.when(f.icmp("ne", f.cast("ptrtoint", streams, I64), 0)) as branch:
        with f.loop(0, f.load(streams, I64)) as loop:
            stream = f.offset(streams, loop.index * 2 + 1, I64)
            step = f.load(f.offset(stream, 1, I64), I64)
            first = f.offset(f.load(stream, PTR), index * step, I8)
            for r in range(tile.rows):
                for start in range(0, tile.columns(f.module, ring) * ring.bytes, LINE):
                    f.prefetch(f.offset(f.offset(first, step * r, I8), start, I8), locality=2)
        branch.otherwise()
        for r in range(tile.rows):
            f.prefetch(f.offset(c, c_step * (r * ring.parts), ring.part), write=True)


def _put(
    f: Function, ring: Ring, sums: list[list[Value]], c: Value, c_step: Value, height: Value, columns: Value, how: Value
) -> None:
    """A tile to its place: at once if there is room for all of it, else some of it."""
    tile = best_tile(f.module, ring)
    width = tile.columns(f.module, ring)
    pieces = whole_pieces(f.module, ring, tile.vectors)
    whole = (f.icmp("eq", height, tile.rows) & f.icmp("sge", columns, width)) | f.icmp("ne", how & PADDED, 0)
    sums = _added(f, ring, whole & f.icmp("ne", how & ADD, 0), sums, pieces, c, c_step)
    space = f.stack(ring.part, tile.rows * width * ring.parts)
    to, step = f.select(whole, c, space), f.select(whole, c_step, f.index(width))
    store_sums(f, ring, sums, pieces, to, step)
    with f.when(whole) as branch:
        branch.otherwise()
        f.call(edges(f.module, ring), space, step, c, c_step, height, columns, how)


def _added(
    f: Function, ring: Ring, wanted: Value, sums: list[list[Value]], pieces: Sequence[Piece], c: Value, c_step: Value
) -> list[list[Value]]:
    """The sums with what the result holds, where that is wanted."""
    flat = [total for row in sums for total in row]

    def added() -> list[Value]:
        places = _places(f, ring, sums, pieces, c, c_step)
        return [ring.sum(f.load(at, total.type, ring.part.bytes), total) for at, _, total in places]

    flat = f.choose_all(wanted, added, lambda: flat)
    return [flat[i : i + len(pieces)] for i in range(0, len(flat), len(pieces))]
