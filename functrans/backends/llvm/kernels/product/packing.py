"""Panels: parts of an operand copied so that the micro-kernel reads them from end to end, and the transpose for that.

A panel holds, for each k, `width` elements that lie across the contracted axis; in place of those that are not there it
holds zeros, or numbers that lie in the operand. Elements are moved as integers of their size, and there is little code:
a first product waits for what it needs of it. Imports `ring` and the builder; start reading at `copier`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.instructions import Instructions
from functrans.backends.llvm.ir import I32, I64, PTR, Module, Type, Value
from functrans.backends.llvm.kernels.product.ring import Ring
from functrans.backends.llvm.once import compiled_once

__all__ = ["TOGETHER", "copier", "room", "transposer"]

TOGETHER = 4
"""So many panels are copied at once from rows that lie far apart: 64 bytes of each row at a time are too few to stream."""

AHEAD = 8
"""Rows that lie far apart are asked for so many rows before they are copied: the machine does not foresee them."""

FURTHER = 4
"""Vectors of a row before which one is asked for, when many rows are read side by side."""


def copier(module: Module, ring: Ring, width: int) -> str:
    """`(from, k step, count, k, to)`: panels of `count` elements that lie side by side, for each k."""
    name = f"functrans_copy_{ring.bytes}x{width}"
    return compiled_once(module, name, partial(_copier, name=name, ring=ring, width=width))


def transposer(module: Module, ring: Ring, width: int) -> str:
    """`(from, step, count, k, to)`: a panel of `count` ≤ width elements `step` apart, which lie side by side along k.

    It may write past the panel's end, no further than where a panel of `room` ends.
    """
    name = f"functrans_transpose_{ring.bytes}x{width}"
    return compiled_once(module, name, partial(_transposer, name=name, ring=ring, width=width))


def _copier(module: Module, name: str, ring: Ring, width: int) -> Function:
    return _Copier(module, name, ring, width, "k_step").function()


def _transposer(module: Module, name: str, ring: Ring, width: int) -> Function:
    return _Transposer(module, name, ring, width, "step").function()


def room(module: Module, ring: Ring, k: int) -> int:
    """The depth of the panel for which there must be memory where one of depth k is made."""
    return max(k, ring.elements(module))


class _Packer:
    """What both have: the function, and the units that elements are moved in."""

    def __init__(self, module: Module, name: str, ring: Ring, width: int, step: str) -> None:
        params = [("from", PTR), (step, I64), ("count", I64), ("k", I64), ("to", PTR)]
        self.f = Function(module, name, params, exported=True, noalias=("from", "to"))
        self.unit = Type("i", 8 * min(ring.bytes, 8))
        self.units = ring.bytes // self.unit.bytes
        self.lanes = max(module.lanes(self.unit), self.units)
        self.width = width
        self.has_masks = self.unit.bytes in module.target.masked_bytes

    def at(self, pointer: Value, elements: Value) -> Value:
        return self.f.offset(pointer, elements * self.units, self.unit)

    def one_by_one(self, source: Value, step: Value | int, k_step: Value | int, count: Value, to: Value) -> None:
        """A panel with zeros in place of what is not there."""
        f, k, kind = self.f, self.f.args[3], self.unit.vector(self.units)
        with f.loop(0, k) as along:
            row, panel = self.at(source, along.index * k_step), self.at(to, along.index * self.width)
            with f.loop(0, count) as across:
                element = f.load(self.at(row, across.index * step), kind, self.unit.bytes)
                f.store(element, self.at(panel, across.index), self.unit.bytes)
            with f.loop(count, self.width) as across:
                f.store(f.zero(kind), self.at(panel, across.index), self.unit.bytes)


class _Copier(_Packer):
    def function(self) -> Function:
        f = self.f
        source, k_step, count, k, to = f.args
        if self.has_masks:
            self._copy(count)
            return f
        whole = count - f.integer("srem", count, self.width)
        self._copy(whole)
        with f.when(f.icmp("slt", whole, count)):
            self.one_by_one(self.at(source, whole), 1, k_step, count - whole, self.at(to, whole * k))
        return f

    def _copy(self, stop: Value) -> None:
        """Rows as they lie; with zeros after them where there are masks."""
        f = self.f
        source, k_step, count, k, to = f.args
        pieces = list(self._pieces())
        with f.loop(0, k) as loop, f.loop(0, stop, self.width) as panel:
            row = self.at(source, loop.index * k_step + panel.index)
            ahead = self.at(source, (loop.index + AHEAD) * k_step + panel.index)
            there = self.at(to, panel.index * k + loop.index * self.width)
            left = f.cast("trunc", (count - panel.index) * self.units, I32)
            for start in range(0, self.width * self.units, 64 // self.unit.bytes):
                f.prefetch(f.offset(ahead, start, self.unit), locality=2)
            for start, lanes in pieces:
                piece = self._piece(f.offset(row, start, self.unit), start, lanes, left)
                f.store(piece, f.offset(there, start, self.unit), self.unit.bytes)

    def _pieces(self) -> Iterator[tuple[int, int]]:
        """Where vectors begin that cover a row of the panel and nothing else, and their lanes."""
        start, rest = 0, self.width * self.units
        while rest:
            lanes = min(self.lanes, 1 << (rest.bit_length() - 1))
            yield start, lanes
            start, rest = start + lanes, rest - lanes

    def _piece(self, pointer: Value, start: int, lanes: int, left: Value) -> Value:
        f, kind = self.f, self.unit.vector(lanes)
        if not self.has_masks:
            return f.load(pointer, kind, self.unit.bytes)
        if lanes == 1:
            return f.choose(f.icmp("sgt", left, start), lambda: f.load(pointer, kind), lambda: f.zero(kind))
        numbers = f.vector_const(range(start, start + lanes), I32)
        return f.masked_load(pointer, kind, f.icmp("slt", numbers, f.splat(left, lanes)))


class _Transposer(_Packer):
    def function(self) -> Function:
        f = self.f
        source, step, count, k, to = f.args
        group = 16 // (self.unit.bytes * self.units)
        if self.unit.bytes == 1 or self.width % group:  # of bytes it would be too much code
            self.one_by_one(source, step, 1, count, to)
        elif self.has_masks:
            self._transpose(group)
        else:
            with f.when(f.icmp("sge", k, self.lanes // self.units)) as enough:
                self._transpose(group)
                enough.otherwise()
                self.one_by_one(source, step, 1, count, to)
        return f

    def _transpose(self, group: int) -> None:
        """A vector along k of each row of a group at a time, a square of 16 bytes in each; the last vector along k
        overlaps the one before; rows past the last repeat it.
        """
        f, units, block = self.f, self.units, 16 // self.unit.bytes
        source, step, count, k, to = f.args
        elements = self.lanes // units
        with f.loop(0, k, elements) as along, f.loop(0, self.width, group) as across:
            start = f.maximum(f.minimum(along.index, k - elements), f.index(0))
            rows = [self.at(source, f.minimum(across.index + r, count - 1) * step + start) for r in range(group)]
            there = self.at(to, start * self.width + across.index)
            for i, columns in enumerate(turned(f, self._vectors(rows, k - start), units)):
                for lane in range(0, self.lanes, block):
                    column = f.shuffle(columns, columns, range(lane, lane + block))
                    place = (lane // units + i) * self.width * units
                    f.store(column, f.offset(there, place, self.unit), self.unit.bytes)

    def _vectors(self, rows: Sequence[Value], left: Value) -> list[Value]:
        """Of each row a vector, of which `left` elements are there; the machine does not foresee so many rows."""
        f, kind = self.f, self.unit.vector(self.lanes)
        for row in rows:
            f.prefetch(f.offset(row, FURTHER * self.lanes, self.unit))
        if not self.has_masks:
            return [f.load(row, kind, self.unit.bytes) for row in rows]
        mask = f.lanes_below(left * self.units, self.lanes)
        return [f.masked_load(row, kind, mask) for row in rows]


def turned(f: Instructions, rows: Sequence[Value], units: int, granule: int = 1) -> list[Value]:
    """Rows of which 16 bytes hold as many elements as there are rows: of each 16 bytes of all rows, a square transposed.

    Each vector of the result holds, in each 16 bytes, an element of every row. An element has so many `units`. These are
    the shuffles that machines have: none leaves its 16 bytes.
    """
    if len(rows) == 1:
        return list(rows)
    low, high = [], []
    for x, y in zip(rows[::2], rows[1::2], strict=True):
        low.append(_interleaved(f, x, y, granule * units, 0))
        high.append(_interleaved(f, x, y, granule * units, 1))
    return [*turned(f, low, units, 2 * granule), *turned(f, high, units, 2 * granule)]


def _interleaved(f: Instructions, x: Value, y: Value, granule: int, half: int) -> Value:
    """Of each 16 bytes of two vectors one half, granule by granule in turn."""
    lanes, block = x.type.lanes, 16 // x.type.bytes
    starts = [s + half * block // 2 + i for s in range(0, lanes, block) for i in range(0, block // 2, granule)]
    return f.shuffle(x, y, [lane + i for start in starts for lane in (start, lanes + start) for i in range(granule)])
