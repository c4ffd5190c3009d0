"""The kernel of convolutions: tiles of some places × one or two vectors of output features, in registers.

What is multiplied with the windows is read one by one from the padded images, where tables say. Compiled once for a process,
dtype and width. Imports `ring`, `packing` and the builder; start reading at `call_tiles`.
"""

from __future__ import annotations

from collections.abc import Sequence

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, I64, PTR, Module, Value
from functrans.backends.llvm.kernels.product.packing import turned
from functrans.backends.llvm.kernels.product.ring import Ring
from functrans.backends.llvm.once import compiled_once

__all__ = ["BESIDE", "CHAIN", "SCATTERED", "TURNED", "call_tiles", "rows_of", "vectors_of"]

_WASTED = 1.25
"""So many times the features of narrow tiles that are computed are too many for wide ones."""

SCATTERED, TURNED, BESIDE = range(3)
"""How a result lies: anyhow; the places of an image side by side; the features of a place side by side."""

CHAIN = 256
"""So many products are added up before their sum is added to those before: so errors stay small, and as many rows of a panel
stay in the first cache."""

_BLOCK = 256
"""Rows for which sums are kept between chains, in the second cache."""

_PARAMS = (
    ("planes", PTR), ("rows", PTR), ("outs", PTR), ("terms", PTR), ("count", I64), ("panel", PTR), ("out", PTR),
    ("feature_step", I64), ("height", I64), ("width", I64), ("how", I64),
)  # fmt: skip


def vectors_of(features: int, elements: int) -> int:
    """Vectors of features of a tile, of so many elements: one where of two there would be much in vain."""
    narrow, wide = (-(-features // width) * width for width in (elements, 2 * elements))
    return 1 if wide >= _WASTED * narrow else 2


def rows_of(module: Module, vectors: int) -> int:
    """Places of a tile: sixteen accumulators where there are 32 registers, else eight."""
    return (16 if module.target.vector_registers >= 32 else 8) // vectors


def call_tiles(f: Function, ring: Ring, vectors: int, by_lane: bool, *args: Value) -> None:
    """`(planes, rows, outs, terms, count, panel, out, feature step, height, width, how)`: all rows of a panel.

    rows, terms: where the elements of each row and each term lie, in bytes, which add up. outs: where the rows of the result
    begin, `feature step` bytes apart. width: the features that there are of the panel's. `by_lane`: each feature is multiplied
    with elements of its own, which lie side by side.
    """
    name = f"functrans_convolution_{ring.name}_{vectors}{'_by_lane' * by_lane}"

    def write(module: Module) -> None:
        _Tiles(module, name, ring, vectors, by_lane).write()

    f.call_symbol(compiled_once(f.module, name, write), None, *args)


class _Tiles:
    def __init__(self, module: Module, name: str, ring: Ring, vectors: int, by_lane: bool) -> None:
        self.f = Function(module, name, _PARAMS, exported=True)
        self.ring, self.by_lane = ring, by_lane
        self.vectors, self.rows = vectors, rows_of(module, vectors)
        self.lanes = ring.lanes(module)
        self.width = vectors * self.lanes
        """Parts of a row of the panel and of the tile."""
        self.given = {name: arg for (name, _), arg in zip(_PARAMS, self.f.args, strict=True)}

    def write(self) -> None:
        f, given = self.f, self.given
        space = f.stack(self.ring.part, _BLOCK * self.width)
        with f.loop(0, given["height"], _BLOCK) as block:
            height = f.minimum(given["height"] - block.index, f.index(_BLOCK))
            rows, outs = (f.offset(given[name], block.index, I64) for name in ("rows", "outs"))
            with f.loop(0, given["count"], CHAIN) as chain, f.loop(0, height, self.rows) as tile:
                self._add_chain(chain.index, rows, tile.index, height, self._at(space, tile.index))
            with f.loop(0, height, self.rows) as tile:
                count = f.minimum(height - tile.index, f.index(self.rows))
                self._store(self._at(space, tile.index), f.offset(outs, tile.index, I64), count)
        f.ret()

    def _at(self, space: Value, row: Value) -> Value:
        return self.f.offset(space, row * self.width, self.ring.part)

    # ---- sums ----

    def _add_chain(self, start: Value, rows: Value, tile: Value, height: Value, space: Value) -> None:
        """Add some terms to a tile's sums, or begin with them; rows past the last repeat it."""
        f, given, ring = self.f, self.given, self.ring
        lefts = []
        for r in range(self.rows):
            row = f.minimum(tile + r, height - 1)
            lefts.append(f.offset(given["planes"], f.load(f.offset(rows, row, I64), I64), I8))
        terms = f.offset(given["terms"], start, I64)
        panel = f.offset(given["panel"], start * self.width, ring.part)
        totals = self._chain(lefts, terms, panel, f.minimum(given["count"] - start, f.index(CHAIN)))
        places = [f.offset(space, i * self.lanes, ring.part) for i in range(len(totals))]

        def added() -> list[Value]:
            return [ring.sum(f.load(at, total.type), total) for at, total in zip(places, totals, strict=True)]

        sums = f.choose_all(f.icmp("eq", start, 0), lambda: totals, added)
        for at, total in zip(places, sums, strict=True):
            f.store(total, at, total.type.bytes)

    def _chain(self, lefts: Sequence[Value], terms: Value, panel: Value, depth: Value) -> list[Value]:
        f, ring = self.f, self.ring
        kind = ring.part.vector(self.lanes)
        zeros = [f.zero(kind)] * (self.rows * self.vectors * ring.parts)
        with f.loop(0, depth, carry=zeros, certain=True) as loop:
            term = f.load(f.offset(terms, loop.index, I64), I64)
            here = f.offset(panel, loop.index * self.width, ring.part)
            vectors = [
                f.load(f.offset(here, v * self.lanes, ring.part), kind, ring.part.bytes) for v in range(self.vectors)
            ]
            sums, following = iter(loop.carry), []
            for left in lefts:
                at = f.offset(left, term, I8)
                if self.by_lane:
                    own = [
                        f.load(f.offset(at, v * self.lanes, ring.part), kind, ring.part.bytes)
                        for v in range(self.vectors)
                    ]
                    following += [
                        ring.multiply_add(f, x, vector, next(sums)) for x, vector in zip(own, vectors, strict=True)
                    ]
                    continue
                parts = [f.splat(f.load(f.offset(at, p, ring.part), ring.part), self.lanes) for p in range(ring.parts)]
                following += [ring.multiply_add(f, part, vector, next(sums)) for vector in vectors for part in parts]
            loop.next = following
        totals = iter(loop.results)
        return [ring.combined(f, [next(totals) for _ in range(ring.parts)]) for _ in range(self.rows * self.vectors)]

    # ---- the way to memory ----

    def _store(self, space: Value, outs: Value, height: Value) -> None:
        f, ring, how = self.f, self.ring, self.given["how"]
        first, last = (f.load(f.offset(outs, i, I64), I64) for i in (f.index(0), height - 1))
        whole = f.icmp("eq", height, self.rows)
        in_line = whole & f.icmp("eq", last - first, (self.rows - 1) * ring.bytes)
        if ring.parts > 1 or ring.narrow or ring.bytes not in (4, 8):
            self._scatter(space, outs, height)
            return
        with f.when(in_line & f.icmp("eq", how, TURNED)) as branch:
            self._turn(space, f.offset(self.given["out"], first, I8))
            branch.otherwise()
            with f.when(f.icmp("eq", how, BESIDE)) as other:
                self._copy_rows(space, outs, height)
                other.otherwise()
                self._scatter(space, outs, height)

    def _turn(self, space: Value, out: Value) -> None:
        """A tile whose rows lie side by side: feature by feature."""
        f, part, group = self.f, self.ring.part, 16 // self.ring.bytes
        columns = f.stack(part, self.rows * self.width)
        kind = part.vector(self.lanes)
        for v in range(self.vectors):
            for start in range(0, self.rows, group):
                rows = [
                    f.load(f.offset(space, r * self.width + v * self.lanes, part), kind)
                    for r in range(start, start + group)
                ]
                for i, vector in enumerate(turned(f, rows, 1)):
                    for lane in range(0, self.lanes, group):
                        some = f.shuffle(vector, vector, range(lane, lane + group))
                        f.store(
                            some, f.offset(columns, (v * self.lanes + lane + i) * self.rows + start, part), part.bytes
                        )
        line = part.vector(self.rows)
        with f.loop(0, self.given["width"]) as loop:
            column = f.load(f.offset(columns, loop.index * self.rows, part), line, part.bytes)
            f.store(column, f.offset(out, loop.index * self.given["feature_step"], I8), part.bytes)

    def _copy_rows(self, space: Value, outs: Value, height: Value) -> None:
        f, part = self.f, self.ring.part
        with f.loop(0, height) as loop:
            to = f.offset(self.given["out"], f.load(f.offset(outs, loop.index, I64), I64), I8)
            f.copy(to, f.offset(space, loop.index * self.width, part), self.given["width"] * part.bytes)

    def _scatter(self, space: Value, outs: Value, height: Value) -> None:
        """Element by element."""
        f, ring = self.f, self.ring
        with f.loop(0, height) as row:
            to = f.offset(self.given["out"], f.load(f.offset(outs, row.index, I64), I64), I8)
            of = f.offset(space, row.index * self.width, ring.part)
            with f.loop(0, self.given["width"]) as column:
                there = f.offset(to, column.index * self.given["feature_step"], I8)
                for p in range(ring.parts):
                    x = f.load(f.offset(of, column.index * ring.parts + p, ring.part), ring.part)
                    f.store(
                        ring.narrowed(f, x) if ring.narrow else x, f.offset(there, p, ring.stored), ring.stored.bytes
                    )
