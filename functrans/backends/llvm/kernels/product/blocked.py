"""Large products: blocks that fit the caches, panels of them packed, the micro-kernel over the tiles of each block.

One function per dtype, whose sizes and strides are known at run time, so that it is compiled once for all programs.
Imports the micro-kernel, `finish` and `packing`; start reading at `_Product.run`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I64, PTR, Module, Value
from functrans.backends.llvm.kernels.product.finish import ADD, ALPHA, BETA, LAST, STATE_WORDS, finisher
from functrans.backends.llvm.kernels.product.microkernel import Tile, best_tile, microkernel
from functrans.backends.llvm.kernels.product.packing import TOGETHER, packer, panels_packer
from functrans.backends.llvm.kernels.product.ring import Ring

__all__ = ["ARGUMENTS", "POINTERS", "blocked"]

ARGUMENTS = (
    "left", "right", "c", "state", "left_space", "right_space", "m", "n", "k", "left_row", "left_k", "right_k",
    "right_column", "c_row", "mc", "nc", "kc", "pack_left", "pack_right", "todo", "row", "column",
)  # fmt: skip
"""What `blocked` is given, in words of 8 bytes. Strides are in elements; `todo` are the bits BETA, ALPHA and LAST that
hold for the product; (row, column) is where its result begins, for the epilogue. `state` is as `finish` has it; without
it the tiles are stored as they are."""

POINTERS = frozenset(("left", "right", "c", "state", "left_space", "right_space"))


def blocked(module: Module, ring: Ring, name: str) -> Function:
    """`(arguments)`: the product that a block of ARGUMENTS says, k ≥ 1."""
    f = Function(module, name, [("arguments", PTR)], exported=True)
    tile = best_tile(module, ring)
    _Product(f, ring, tile).run()
    return f


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows of the left operand: the first one's number and place, how many, how deep, and what to do with the tiles."""

    left: Value
    row: Value
    height: Value
    deep: Value
    how: Value


class _Product:
    def __init__(self, f: Function, ring: Ring, tile: Tile) -> None:
        self.f = f
        self.ring = ring
        self.tile = tile
        self.given = {
            name: f.load(f.offset(f.args[0], i, I64), PTR if name in POINTERS else I64)
            for i, name in enumerate(ARGUMENTS)
        }
        self.given["state"] = self._state()
        self.width = tile.columns(f.module, ring)
        self.tiles = [microkernel(f.module, ring, Tile(rows, tile.vectors)) for rows in (tile.rows, tile.rows - 1)]
        self.packers = [packer(f.module, ring, rows) for rows in (tile.rows, tile.rows - 1)]
        self.pack_together = panels_packer(f.module, ring, self.width)
        self.pack_right = packer(f.module, ring, self.width)

    def _at(self, pointer: Value, elements: Value) -> Value:
        return self.f.offset(pointer, elements * self.ring.parts, self.ring.part)

    def _state(self) -> Value:
        """The caller's, or one that has nothing but a finisher for the tiles at the edges."""
        f, given = self.f, self.given["state"]
        own = f.stack(I64, STATE_WORDS)
        edges = finisher(f.module, f"edges_{self.ring.name}", self.ring, scaled=False)
        f.store(f.address(edges.name), own)
        return f.select(f.icmp("eq", given, f.null()), own, given)

    def run(self) -> None:
        f, given = self.f, self.given
        m, n, k, mc, nc, kc = (given[name] for name in ["m", "n", "k", "mc", "nc", "kc"])
        with f.loop(0, n, nc) as columns, f.loop(0, k, kc) as depth:
            width, deep = f.minimum(n - columns.index, nc), f.minimum(k - depth.index, kc)
            how = self._how(depth.index, deep)
            step = self._pack_columns(columns.index, width, depth.index, deep)
            with f.loop(0, m, mc) as rows:
                height = f.minimum(m - rows.index, mc)
                left = self._at(given["left"], rows.index * given["left_row"] + depth.index * given["left_k"])
                self._pack_rows(left, height, deep)
                block = _Block(left, rows.index, height, deep, how)
                with f.loop(0, width, self.width) as panel:
                    place = columns.index + panel.index
                    right, right_step = self._panel(place, panel.index, depth.index, deep, step)
                    self._tiles(block, right, right_step, place)

    def _how(self, start: Value, deep: Value) -> Value:
        """What there is to do with the tiles of a block along k."""
        f, given = self.f, self.given
        scale = f.select(f.icmp("eq", start, 0), given["todo"] & BETA, f.index(ADD))
        last = f.select(f.icmp("eq", start + deep, given["k"]), given["todo"] & LAST, f.index(0))
        return scale | last | (given["todo"] & ALPHA)

    # ---- the right operand ----

    def _source(self, column: Value, k: Value) -> Value:
        given = self.given
        return self._at(given["right"], k * given["right_k"] + column * given["right_column"])

    def _pack_columns(self, column: Value, width: Value, k: Value, deep: Value) -> Value:
        """All panels of a block, or only the one that is not whole; gives the elements from one panel to the next."""
        f, given = self.f, self.given
        whole = width - f.integer("srem", width, f.index(self.width))
        first = f.select(f.icmp("ne", given["pack_right"], 0), f.index(0), whole)
        many = TOGETHER * self.width
        together = f.select(
            f.icmp("eq", given["right_column"], 1), whole - f.integer("srem", whole, f.index(many)), first
        )
        together = f.maximum(together, first)
        with f.loop(first, together, many) as loop:
            to = self._at(given["right_space"], loop.index * deep)
            source = self._source(column + loop.index, k)
            f.call(self.pack_together, source, given["right_k"], deep, to, deep * self.width)
        with f.loop(together, width, self.width) as loop:
            count = f.minimum(width - loop.index, f.index(self.width))
            to = self._at(given["right_space"], loop.index * deep)
            source = self._source(column + loop.index, k)
            f.call(self.pack_right, source, given["right_column"], given["right_k"], count, deep, to)
        return first

    def _panel(self, column: Value, inside: Value, k: Value, deep: Value, first_packed: Value) -> tuple[Value, Value]:
        """Where a panel lies, packed or in place, and the elements from one of its rows to the next."""
        f, given = self.f, self.given
        packed = f.icmp("sge", inside, first_packed)
        panel, place = self._at(given["right_space"], inside * deep), self._source(column, k)
        return f.select(packed, panel, place), f.select(packed, f.index(self.width), given["right_k"])

    # ---- the left operand ----

    def _split(self, height: Value, body: Callable[[Value, Value, int], None]) -> None:
        """Rows in tiles of two heights, so that none is wasted: `body(first row, rows left, which height)`."""
        f, rows = self.f, self.tile.rows
        count = f.integer("sdiv", height + (rows - 1), f.index(rows))
        high = f.maximum(height - count * (rows - 1), f.index(0)) * rows
        with f.loop(0, high, rows) as loop:
            body(loop.index, f.index(rows), 0)
        with f.loop(high, height, rows - 1) as loop:
            body(loop.index, f.minimum(height - loop.index, f.index(rows - 1)), 1)

    def _pack_rows(self, left: Value, height: Value, deep: Value) -> None:
        f, given = self.f, self.given

        def pack(row: Value, rows: Value, which: int) -> None:
            source, to = self._at(left, row * given["left_row"]), self._at(given["left_space"], row * deep)
            f.call(self.packers[which], source, given["left_row"], given["left_k"], rows, deep, to)

        with f.when(f.icmp("ne", given["pack_left"], 0)):
            self._split(height, pack)

    # ---- the tiles ----

    def _tiles(self, block: _Block, right: Value, right_step: Value, column: Value) -> None:
        """All tiles of a panel of the right operand."""
        f, given = self.f, self.given
        packed = f.icmp("ne", given["pack_left"], 0)
        first = f.select(packed, given["left_space"], block.left)
        apart = f.select(packed, block.deep, given["left_row"])
        step = f.select(packed, f.index(1), given["left_row"])
        count = given["n"] - column

        def tile(row: Value, rows: Value, which: int) -> None:
            k_step = f.select(packed, f.index(self.tile.rows - which), given["left_k"])
            place = block.row + row
            c = self._at(given["c"], place * given["c_row"] + column)
            f.call(
                self.tiles[which], self._at(first, row * apart), step, k_step, right, right_step, block.deep,
                c, given["c_row"], rows, f.minimum(count, f.index(self.width)),
                given["row"] + place, given["column"] + column, block.how, given["state"],
            )  # fmt: skip

        self._split(block.height, tile)
