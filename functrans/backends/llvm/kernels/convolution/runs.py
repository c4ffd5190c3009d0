"""Convolutions with few output features: by vectors of places that lie side by side, or of terms.

Of a group with fewer features than a vector holds, the kernel of `tiles` would compute much in vain: so it is of depthwise
convolutions, and of gradients by images of three colours. A weight gradient has few places and many terms.

Imports the plan and `scalars`; start reading at `write_runs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from functrans.backends.llvm.elements import Element
from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import I8, I64, PTR, Module, Value
from functrans.backends.llvm.kernels.blocks import Axis, collapse
from functrans.backends.llvm.kernels.convolution.phases import Phase
from functrans.backends.llvm.kernels.convolution.plan import Plan
from functrans.backends.llvm.kernels.convolution.tiles import CHAIN
from functrans.backends.llvm.kernels.product.ring import Ring
from functrans.backends.llvm.scalars import Scalars
from functrans.typing import DType

__all__ = ["write_runs", "write_sums"]

_ACCUMULATORS = 16
_TOGETHER = 8
"""Features of which sums are kept at once, at most: then each is multiplied with two vectors of places."""

_PARAMS = (
    ("planes", PTR), ("rows", PTR), ("outs", PTR), ("terms", PTR), ("count", I64), ("panel", PTR), ("out", PTR),
    ("feature_step", I64), ("height", I64),
)  # fmt: skip


# ---- vectors of places ----


def write_runs(
    f: Function, plan: Plan, phase: Phase, planes: Value, tables: Sequence[Value], panel: Value, out: Value, rows: Value
) -> None:
    """All places of `rows` of a phase, a row of the result after the other; the tables are those of rows, results and terms."""
    step = f.index(plan.feature_steps.right)
    f.call(_runs(f.module, plan, phase), planes, *tables, f.index(phase.terms), panel, out, step, rows)


def _runs(module: Module, plan: Plan, phase: Phase) -> Function:
    """`(planes, rows, outs, terms, count, panel, out, feature step, height)`, as `tiles` has it; one for all phases alike."""
    ring, last = plan.ring, phase.rows[-1]
    stride, apart = (step // ring.bytes for step in last.strides)
    name = f"runs_{ring.name}_{plan.features}x{last.size}_{plan.width}_{stride}_{apart}"
    return module.shared(name, lambda: _Runs(module, name, plan, last.size, stride, apart).write())


class _Runs:
    def __init__(self, module: Module, name: str, plan: Plan, length: int, stride: int, apart: int) -> None:
        self.f = Function(module, name, _PARAMS)
        self.given = {name: arg for (name, _), arg in zip(_PARAMS, self.f.args, strict=True)}
        self.plan, self.ring = plan, plan.ring
        self.length, self.stride, self.apart = length, stride, apart
        """Places of a row, and from one to the next as images are read and in the result, in elements."""
        self.lanes = min(plan.ring.lanes(module), 1 << length.bit_length() - 1)
        self.b, self.dtype = Scalars(self.f, self.lanes), _dtype(plan.ring)
        self.together = -(-plan.features // -(-plan.features // _TOGETHER))
        """Features that are computed at once."""

    def write(self) -> Function:
        f, given, lanes, features = self.f, self.given, self.lanes, range(self.together)
        vectors = min(max(_ACCUMULATORS // len(features), 1), -(-self.length // lanes))
        with f.loop(0, given["height"], self.length) as run:
            source, target = (
                f.offset(given[base], f.load(f.offset(given[table], run.index, I64), I64), I8)
                for base, table in (("planes", "rows"), ("out", "outs"))
            )
            count = self.plan.features
            with f.loop(0, count, len(features)) as some, f.loop(0, self.length, lanes * vectors) as part:
                first = f.minimum(
                    some.index, f.index(count - len(features))
                )  # those that would not fit end with the last
                starts = [f.minimum(part.index + lanes * v, f.index(self.length - lanes)) for v in range(vectors)]
                sums = iter(self._sums(source, starts, first))
                for feature, start in product(features, starts):
                    to = f.offset(target, given["feature_step"] * (first + feature), I8)
                    self.b.store(Element(self.dtype, (next(sums),)), to, start * self.apart, self.apart)
        f.ret()
        return f

    def _sums(self, source: Value, starts: Sequence[Value], first: Value) -> list[Value]:
        """Of each feature the vectors that begin at places of a run; added up chain by chain, as in `tiles`."""
        f, ring, given = self.f, self.ring, self.given
        zeros = [f.zero(ring.part.vector(self.lanes))] * (self.together * len(starts))
        with f.loop(0, given["count"], CHAIN, carry=zeros) as chain:
            depth = f.minimum(given["count"] - chain.index, f.index(CHAIN))
            with f.loop(0, depth, carry=zeros, certain=True) as loop:
                number = chain.index + loop.index
                here = f.offset(source, f.load(f.offset(given["terms"], number, I64), I64), I8)
                elements = [self.b.load(here, self.dtype, start * self.stride, self.stride).value for start in starts]
                weights = f.offset(given["panel"], number * self.plan.width + first, ring.part)
                following, old = [], iter(loop.carry)
                for feature in range(self.together):
                    weight = f.splat(f.load(f.offset(weights, feature, ring.part), ring.part), self.lanes)
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
