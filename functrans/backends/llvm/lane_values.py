"""Arrays of a few elements for each lane of a vector: one vector holds one element of the arrays of all lanes.

So to arrange elements anew takes no instruction. A mask says which lanes count: the others are computed, but warn of nothing.
Imports `register_values`; start reading at `LaneRegisters`, then `LaneMemory`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from functrans.backends.llvm.elements import Element, memory_type
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I1, I8, I64, Type, Value
from functrans.backends.llvm.register_values import Numbers, Place, Registers, Run
from functrans.backends.llvm.scalars import Scalars
from functrans.core.aval import ShapedArray
from functrans.typing import DType

__all__ = ["LaneMemory", "LaneRegisters"]


class LaneRegisters(Registers):
    """Makes and moves the arrays of all lanes."""

    most = 16

    def __init__(self, f: Function, warnings: Value, lanes: int) -> None:
        super().__init__(f, warnings)
        self.lanes = lanes
        self.mask: Value | None = None
        """The lanes that count; None: all."""

    @contextmanager
    def under(self, mask: Value) -> Iterator[None]:
        """What is written inside counts in the lanes of a mask."""
        before, self.mask = self.mask, mask
        yield
        self.mask = before

    def scalars(self, run: Run) -> Scalars:
        return Scalars(self.f, run.lanes, mask=self.mask, warnings=self._warnings)

    def runs(self, size: int) -> list[Run]:
        return [Run(i, self.lanes, self.lanes) for i in range(size)]

    def arranged(self, places: Sequence[Place], dtype: DType) -> Numbers:
        return Numbers(len(places), dtype, tuple(numbers.runs[i] for numbers, i in places))

    def zeros(self, avals: Sequence[ShapedArray]) -> list[Numbers]:
        """What lanes hold that nothing was computed for."""
        return [self.constants([0] * aval.size, aval.dtype) for aval in avals]

    # ---- memory ----

    def load(self, place: Value, aval: ShapedArray) -> Numbers:
        """An array that all lanes have."""
        one = Scalars(self.f, 1)
        runs = self.runs(aval.size) if aval.size <= self.most else []
        found = (self.scalars(run).splat(one.load(place, aval.dtype, run.start)) for run in runs)
        return Numbers(aval.size, aval.dtype, tuple(found), place)

    def load_lanes(self, place: Value, aval: ShapedArray, each: int = 1, across: int = 0) -> Numbers:
        """Arrays whose elements lie `each` apart, in lanes that lie `across` apart."""
        found = (self.scalars(run).load(place, aval.dtype, run.start * each, across) for run in self.runs(aval.size))
        return Numbers(aval.size, aval.dtype, tuple(found))

    def store_lanes(self, numbers: Numbers, place: Value, each: int = 1, across: int = 0) -> None:
        """The reverse."""
        for run, x in zip(self.runs(numbers.size), numbers.runs, strict=True):
            self.scalars(run).store(x, place, run.start * each, across)

    # ---- masks ----

    def all_lanes(self, value: bool) -> Value:
        """A mask that is the same in every lane."""
        return self.f.const(value, I1.vector(self.lanes))

    def inverted(self, mask: Value) -> Value:
        return mask ^ self.all_lanes(True)

    def counted(self, mask: Value) -> Value:
        """A mask, in the lanes that count."""
        return mask if self.mask is None else mask & self.mask

    def any(self, mask: Value) -> Value:
        """Whether it is true in a lane."""
        return self.f.icmp("ne", self.bits(mask), 0)

    def count(self, mask: Value) -> Value:
        """In how many lanes it is true."""
        return self.f.intrinsic("ctpop", self.bits(mask))

    def bits(self, mask: Value) -> Value:
        """A mask as an i64, lane 0 the lowest bit."""
        kind = Type("i", self.lanes)
        return self.f.cast("zext", self.f.pure(kind, f"bitcast {mask.typed()} to {kind}"), I64)

    def from_bits(self, bits: Value) -> Value:
        """The reverse."""
        kind = I1.vector(self.lanes)
        return self.f.pure(kind, f"bitcast {self.f.cast('trunc', bits, Type('i', self.lanes)).typed()} to {kind}")

    def selected(self, mask: Value, ones: Sequence[Numbers], others: Sequence[Numbers]) -> list[Numbers]:
        """In each lane the arrays of one or of the other."""
        return [
            Numbers(
                one.size,
                one.dtype,
                tuple(self._selected(mask, *pair) for pair in zip(one.runs, other.runs, strict=True)),
            )
            for one, other in zip(ones, others, strict=True)
        ]

    def _selected(self, mask: Value, x: Element, y: Element) -> Element:
        pairs = zip(x.parts, y.parts, strict=True)
        return Element(x.dtype, tuple(a if a.text == b.text else self.f.select(mask, a, b) for a, b in pairs))


class LaneMemory:
    """Memory where each lane has arrays of given types: by the number of an element, then by lane. It begins with zeros."""

    def __init__(self, registers: LaneRegisters, avals: Sequence[ShapedArray]) -> None:
        self._registers = registers
        self._avals = avals
        self._rooms = [self._room(aval) for aval in avals]

    def __len__(self) -> int:
        """How many arrays a lane has."""
        return len(self._avals)

    def _room(self, aval: ShapedArray) -> Value:
        f, size = self._registers.f, aval.nbytes * self._registers.lanes
        kind = memory_type(aval.dtype)
        room = f.stack(kind, size // kind.bytes)
        f.fill(room, 0, f.index(size))
        return room

    def load(self) -> list[Numbers]:
        """The arrays of all lanes."""
        lanes, pairs = self._registers.lanes, zip(self._rooms, self._avals, strict=True)
        return [self._registers.load_lanes(room, aval, lanes, 1) for room, aval in pairs]

    def store(self, arrays: Sequence[Numbers]) -> None:
        for room, numbers in zip(self._rooms, arrays, strict=True):
            self._registers.store_lanes(numbers, room, self._registers.lanes, 1)

    def load_one(self, lane: Value, one: LaneRegisters) -> list[Numbers]:
        """The arrays of a lane, for registers of one lane."""
        return [one.load_lanes(place, aval, self._registers.lanes) for place, aval in self._places(lane)]

    def store_one(self, lane: Value, one: LaneRegisters, arrays: Sequence[Numbers]) -> None:
        for (place, _), numbers in zip(self._places(lane), arrays, strict=True):
            one.store_lanes(numbers, place, self._registers.lanes)

    def _places(self, lane: Value) -> list[tuple[Value, ShapedArray]]:
        """Where the first elements of a lane lie."""
        offset, pairs = self._registers.f.offset, zip(self._rooms, self._avals, strict=True)
        return [(offset(room, lane * aval.dtype.itemsize, I8), aval) for room, aval in pairs]
