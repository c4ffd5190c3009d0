"""Convolutions with few output features: by vectors of places that lie side by side, or of terms.

Of a group with fewer features than half a vector holds, the kernel of `tiles` would compute most in vain: so it is of depthwise
convolutions, and of gradients by images of three colours. A weight
gradient has few places and many terms. Imports the plan and `scalars`; start reading at `write_runs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from functrans.backends.llvm.elements import Element
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, I64, Value
from functrans.backends.llvm.kernels.blocks import Axis, collapse
from functrans.backends.llvm.kernels.convolution.phases import Phase
from functrans.backends.llvm.kernels.convolution.plan import Plan
from functrans.backends.llvm.kernels.convolution.tiles import CHAIN
from functrans.backends.llvm.kernels.product.ring import Ring
from functrans.backends.llvm.scalars import Scalars
from functrans.typing import DType

__all__ = ["write_runs", "write_sums"]

_ACCUMULATORS = 16


# ---- vectors of places ----


def write_runs(
    f: Function, plan: Plan, phase: Phase, planes: Value, tables: Sequence[Value], panel: Value, out: Value, rows: Value
) -> None:
    """All places of `rows` of a phase, a row of the result after the other; the tables are those of rows, results and terms."""
    length, apart = phase.rows[-1].size, phase.rows[-1].strides[1] // plan.ring.bytes
    lanes = min(plan.ring.lanes(f.module), 1 << length.bit_length() - 1)
    vectors = min(max(_ACCUMULATORS // plan.features, 1), -(-length // lanes))
    b, dtype = Scalars(f, lanes), _dtype(plan.ring)
    with f.loop(0, rows, length) as run:
        source, target = (
            f.offset(pointer, f.load(f.offset(table, run.index, I64), I64), I8)
            for pointer, table in ((planes, tables[0]), (out, tables[1]))
        )
        with f.loop(0, length, lanes * vectors) as part:  # vectors that would not fit end with the run
            starts = [f.minimum(part.index + lanes * v, f.index(length - lanes)) for v in range(vectors)]
            sums = iter(_sums(f, plan, phase, lanes, source, starts, tables[2], panel))
            for feature, start in product(range(plan.features), starts):
                to = f.offset(target, feature * plan.feature_steps.right, I8)
                b.store(Element(dtype, (next(sums),)), to, start * apart, apart)


def _sums(
    f: Function,
    plan: Plan,
    phase: Phase,
    lanes: int,
    source: Value,
    starts: Sequence[Value],
    terms: Value,
    panel: Value,
) -> list[Value]:
    """Of each feature the vectors that begin at places of a run; added up chain by chain, as in `tiles`."""
    ring, stride = plan.ring, phase.rows[-1].strides[0] // plan.ring.bytes
    b, dtype = Scalars(f, lanes), _dtype(ring)
    zeros = [f.zero(ring.part.vector(lanes))] * (plan.features * len(starts))
    with f.loop(0, phase.terms, CHAIN, carry=zeros) as chain:
        depth = f.minimum(phase.terms - chain.index, f.index(CHAIN))
        with f.loop(0, depth, carry=zeros, certain=True) as loop:
            number = chain.index + loop.index
            here = f.offset(source, f.load(f.offset(terms, number, I64), I64), I8)
            elements = [b.load(here, dtype, start * stride, stride).value for start in starts]
            weights = f.offset(panel, number * plan.width, ring.part)
            following, old = [], iter(loop.carry)
            for feature in range(plan.features):
                weight = f.splat(f.load(f.offset(weights, feature, ring.part), ring.part), lanes)
                following += [ring.multiply_add(f, weight, x, next(old)) for x in elements]
            loop.next = following
        chain.next = [ring.sum(x, y) for x, y in zip(chain.carry, loop.results, strict=True)]
    return chain.results


def _dtype(ring: Ring) -> DType:
    """One with the bits of the ring's elements."""
    return np.dtype(f"{ring.part.kind}{ring.bytes}")


# ---- vectors of terms ----


def write_sums(
    f: Function,
    plan: Plan,
    phase: Phase,
    planes: Value,
    tables: Sequence[Value],
    windows: Value,
    out: Value,
    rows: Value,
) -> None:
    """All places of `rows` of a phase, some at a time; the tables are those of rows and results."""
    windows = f.offset(windows, phase.term, I8)
    some = min(max(_ACCUMULATORS // plan.features, 1), plan.block * plan.places)
    with f.loop(0, rows, some) as loop:
        numbers = [f.minimum(loop.index + r, rows - 1) for r in range(some)]  # the last row again is computed again
        lefts, to = ([f.load(f.offset(table, number, I64), I64) for number in numbers] for table in tables)
        sums = iter(_Sums(f, plan, phase, lefts).all(planes, windows))
        for place, feature in product(to, range(plan.features)):
            there = f.offset(f.offset(out, place, I8), feature * plan.feature_steps.right, I8)
            f.store(next(sums), there, plan.ring.bytes)


class _Sums:
    def __init__(self, f: Function, plan: Plan, phase: Phase, lefts: Sequence[Value]) -> None:
        self.f, self.plan, self.lefts = f, plan, lefts
        self.lanes = plan.ring.lanes(f.module)
        *self.outer, self.last = collapse(phase.along) or [Axis(1, (0, 0))]

    def all(self, planes: Value, windows: Value) -> list[Value]:
        """For each row and feature the sum over all terms."""
        b, dtype = Scalars(self.f, self.lanes), _dtype(self.plan.ring)
        return [b.reduce_lanes("add", Element(dtype, (x,))).value for x in self._over(self.outer, planes, windows)]

    def _over(self, axes: Sequence[Axis], left: Value, right: Value) -> list[Value]:
        """The sums over some axes, each added up by itself before it is added to the others: so errors stay small."""
        f, ring = self.f, self.plan.ring
        zeros = [f.zero(ring.part.vector(self.lanes))] * (len(self.lefts) * self.plan.features)
        if not axes:
            return self._along(left, right, zeros)
        first, *rest = axes
        with f.loop(0, first.size, carry=zeros, certain=True) as loop:
            here = (f.offset(p, loop.index * step, I8) for p, step in zip((left, right), first.strides, strict=True))
            loop.next = [ring.sum(x, y) for x, y in zip(loop.carry, self._over(rest, *here), strict=True)]
        return loop.results

    def _along(self, left: Value, right: Value, sums: list[Value]) -> list[Value]:
        """Over the last axis: whole vectors, then what is left."""
        whole = self.last.size // self.lanes * self.lanes
        with self.f.loop(0, whole, self.lanes, carry=sums) as loop:
            loop.next = self._vector(left, right, loop.index, self.lanes, loop.carry)
        rest = self.last.size - whole
        return self._vector(left, right, self.f.index(whole), rest, loop.results) if rest else loop.results

    def _vector(self, left: Value, right: Value, at: Value, count: int, sums: Sequence[Value]) -> list[Value]:
        f, plan, ring = self.f, self.plan, self.plan.ring
        b, dtype, stride = Scalars(f, self.lanes, valid=count), _dtype(ring), self.last.strides[0] // ring.bytes
        weights = [
            b.load(f.offset(right, feature * plan.feature_steps.left, I8), dtype, at).value
            for feature in range(plan.features)
        ]
        elements = [b.load(f.offset(left, row, I8), dtype, at * stride, stride).value for row in self.lefts]
        pairs = zip(product(elements, weights), sums, strict=True)
        return [ring.multiply_add(f, x, y, total) for (x, y), total in pairs]
