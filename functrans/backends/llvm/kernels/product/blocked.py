"""Large products: blocks that fit the caches, panels of them packed, the micro-kernel over the tiles of each block.

One function per dtype, whose sizes and strides are known at run time, so that it is compiled once for all programs. It only
calls others, by their addresses: of those that make panels each program has compiled what it needs. Imports the micro-kernel
and `finish`; start reading at `_Product.run`.
"""

from __future__ import annotations

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, I64, PTR, Module, Value
from functrans.backends.llvm.kernels.product.finish import ADD, PADDED, State
from functrans.backends.llvm.kernels.product.microkernel import LINE, best_tile
from functrans.backends.llvm.kernels.product.packing import TOGETHER
from functrans.backends.llvm.kernels.product.ring import Ring
from functrans.record import Record

__all__ = ["ARGUMENTS", "FINISHED", "FUNCTIONS", "blocked"]

FUNCTIONS = ("tiles", "copy_left", "copy_right", "transpose_right")
"""The micro-kernel, and what makes panels: of the left operand if `pack_left`, and of the right one, as it lies; else null."""

ARGUMENTS = (
    *FUNCTIONS, "left", "right", "c", "prologue", "epilogue", "left_space", "right_space", "made", "m", "n", "k", "left_row",
    "left_k", "right_k", "right_column", "c_row", "mc", "nc", "kc", "pack_left", "row", "column", "adds",
)  # fmt: skip
"""What `blocked` is given, in words of 8 bytes. Strides are in elements. `epilogue` is null, or the state of one (`finish`),
which is told where it is by (row, column), the place where the product begins. Then `c` is not the result but room for
sums, for whole tiles: of `nc` columns if there are several blocks along k, else of FINISHED tiles of a panel. `prologue` is
null, or the state of one, which writes the right operand: to panels, or to `made`, which is transposed to panels. `adds`: 0, or
the sums are added to those in `c`."""

FINISHED = 8
"""Tiles of a panel that an epilogue takes up together."""

_POINTERS = {*FUNCTIONS, "left", "right", "c", "prologue", "epilogue", "left_space", "right_space", "made"}


def blocked(module: Module, ring: Ring, name: str) -> Function:
    """`(arguments)`: the product that a block of ARGUMENTS says, k ≥ 1."""
    module.light = True
    f = Function(module, name, [("arguments", PTR)], exported=True)
    _Product(f, ring).run()
    return f


class _Block(Record):
    """Rows of the left operand: where they begin, how many, how deep; what to do with the tiles."""

    left: Value
    row: Value
    height: Value
    k: Value
    deep: Value
    how: Value


class _Product:
    def __init__(self, f: Function, ring: Ring) -> None:
        self.f = f
        self.ring = ring
        self.given = {
            name: f.load(f.offset(f.args[0], i, I64), PTR if name in _POINTERS else I64)
            for i, name in enumerate(ARGUMENTS)
        }
        self.prepares, self.finishes = (
            f.icmp("ne", f.cast("ptrtoint", self.given[name], I64), 0) for name in ("prologue", "epilogue")
        )
        tile = best_tile(f.module, ring)
        self.rows, self.width = tile.rows, tile.columns(f.module, ring)

    def _call(self, name: str, *args: Value) -> None:
        """One of FUNCTIONS."""
        self.f.call_pointer(self.given[name], None, *args)

    def _at(self, pointer: Value, elements: Value) -> Value:
        return self.f.offset(pointer, elements * self.ring.parts, self.ring.part)

    def run(self) -> None:
        f, given = self.f, self.given
        m, n, k, mc, nc, kc = (given[name] for name in ["m", "n", "k", "mc", "nc", "kc"])
        with f.loop(0, n, nc) as columns, f.loop(0, k, kc) as depth:
            width, deep = f.minimum(n - columns.index, nc), f.minimum(k - depth.index, kc)
            how = self._how(depth.index)
            self._pack_columns(columns.index, width, depth.index, deep)
            with f.loop(0, m, mc) as rows:
                height = f.minimum(m - rows.index, mc)
                left = self._at(given["left"], rows.index * given["left_row"] + depth.index * given["left_k"])
                block = _Block(left, rows.index, height, depth.index, deep, how)
                anew = f.icmp("eq", columns.index, 0) | f.icmp("sgt", m, mc) | f.icmp("sgt", k, kc)
                with f.when(f.icmp("ne", given["pack_left"], 0) & anew):
                    self._pack_rows(left, height, deep)
                with f.loop(0, width, self.width) as panel:
                    self._tiles(block, self._panel(panel.index, deep), columns.index, panel.index)

    def _how(self, start: Value) -> Value:
        """What there is to do with the tiles of a block along k."""
        f = self.f
        add = f.select(f.icmp("eq", start | self.given["adds"], 0), f.index(0), f.index(ADD))
        return add | f.select(self.finishes, f.index(PADDED), f.index(0))

    # ---- packing ----

    def _pack_columns(self, column: Value, width: Value, k: Value, deep: Value) -> None:
        """The panels of a block of the right operand, one after the other."""
        f, given = self.f, self.given
        source = self._at(given["right"], k * given["right_k"] + column * given["right_column"])
        is_stored = f.icmp("eq", self.prepares, 0)
        with f.when(f.icmp("eq", given["right_column"], 1) & is_stored) as beside:
            self._copy("copy_right", self.width, source, given["right_k"], width, deep, given["right_space"])
            beside.otherwise()
            with f.loop(0, width, self.width) as loop:
                here = self._at(source, loop.index * given["right_column"])
                count, panel = f.minimum(width - loop.index, f.index(self.width)), self._panel(loop.index, deep)
                with f.when(is_stored) as stored:
                    self._call("transpose_right", here, given["right_column"], count, deep, panel)
                    stored.otherwise()
                    self._make(panel, k, given["column"] + column + loop.index, deep, count)

    def _make(self, panel: Value, k: Value, column: Value, deep: Value, count: Value) -> None:
        """A panel by the prologue."""
        f, made, state = self.f, self.given["made"], State(self.f, self.given["prologue"])
        function, table = f.load(state.finish, PTR), f.load(state.table, PTR)
        with f.when(f.icmp("eq", self.given["right_column"], 1)) as beside:
            with f.when(f.icmp("slt", count, self.width)):
                f.fill(panel, 0, deep * (self.width * self.ring.bytes))
            f.call_pointer(function, None, panel, f.index(self.width), k, column, deep, count, table)
            beside.otherwise()
            f.call_pointer(function, None, made, deep, column, k, count, deep, table)
            self._call("transpose_right", made, deep, count, deep, panel)

    def _pack_rows(self, left: Value, height: Value, deep: Value) -> None:
        """The panels of a block of the left operand whose rows lie side by side."""
        self._copy("copy_left", self.rows, left, self.given["left_k"], height, deep, self.given["left_space"])

    def _copy(self, copy: str, width: int, source: Value, k_step: Value, count: Value, deep: Value, to: Value) -> None:
        """Panels of `count` elements that lie side by side, some at a time."""
        f, many = self.f, TOGETHER * width
        with f.loop(0, count, many) as loop:
            some = f.minimum(count - loop.index, f.index(many))
            self._call(copy, self._at(source, loop.index), k_step, some, deep, self._at(to, loop.index * deep))

    def _panel(self, column: Value, deep: Value) -> Value:
        return self._at(self.given["right_space"], column * deep)

    # ---- the tiles ----

    def _tiles(self, block: _Block, right: Value, first: Value, panel: Value) -> None:
        """All tiles of a panel of the right operand, in a block of columns from the first on."""
        f, given, column = self.f, self.given, first + panel
        packed = f.icmp("ne", given["pack_left"], 0)
        left = f.select(packed, given["left_space"], block.left)
        apart = f.select(packed, block.deep, given["left_row"])
        step = f.select(packed, f.index(1), given["left_row"])
        k_step = f.select(packed, f.index(self.rows), given["left_k"])
        columns = f.minimum(given["n"] - column, f.index(self.width))
        last = self.finishes & f.icmp("eq", block.k + block.deep, given["k"])
        at_once = f.select(self.finishes, f.index(FINISHED * self.rows), block.height)
        with f.loop(0, block.height, at_once) as loop:
            row, height = block.row + loop.index, f.minimum(block.height - loop.index, at_once)
            streams = self._streams(last, row, column)
            c = self._sums(block, row, column, panel)
            self._call(
                "tiles", self._at(left, loop.index * apart), step, apart, k_step, right, block.deep, c, given["c_row"],
                height, columns, block.how, streams, self._later(block, row, column),
            )  # fmt: skip
            with f.when(last):
                state = State(f, given["epilogue"])
                f.call_pointer(
                    f.load(state.finish, PTR), None, c, given["c_row"], given["row"] + row, given["column"] + column,
                    height, columns, f.load(state.table, PTR),
                )  # fmt: skip

    def _sums(self, block: _Block, row: Value, column: Value, panel: Value) -> Value:
        """Where those of some rows of a panel go."""
        f, given = self.f, self.given
        whole = f.icmp("sge", block.deep, given["k"])
        row = f.select(self.finishes & whole, f.index(0), row)
        column = f.select(self.finishes, f.select(whole, f.index(0), panel), column)
        return self._at(given["c"], row * given["c_row"] + column)

    def _streams(self, last: Value, row: Value, column: Value) -> Value:
        """What memory the epilogue will go through from a place on, for the tiles to ask for; null if it is not its turn."""
        f, given = self.f, self.given
        found, state = f.stack(I64, 1 + 2 * State.MOST_STREAMS), State(f, given["epilogue"])
        with f.when(last):
            count = f.load(state.count, I64)
            f.store(count, found)
            with f.loop(0, count) as loop:
                pointer, row_step, column_step = self._stream(state, loop.index)
                start = (given["row"] + row) * row_step + (given["column"] + column) * column_step
                self._note(found, loop.index, f.offset(pointer, start, I8), row_step)
        return f.select(last, found, f.null())

    def _later(self, block: _Block, row: Value, column: Value) -> Value:
        """What a panel of the next block will be made of, as lines of memory at one distance, if it lies so: how many such
        streams there are, and for each its pointer and the bytes from line to line; after the last one a stream of nothing.

        A stored operand is a stream, and each that a prologue reads row by row of k; of each there are some, side by side.
        """
        f, given, following = self.f, self.given, column + self.given["nc"]
        lines = max(self.width * self.ring.bytes // LINE, 1)
        beside = f.icmp("eq", given["right_column"], 1)
        dense = f.icmp("eq", given["right_k"], 1) & f.icmp("eq", given["right_column"], block.deep)
        state = State(f, given["prologue"])
        count = f.choose(self.prepares, lambda: f.load(state.count, I64), lambda: f.index(1))
        is_read = (beside | (dense & f.icmp("eq", self.prepares, 0))) & f.icmp("eq", row, 0)
        count = f.select(is_read & f.icmp("slt", following, given["n"]), count, f.index(0))

        def read(number: Value) -> list[Value]:
            pointer, row_step, column_step = self._stream(state, number)
            return [f.offset(pointer, block.k * row_step + (given["column"] + following) * column_step, I8), row_step]

        def stored() -> list[Value]:
            source = self._at(given["right"], block.k * given["right_k"] + following * given["right_column"])
            return [source, f.select(beside, given["right_k"] * self.ring.bytes, f.index(LINE))]

        found = f.stack(I64, 3 + 2 * lines * State.MOST_STREAMS)
        apart = f.select(beside, f.index(LINE), block.deep * LINE)
        with f.loop(0, count) as loop:
            pointer, step = f.choose_all(self.prepares, lambda: read(loop.index), stored)
            for line in range(lines):
                self._note(found, loop.index * lines + line, f.offset(pointer, apart * line, I8), step)
        self._note(found, count * lines, given["c"], f.index(0))
        f.store(count * lines, found)
        return found

    def _stream(self, state: State, number: Value) -> tuple[Value, Value, Value]:
        """Its pointer, and the bytes from row to row and from column to column."""
        pointer, row_step, column_step = state.stream(number)
        return self.f.load(pointer, PTR), self.f.load(row_step, I64), self.f.load(column_step, I64)

    def _note(self, found: Value, number: Value, pointer: Value, step: Value) -> None:
        """Write down a stream."""
        to = self.f.offset(found, number * 2 + 1, I64)
        self.f.store(pointer, to)
        self.f.store(step, self.f.offset(to, 1, I64))
