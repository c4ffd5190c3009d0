"""Numbers laid out for vectors of features, and back: rows of images, and windows. `[place][lanes]` is how they lie then.

What lies feature by feature is transposed, by functions that are compiled once. Imports the plan and `packing`; start reading at
`gather_rows`, then `scatter`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import F32, I64, PTR, Module, Value
from functrans.backends.llvm.kernels.product.packing import copier, transposer, turned
from functrans.backends.llvm.kernels.product.ring import Ring
from functrans.backends.llvm.kernels.winograd.plan import Picture, Plan
from functrans.backends.llvm.once import compiled_once

__all__ = ["gather", "gather_rows", "scatter"]

_GROUP = 4
"""Places of which squares are transposed: 16 bytes."""


# ---- runs of places ----


def gather(
    f: Function, ring: Ring, width: int, of: Value, steps: tuple[int, int], count: Value, k: Value | int, to: Value
) -> None:
    """Of `count` features k places: their steps are given, of which one is 1. Features past the last are any numbers.

    It may write as many places further as a vector has lanes.
    """
    feature, place = steps
    is_apart = place == 1
    known = (transposer if is_apart else copier)(f.module, ring, width)
    f.call_symbol(known, None, of, f.index(feature if is_apart else place), count, f.like(k, count), to)


def scatter(
    f: Function, ring: Ring, lanes: int, of: Value, count: Value, k: Value | int, to: Value, steps: tuple[int, int]
) -> None:
    """The reverse: `count` ≤ lanes features of k places, to where they belong."""
    feature, place = steps
    if place != 1:
        with f.loop(0, k) as loop:
            there = f.offset(to, loop.index * place, F32)
            f.copy(there, f.offset(of, loop.index * lanes, F32), count * ring.bytes)
        return
    name = f"functrans_winograd_{ring.name}_turn_{lanes}"
    known = compiled_once(f.module, name, lambda module: _turn(module, name, ring, lanes))
    f.call_symbol(known, None, of, f.index(feature), count, f.like(k, count), to)


def _turn(module: Module, name: str, ring: Ring, lanes: int) -> Function:
    """Squares of 16 bytes, the last of which overlap; of fewer places one by one."""
    params = [("from", PTR), ("step", I64), ("count", I64), ("k", I64), ("to", PTR)]
    f = Function(module, name, params, exported=True, noalias=("from", "to"))
    of, step, count, k, to = f.args
    group = min(_GROUP, lanes)
    with f.when(f.icmp("slt", k, group)) as branch:
        with f.loop(0, k) as place, f.loop(0, count) as feature:
            x = f.load(f.offset(of, place.index * lanes + feature.index, F32), F32)
            f.store(x, f.offset(to, feature.index * step + place.index, F32))
        branch.otherwise()
        whole = f.integer("and", count, -group)
        with f.loop(0, k, group) as loop:
            start = f.minimum(loop.index, k - group)
            source, target = f.offset(of, start * lanes, F32), f.offset(to, start, F32)
            with f.loop(0, whole, group) as features:
                rows = [
                    f.load(f.offset(source, features.index + place * lanes, F32), ring.part.vector(group), ring.bytes)
                    for place in range(group)
                ]
                for i, column in enumerate(turned(f, rows, 1)):
                    f.store(column, f.offset(target, (features.index + i) * step, F32), ring.bytes)
            with f.loop(whole, count) as feature, f.loop(0, group) as place:
                x = f.load(f.offset(source, place.index * lanes + feature.index, F32), F32)
                f.store(x, f.offset(target, feature.index * step + place.index, F32))
    return f


# ---- rows of images ----


def gather_rows(
    f: Function, plan: Plan, picture: Picture, image: Value, block: Value, row: Value, size: tuple[int, int], to: Value
) -> None:
    """So many rows and columns of a vector of features, among zeros, the rows from one on. Where the image has a stride,
    features are those of every s-th row and column."""
    height, width = size
    strided = plan.kind == "places" or picture is plan.left
    stride, before = (plan.stride, plan.before[1]) if strided else (1, 0)
    inside = _Inside(f, plan, picture, stride, before, width, f.offset(to, height * width * plan.lanes, F32))
    with f.loop(0, height) as loop:
        there = f.offset(to, loop.index * (width * plan.lanes), F32)
        inside.row(image, block, row + loop.index * stride, there)


class _Inside:
    """Of each row a part lies inside of the image: some columns from one on, after so many of zeros."""

    def __init__(
        self, f: Function, plan: Plan, picture: Picture, stride: int, before: int, width: int, line: Value
    ) -> None:
        self.f, self.plan, self.picture, self.stride = f, plan, picture, stride
        self.width = width * stride
        self.zeros, self.first = max(before, 0), max(-before, 0)
        self.count = max(min(picture.sizes[3] - self.first, self.width - self.zeros), 0)
        self.line = line
        """Room for a row of an image."""

    def row(self, image: Value, block: Value, row: Value, to: Value) -> None:
        if self.stride > 1:
            self._strided(image, block, row, to)
            return
        f, lanes, (_, feature, _, place) = self.f, self.plan.lanes, self.picture.steps
        first = block * lanes
        with self._where(row, lambda: self._fill(to, 0, self.width * lanes)):
            of = f.offset(self._at(image, row), first * feature, F32)
            count = f.minimum(self.picture.sizes[1] - first, f.index(lanes))
            start = f.offset(to, self.zeros * lanes, F32)
            gather(f, self.plan.ring, lanes, of, (feature, place), count, self.count, start)
            self._edges(to, lanes)

    def _strided(self, image: Value, block: Value, row: Value, to: Value) -> None:
        """Pieces of s numbers of a row become s features of a place."""
        f, lanes, s = self.f, self.plan.lanes, self.stride
        with f.loop(0, lanes // s) as loop:
            number = block * (lanes // s) + loop.index
            feature, below = f.integer("sdiv", number, s), f.integer("srem", number, s)
            inside = f.icmp("slt", feature, self.picture.sizes[1])
            with self._where(row + below, lambda: self._fill(self.line, 0, self.width), inside):
                of = f.offset(self._at(image, row + below), feature * self.picture.steps[1], F32)
                f.copy(f.offset(self.line, self.zeros, F32), of, f.index(self.count * self.plan.ring.bytes))
                self._edges(self.line, 1)
            piece = F32.vector(s)
            with f.loop(0, self.width // s) as place:
                x = f.load(f.offset(self.line, place.index * s, F32), piece, F32.bytes)
                f.store(x, f.offset(to, place.index * lanes + loop.index * s, F32), F32.bytes)

    def _at(self, image: Value, row: Value) -> Value:
        _, _, down, place = self.picture.steps
        return self.f.offset(image, row * down + self.first * place, F32)

    @contextmanager
    def _where(self, row: Value, other: Callable[[], None], also: Value | None = None) -> Iterator[None]:
        """What is written inside runs for a row of the image, if there is anything of it; `other` for one of zeros."""
        inside = self.f.icmp("ult", row, self.picture.sizes[2])
        with self.f.when(inside if also is None else inside & also) as branch:
            yield
            branch.otherwise()
            other()

    def _edges(self, to: Value, each: int) -> None:
        end = self.zeros + self.count
        self._fill(to, 0, self.zeros * each)
        self._fill(to, end * each, (self.width - end) * each)

    def _fill(self, to: Value, start: int, count: int) -> None:
        if count:
            self.f.fill(self.f.offset(to, start, F32), 0, self.f.index(count * F32.bytes))
