"""Where windows lie: from index vectors to distances in bytes, with what becomes of a start that is out of bounds.

Index vectors are looked at one at a time, or several at once in the lanes of a vector. Imports `blocks` and the builder;
start reading at `Starts.locate`. `loops` says in which order a gather and a scatter go through their windows.
"""

from __future__ import annotations

from collections.abc import Iterator

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, I64, Type, Value
from functrans.backends.llvm.kernels.blocks import Axis, byte_strides, collapse
from functrans.core.aval import ShapedArray
from functrans.core.lowering_data import Bounds, Windows
from functrans.record import Record
from functrans.typing import DType, Shape

__all__ = ["Loops", "Starts", "clamped", "integer_at", "loops"]


# ---- integers of every width, as i64 ----


def integer_at(f: Function, place: Value, dtype: DType, lanes: int = 1) -> Value:
    """Indices in memory. A uint64 that is too large is negative."""
    kind = Type("i", 8 * dtype.itemsize, lanes)
    x = f.load(place, kind, dtype.itemsize)
    return x if kind.bits == 64 else f.cast("sext" if dtype.kind == "i" else "zext", x, I64)


def clamped(f: Function, x: Value, last: int, dtype: DType) -> Value:
    """The nearest of 0 … last to an index of a dtype."""
    limit = f.like(last, x)
    if dtype.kind == "u":
        return f.select(f.icmp("ult", x, limit), x, limit)
    return f.maximum(f.minimum(x, limit), f.like(0, x))


# ---- starts ----


class _Term(Record):
    """An element of an index vector: it may be 0 … last after negative ones got `size` added."""

    size: int
    last: int
    stride: int


class Starts(Record):
    """How index vectors of a dtype address an array."""

    terms: tuple[_Term, ...]
    dtype: DType
    bounds: Bounds
    unchecked: bool
    from_end: bool

    @staticmethod
    def of(windows: Windows, array: ShapedArray, indices: ShapedArray) -> Starts:
        strides = byte_strides(array.shape, array.dtype.itemsize)
        terms = (
            _Term(array.shape[axis], array.shape[axis] - windows.sizes[axis], strides[axis]) for axis in windows.starts
        )
        return Starts(tuple(terms), indices.dtype, windows.bounds, windows.unchecked, windows.from_end)

    @property
    def can_fail(self) -> bool:
        return self.bounds == "raise" and any(not self.unchecked or term.last < 0 for term in self.terms)

    @property
    def most_lanes(self) -> int:
        """How many index vectors can be looked at at once: one, or any number."""
        return 1 << 30 if len(self.terms) == 1 and self.bounds != "drop" else 1

    def _elements(self, f: Function, place: Value, lanes: int) -> Iterator[tuple[_Term, Value]]:
        for number, term in enumerate(self.terms):
            yield term, integer_at(f, f.offset(place, number * self.dtype.itemsize, I8), self.dtype, lanes)

    def locate(self, f: Function, place: Value, lanes: int = 1, *, leave: bool = True) -> tuple[Value, Value | None]:
        """How far into the array the windows of `lanes` index vectors start; and whether one is valid (None: it is).

        leave: return 1 from the kernel where a start is out of bounds; else it is known that none is.
        """
        distance = f.const(0, I64.vector(lanes))
        wrong, fits = [], None
        for term, start in self._elements(f, place, lanes):
            if self.bounds == "raise":
                start, sign = self._wrapped(f, start, term)
                wrong.append(sign)
                if not self.can_fail:
                    start = _inside(f, start, term)
            elif self.bounds == "drop":
                fit = f.icmp("ult", start, term.last + 1)
                fits = fit if fits is None else fits & fit
            else:
                start = clamped(f, start, term.last, self.dtype)
            distance = f.add(f.mul(start, term.stride), distance)
        if leave and self.can_fail:
            f.leave_if(_is_wrong(f, _either(f, wrong)), 1)
        return distance, fits

    def check(self, f: Function, indices: Value, count: int) -> None:
        """Return 1 from the kernel if a start of `count` index vectors is out of bounds."""
        if not self.can_fail or count == 0:
            return
        lanes = min(f.module.lanes(I64), self.most_lanes)
        size = len(self.terms) * self.dtype.itemsize
        whole = count // lanes * lanes
        if whole:
            with f.loop(0, whole, lanes, carry=[f.const(0, I64.vector(lanes))]) as loop:
                sign = self._sign(f, f.offset(indices, loop.index * size, I8), lanes)
                loop.next = [loop.carry[0] | sign]
            f.leave_if(_is_wrong(f, loop.results[0]), 1)
        if whole < count:
            with f.loop(whole, count) as rest:
                sign = self._sign(f, f.offset(indices, rest.index * size, I8), 1)
                f.leave_if(_is_wrong(f, sign), 1)

    def _sign(self, f: Function, place: Value, lanes: int) -> Value:
        return _either(f, [self._wrapped(f, start, term)[1] for term, start in self._elements(f, place, lanes)])

    def _wrapped(self, f: Function, start: Value, term: _Term) -> tuple[Value, Value]:
        """A start with negative ones counted from the end, and what is negative where it is out of bounds."""
        if self.from_end:
            start = start + (f.integer("ashr", start, 63) & term.size)
        return start, start | f.sub(f.like(term.last, start), start)


def _inside(f: Function, start: Value, term: _Term) -> Value:
    """A start itself if it is in bounds, and if not any that is: no memory outside the array is touched, whatever comes."""
    last = f.like(term.last, start)
    return f.select(f.icmp("ult", start, last), start, last)


def _either(f: Function, signs: list[Value]) -> Value:
    first, *rest = signs
    for sign in rest:
        first = first | sign
    return first


def _is_wrong(f: Function, sign: Value) -> Value:
    if sign.type.lanes > 1:
        sign = f.intrinsic("vector.reduce.or", sign, result=I64)
    return f.icmp("slt", sign, 0)


# ---- the order of the loops ----


class Loops(Record):
    """Loops over index vectors, and inside them over the elements of a window."""

    outer: list[Axis]
    """Strides in the array, in the windows' array, and of the index vectors."""
    inner: list[Axis]
    """Strides in the array and in the windows' array."""


def loops(windows: Windows, array: ShapedArray, held: Shape, index_bytes: int, *, in_order: bool) -> Loops:
    """In the order in which the windows' array, of shape `held`, lies in memory.

    in_order: for each element of the array, index vectors come in their order, as the last update has to win.
    """
    itemsize = array.dtype.itemsize
    into, beside = byte_strides(array.shape, itemsize), byte_strides(held, itemsize)
    number = {axis: into[i] for i, axis in enumerate(windows.axes) if axis is not None}
    moving = {axis for i, axis in enumerate(windows.axes) if axis is not None and i in windows.starts}
    along = {partner: into[axis] for axis, partner in windows.paired}
    vectors = byte_strides(windows.batch, index_bytes)
    outer: list[Axis] = []
    inner: list[Axis] = []
    batch = 0
    for axis, size in enumerate(held):
        if axis in number:
            stays = any(n != 1 for n in windows.batch[batch:]) and not (in_order and axis in moving)
            here = Axis(size, (number[axis], beside[axis], 0))
            (outer if stays else inner).append(here)
        else:
            outer.append(Axis(size, (along.get(batch, 0), beside[axis], vectors[batch])))
            batch += 1
    return Loops(collapse(outer), collapse([Axis(axis.size, axis.strides[:2]) for axis in inner]))
