"""Arrays of a few elements in registers, and new arrangements of their elements.

An array is cut, in C order, into vectors of as many lanes as a register has of the widest elements, so that arrays of all
dtypes are cut alike; lanes after the last element repeat it. The elements of a very short array are on their own: to take one
out of a vector would be most of the work. Imports `scalars`; start reading at `Registers.arranged`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from functrans.backends.llvm.elements import Element
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import Value
from functrans.backends.llvm.reductions import flat, unflat
from functrans.backends.llvm.scalars import Scalars
from functrans.backends.llvm.target import Target
from functrans.core.aval import ShapedArray
from functrans.record import NamedTuple
from functrans.typing import DType

__all__ = ["SHORT", "Numbers", "Place", "Registers", "Run", "width_of"]

_WIDEST = 8
"""Bytes of the widest elements, and of the parts of complex ones."""
SHORT = 4
"""Elements of an array that is not cut into vectors."""


def width_of(target: Target, size: int) -> int:
    """The lanes of a whole vector of an array of a size."""
    return target.vector_bytes // _WIDEST if size > SHORT else 1


class Run(NamedTuple):
    """The elements that one vector holds."""

    start: int
    valid: int
    lanes: int
    """A power of two."""


class Numbers(NamedTuple):
    """The elements of an array, in C order."""

    size: int
    dtype: DType
    runs: tuple[Element, ...]
    """None, of an array that is too long to be kept."""
    place: Value | None = None
    """Where the array lies in memory, if it does not change."""


Place: TypeAlias = tuple[Numbers, int]
"""An element of an array, by its number."""


class Registers:
    """Makes and moves arrays in a function."""

    most = 128
    """Elements of an array: more than that does not stay in registers."""

    def __init__(self, f: Function, warnings: Value) -> None:
        self.f = f
        self._warnings = warnings
        self._kept: dict[tuple[tuple[str, ...], tuple[int, ...]], Numbers] = {}
        self._keeps = False

    def scalars(self, run: Run) -> Scalars:
        """What computes with one run."""
        return Scalars(self.f, run.lanes, valid=run.valid, warnings=self._warnings)

    def runs(self, size: int) -> list[Run]:
        """How an array of a size is cut."""
        width = width_of(self.f.module.target, size)
        counts = ((start, min(width, size - start)) for start in range(0, size, width))
        return [Run(start, valid, 1 << (valid - 1).bit_length()) for start, valid in counts]

    # ---- memory ----

    def load(self, place: Value, aval: ShapedArray) -> Numbers:
        runs = self.runs(aval.size) if aval.size <= self.most else []
        loaded = [self._padded(self.scalars(run).load(place, aval.dtype, run.start), run) for run in runs]
        return Numbers(aval.size, aval.dtype, tuple(loaded), place)

    def _padded(self, x: Element, run: Run) -> Element:
        if run.valid == run.lanes:
            return x
        order = [min(lane, run.valid - 1) for lane in range(run.lanes)]
        return Element(x.dtype, tuple(self.f.shuffle(part, part, order) for part in x.parts))

    def store(self, numbers: Numbers, place: Value) -> None:
        for run, x in zip(self.runs(numbers.size), numbers.runs, strict=True):
            self.scalars(run).store(x, place, run.start)

    # ---- arrangements ----

    def constants(self, values: Iterable[complex], dtype: DType) -> Numbers:
        """An array of numbers that are known."""
        one = self.scalars(*self.runs(1))
        ones = [Numbers(1, dtype, (one.constant(value, dtype),)) for value in values]
        return self.arranged([(number, 0) for number in ones], dtype)

    def taken(self, numbers: Numbers, indices: Iterable[int]) -> Numbers:
        """Some of the elements of an array: those that are at hand, where they are (see `keeping`)."""
        places = tuple(map(int, indices))
        key = (tuple(part.text for x in numbers.runs for part in x.parts), places)
        found = self._kept.get(key)
        if found is None:
            found = self.arranged([(numbers, i) for i in places], numbers.dtype)
            if self._keeps:
                self._kept[key] = found
        return found

    @contextmanager
    def lasting(self) -> Iterator[None]:
        """What is kept inside is at hand until the end."""
        before = self._kept
        self._kept = dict(before)
        yield
        self._kept = before

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Elements that are taken inside are kept: they are not taken again, say in every turn of a loop that comes after."""
        self._keeps = True
        yield
        self._keeps = False

    def arranged(self, places: Sequence[Place], dtype: DType) -> Numbers:
        """An array of elements of others."""
        runs = [self._run(places[run.start : run.start + run.valid], run) for run in self.runs(len(places))]
        return Numbers(len(places), dtype, tuple(runs))

    def _run(self, places: Sequence[Place], run: Run) -> Element:
        places = [*places, *[places[-1]] * (run.lanes - run.valid)]
        found = [self._found(numbers, i) for numbers, i in places]
        first, _ = found[0]
        parts = range(len(first.parts))
        return Element(first.dtype, tuple(self._vector([(x.parts[k], lane) for x, lane in found]) for k in parts))

    def _found(self, numbers: Numbers, number: int) -> tuple[Element, int]:
        """The vector and the lane of an element."""
        run, lane = divmod(number, width_of(self.f.module.target, numbers.size))
        return numbers.runs[run], lane

    def _vector(self, found: Sequence[tuple[Value, int]]) -> Value:
        """Lanes of vectors as one."""
        f, lanes = self.f, [lane for _, lane in found]
        (first, lane), *_ = found
        sources = list({x.text: x for x, _ in found}.values())
        if len(sources) == 1 and lanes == list(range(first.type.lanes)):
            return first
        if len(sources) == 1 and len({*lanes}) == 1:
            return f.splat(f.extract(first, lane), len(lanes))
        if len(sources) <= 2 and first.type.lanes > 1 and all(x.type is first.type for x in sources):
            from_second = first.type.lanes
            return f.shuffle(
                first, sources[-1], [lane if x.text == first.text else from_second + lane for x, lane in found]
            )
        result = f.undefined(first.type.scalar.vector(len(lanes)))
        for i, (x, lane) in enumerate(found):
            result = f.insert(result, f.extract(x, lane), i)
        return result

    # ---- what goes from block to block ----

    @staticmethod
    def values(arrays: Sequence[Numbers]) -> list[Value]:
        """Arrays as values of LLVM."""
        return flat([x for numbers in arrays for x in numbers.runs])

    @staticmethod
    def numbers(values: Sequence[Value], like: Sequence[Numbers]) -> list[Numbers]:
        """The reverse, for arrays that are like others."""
        elements = iter(unflat(values, [x for numbers in like for x in numbers.runs]))
        return [numbers._replace(runs=tuple(next(elements) for _ in numbers.runs), place=None) for numbers in like]
