"""Large products: blocks that fit the caches, panels of them packed, the micro-kernel over the tiles of each block.

One function per dtype, whose sizes and strides are known at run time, so that it is compiled once for all programs.
Imports the micro-kernel, `finish` and `packing`; start reading at `_Product.run`.
"""

from __future__ import annotations

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
    "right_column", "c_row", "mc", "nc", "kc", "pack_left", "todo", "row", "column",
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
    """Rows of the left operand: where they begin, how many (in tiles of full height), how deep; what to do with the tiles."""

    left: Value
    row: Value
    height: Value
    high: Value
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
        self.tiles = [
            microkernel(f.module, ring, Tile(tile.rows - lower, tile.vectors), partial=bool(lower)) for lower in (0, 1)
        ]
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
            self._pack_columns(columns.index, width, depth.index, deep)
            with f.loop(0, m, mc) as rows:
                height = f.minimum(m - rows.index, mc)
                left = self._at(given["left"], rows.index * given["left_row"] + depth.index * given["left_k"])
                block = _Block(left, rows.index, height, self._high(height), deep, how)
                self._pack_rows(left, height, block.high, deep)
                with f.loop(0, width, self.width) as panel:
                    self._tiles(block, self._panel(panel.index, deep), columns.index + panel.index)

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

    def _pack_columns(self, column: Value, width: Value, k: Value, deep: Value) -> None:
        """The panels of a block, one after the other."""
        f, given = self.f, self.given
        many = f.index(TOGETHER * self.width)
        beside = f.icmp("eq", given["right_column"], 1)
        together = f.select(beside, width - f.integer("srem", width, many), f.index(0))
        with f.loop(0, together, many) as loop:
            to, source = self._panel(loop.index, deep), self._source(column + loop.index, k)
            f.call(self.pack_together, source, given["right_k"], deep, to, deep * self.width)
        with f.loop(together, width, self.width) as loop:
            to, source = self._panel(loop.index, deep), self._source(column + loop.index, k)
            count = f.minimum(width - loop.index, f.index(self.width))
            f.call(self.pack_right, source, given["right_column"], given["right_k"], count, deep, to)

    def _panel(self, column: Value, deep: Value) -> Value:
        return self._at(self.given["right_space"], column * deep)

    # ---- the left operand ----

    def _high(self, height: Value) -> Value:
        """Where the tiles of full height end. The others are a row lower, so that as few rows as can be are wasted."""
        f, rows = self.f, self.tile.rows
        count = f.integer("sdiv", height + (rows - 1), f.index(rows))
        return f.maximum(height - count * (rows - 1), f.index(0)) * rows

    def _pack_rows(self, left: Value, height: Value, high: Value, deep: Value) -> None:
        f, given = self.f, self.given
        with f.when(f.icmp("ne", given["pack_left"], 0)):
            for which, (start, stop) in enumerate(((f.index(0), high), (high, height))):
                rows = self.tile.rows - which
                with f.loop(start, stop, rows) as loop:
                    source = self._at(left, loop.index * given["left_row"])
                    to = self._at(given["left_space"], loop.index * deep)
                    count = f.minimum(height - loop.index, f.index(rows))
                    f.call(self.packers[which], source, given["left_row"], given["left_k"], count, deep, to)

    # ---- the tiles ----

    def _tiles(self, block: _Block, right: Value, column: Value) -> None:
        """All tiles of a panel of the right operand."""
        f, given = self.f, self.given
        packed = f.icmp("ne", given["pack_left"], 0)
        left = f.select(packed, given["left_space"], block.left)
        apart = f.select(packed, block.deep, given["left_row"])
        step = f.select(packed, f.index(1), given["left_row"])
        columns = f.minimum(given["n"] - column, f.index(self.width))
        for which, (start, stop) in enumerate(((f.index(0), block.high), (block.high, block.height))):
            k_step = f.select(packed, f.index(self.tile.rows - which), given["left_k"])
            row = block.row + start
            c = self._at(given["c"], row * given["c_row"] + column)
            f.call(
                self.tiles[which], self._at(left, start * apart), step, apart, k_step, right, block.deep,
                c, given["c_row"], stop - start, columns,
                given["row"] + row, given["column"] + column, block.how, given["state"],
            )  # fmt: skip
