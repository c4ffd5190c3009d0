"""Panels: parts of an operand copied so that the micro-kernel reads them from end to end, and the transpose for that.

A panel holds, for each k, `width` elements that lie across the contracted axis; in place of those that are
not there it holds any numbers that lie in the operand, or zeros.
Elements are moved as integers of their size. Imports `ring` and the builder; start reading at `packer`.
"""

from __future__ import annotations

from collections.abc import Sequence

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.instructions import Instructions
from functrans.backends.llvm.ir import I64, PTR, Module, Type, Value
from functrans.backends.llvm.kernels.product.ring import Ring

__all__ = ["TOGETHER", "packer", "panels_packer", "transposed"]

TOGETHER = 4
"""So many panels are copied at once from rows that lie far apart: 64 bytes of each row at a time are too few to stream."""

AHEAD = 16
"""Rows that lie far apart are asked for so many rows before they are copied: the machine does not foresee them."""


def transposed(f: Instructions, rows: Sequence[Value]) -> list[Value]:
    """The columns of a square matrix, given by its rows: in turn for each distance, the blocks off the diagonal change."""
    out = list(rows)
    size = len(out)
    distance = 1
    while distance < size:
        upper = [lane if not lane & distance else size + lane - distance for lane in range(size)]
        lower = [lane + distance if not lane & distance else size + lane for lane in range(size)]
        for i in range(size):
            if not i & distance:
                x, y = out[i], out[i | distance]
                out[i], out[i | distance] = f.shuffle(x, y, upper), f.shuffle(x, y, lower)
        distance *= 2
    return out


def packer(module: Module, ring: Ring, width: int) -> Function:
    """`(from, step, k step, count, k, to)`: `count` ≤ width elements `step` apart, for each k; one function for a module.

    One of the steps is 1 wherever speed matters.
    """
    name = f"pack_{ring.bytes}x{width}"
    return module.shared(name, lambda: _Packer(module, name, ring, width).function())


def panels_packer(module: Module, ring: Ring, width: int) -> Function:
    """`(from, k step, k, to, panel step)`: TOGETHER whole panels of elements that lie side by side."""
    name = f"pack_{ring.bytes}x{width}x{TOGETHER}"

    def build() -> Function:
        params = [("from", PTR), ("k_step", I64), ("k", I64), ("to", PTR), ("panel_step", I64)]
        f = Function(module, name, params, noalias=("from", "to"))
        source, k_step, k, to, panel_step = f.args
        lanes = ring.lanes(module)
        wide, parts = ring.part.vector(lanes), width * ring.parts
        with f.loop(0, k) as loop:
            row = f.offset(source, loop.index * k_step * ring.parts, ring.part)
            ahead = f.offset(source, (loop.index + AHEAD // 2) * k_step * ring.parts, ring.part)
            for start in range(0, TOGETHER * parts, 64 // ring.part.bytes):
                f.prefetch(f.offset(ahead, start, ring.part), locality=2)
            for panel in range(TOGETHER):
                there = f.offset(to, (panel_step * panel + loop.index * width) * ring.parts, ring.part)
                for start in range(0, parts, lanes):
                    piece = f.load(f.offset(row, panel * parts + start, ring.part), wide, ring.part.bytes)
                    f.store(piece, f.offset(there, start, ring.part), ring.part.bytes)
        return f

    return module.shared(name, build)


class _Packer:
    def __init__(self, module: Module, name: str, ring: Ring, width: int) -> None:
        params = [("from", PTR), ("step", I64), ("k_step", I64), ("count", I64), ("k", I64), ("to", PTR)]
        self.f = Function(module, name, params, noalias=("from", "to"))
        self.unit = Type("i", 8 * min(ring.bytes, 8))
        self.units = ring.bytes // self.unit.bytes
        self.lanes = max(module.lanes(self.unit), self.units)
        self.width = width

    def function(self) -> Function:
        f = self.f
        _, step, k_step, count, k, _ = f.args
        with f.when(f.icmp("eq", step, 1)) as across:
            with f.when(f.icmp("eq", count, self.width)) as whole:
                self._copy()
                whole.otherwise()
                if self.unit.bytes in f.module.target.masked_bytes:
                    self._copy_masked()
                else:
                    self._one_by_one()
            across.otherwise()
            if self._turns:
                with f.when(f.icmp("eq", k_step, 1) & f.icmp("sge", k, self.lanes)) as along:
                    self._transpose()
                    along.otherwise()
                    self._one_by_one()
            else:
                self._one_by_one()
        return f

    @property
    def _turns(self) -> bool:
        """Whether panels are made by transposing in registers: of narrow elements that would be too much code."""
        return self.unit.bits >= 32 and self.units == 1 and self.width % self.lanes == 0

    def _at(self, pointer: Value, elements: Value) -> Value:
        return self.f.offset(pointer, elements * self.units, self.unit)

    def _copy(self) -> None:
        """Rows as they lie, in pieces that are exact: nothing past them is read."""
        f = self.f
        source, _, k_step, _, k, to = f.args
        with f.loop(0, k) as loop:
            row, panel = self._at(source, loop.index * k_step), self._at(to, loop.index * self.width)
            ahead = self._at(source, (loop.index + AHEAD) * k_step)
            for place in range(0, self.width * self.units, 64 // self.unit.bytes):
                f.prefetch(f.offset(ahead, place, self.unit), locality=2)
            start, rest = 0, self.width * self.units
            while rest:
                lanes = min(self.lanes, 1 << (rest.bit_length() - 1))
                piece = f.load(f.offset(row, start, self.unit), self.unit.vector(lanes), self.unit.bytes)
                f.store(piece, f.offset(panel, start, self.unit), self.unit.bytes)
                start, rest = start + lanes, rest - lanes

    def _copy_masked(self) -> None:
        """Rows that are not whole, with zeros after them."""
        f, lanes = self.f, self.lanes
        source, _, k_step, count, k, to = f.args
        parts, kind = self.width * self.units, self.unit.vector(self.lanes)
        masks = [f.lanes_below(count * self.units - start, lanes) for start in range(0, parts, lanes)]
        inside = [f.lanes_below(f.index(parts - start), lanes) for start in range(0, parts, lanes)]
        with f.loop(0, k) as loop:
            row, panel = self._at(source, loop.index * k_step), self._at(to, loop.index * self.width)
            for i, start in enumerate(range(0, parts, lanes)):
                piece = f.masked_load(f.offset(row, start, self.unit), kind, masks[i])
                there = f.offset(panel, start, self.unit)
                if parts - start >= lanes:
                    f.store(piece, there, self.unit.bytes)
                else:
                    f.masked_store(piece, there, inside[i])

    def _transpose(self) -> None:
        """Squares of one vector's width; the last along k overlaps the one before; rows past the last repeat it."""
        f, lanes = self.f, self.lanes
        source, step, _, count, k, to = f.args
        with f.loop(0, self.width, lanes) as across:
            rows = [self._at(source, f.minimum(across.index + r, count - 1) * step) for r in range(lanes)]
            with f.loop(0, k, lanes) as along:
                start = f.minimum(along.index, k - lanes)
                square = [f.load(self._at(row, start), self.unit.vector(lanes), self.unit.bytes) for row in rows]
                for r, column in enumerate(transposed(f, square)):
                    f.store(column, self._at(to, (start + r) * self.width + across.index), self.unit.bytes)

    def _one_by_one(self) -> None:
        """Any steps; what is not there as zeros."""
        f = self.f
        source, step, k_step, count, k, to = f.args
        kind = self.unit.vector(self.units)
        with f.loop(0, k) as along:
            row, panel = self._at(source, along.index * k_step), self._at(to, along.index * self.width)
            with f.loop(0, count) as across:
                element = f.load(self._at(row, across.index * step), kind, self.unit.bytes)
                f.store(element, self._at(panel, across.index), self.unit.bytes)
            with f.loop(count, self.width) as across:
                f.store(f.zero(kind), self._at(panel, across.index), self.unit.bytes)
