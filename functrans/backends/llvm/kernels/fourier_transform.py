"""Complex Fourier transforms of 2ᵏ points in vectors, each of whose lanes has a transform of its own until the last step.

Of N = L·M points lane l has the points l, l + L, …: M of them, transformed by steps of radix 4 that sort as they go (Stockham).
Then L results of the lanes are transposed, turned, and transformed across. Real and imaginary parts lie apart meanwhile. Roots of
unity are products of two from small tables. Imports the builder; start reading at `Transform.write`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import cos, pi, sin

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import Type, Value

__all__ = ["FINE", "Complex", "Transform"]

FINE = 64
"""So many roots of unity of the finer table."""

Complex = tuple[Value, Value]
Get = Callable[[Value], Complex]


class Transform:
    """The transform of one vector of `size` points; sign: that of the exponent; all is multiplied by `factor` in the end."""

    def __init__(self, f: Function, kind: Type, size: int, sign: int, factor: float, scratch: Value) -> None:
        self.f, self.kind, self.size = f, kind, size
        self.lanes = f.module.lanes(kind)
        self.vector = kind.vector(self.lanes)
        self.own = size // self.lanes  # points of a lane
        self.sign = sign
        self.factor = factor
        self.buffers = [f.offset(scratch, 2 * size * i, kind) for i in range(2)]
        self.roots = f.offset(scratch, 4 * size, kind)

    @staticmethod
    def room(size: int, lanes: int) -> int:
        """How many numbers it works in: two buffers, and roots of unity."""
        return 4 * size + 2 * size // lanes

    # ---- roots of unity ----

    def root(self, number: int, of: int) -> complex:
        angle = self.sign * 2 * pi * (number % of) / of
        return complex(cos(angle), sin(angle))

    def _table(self, name: str, roots: Sequence[complex]) -> Value:
        values = [part for root in roots for part in (root.real, root.imag)]
        full = f"{name}_{'inverse' if self.sign > 0 else 'roots'}_{self.size}_{self.kind.bits}"
        return self.f.address(self.f.module.table(full, values, self.kind).removeprefix("@"))

    def make_roots(self) -> None:
        """The powers of the first root of unity of what a lane has, real parts and then imaginary ones."""
        f, own = self.f, self.own
        coarse = self._table("coarse", [self.root(i * FINE, own) for i in range(max(own // FINE, 1))])
        fine = [self.root(i, own) for i in range(FINE)]
        with f.loop(0, own, FINE) as block:
            at = f.integer("udiv", block.index, FINE) * 2
            re, im = (f.splat(f.load(f.offset(coarse, at + i, self.kind), self.kind), self.lanes) for i in range(2))
            for start in range(0, FINE, self.lanes):
                some = fine[start : start + self.lanes]
                turned = self.times((re, im), self.constants(some))
                self._put(turned, f.offset(self.roots, block.index + start, self.kind), own)

    def constants(self, roots: Sequence[complex]) -> Complex:
        f = self.f
        return f.vector_const([r.real for r in roots], self.kind), f.vector_const([r.imag for r in roots], self.kind)

    def power(self, number: Value) -> Complex:
        """A root of unity in all lanes."""
        f = self.f
        place = f.offset(self.roots, number, self.kind)
        parts = (place, f.offset(place, self.own, self.kind))
        return f.splat(f.load(parts[0], self.kind), self.lanes), f.splat(f.load(parts[1], self.kind), self.lanes)

    # ---- complex numbers ----

    def times(self, x: Complex, y: Complex) -> Complex:
        f = self.f
        return f.fma(x[0], y[0], -(x[1] * y[1])), f.fma(x[0], y[1], x[1] * y[0])

    def sum(self, x: Complex, y: Complex) -> Complex:
        return x[0] + y[0], x[1] + y[1]

    def difference(self, x: Complex, y: Complex) -> Complex:
        return x[0] - y[0], x[1] - y[1]

    def _quarter(self, x: Complex) -> Complex:
        """Times the root of unity of order 4."""
        return (x[1], -x[0]) if self.sign < 0 else (-x[1], x[0])

    def _get(self, place: Value, apart: int) -> Complex:
        f = self.f
        return (
            f.load(place, self.vector, self.kind.bytes),
            f.load(f.offset(place, apart, self.kind), self.vector, self.kind.bytes),
        )

    def _put(self, x: Complex, place: Value, apart: int) -> None:
        self.f.store(x[0], place, self.kind.bytes)
        self.f.store(x[1], self.f.offset(place, apart, self.kind), self.kind.bytes)

    def get_pairs(self, place: Value) -> Complex:
        """Complex numbers whose parts lie side by side."""
        f, lanes = self.f, self.lanes
        first, second = self._get(place, lanes)
        return (
            f.shuffle(first, second, range(0, 2 * lanes, 2)),
            f.shuffle(first, second, range(1, 2 * lanes, 2)),
        )

    def put_pairs(self, x: Complex, place: Value) -> None:
        f, lanes = self.f, self.lanes
        order = [i // 2 + lanes * (i % 2) for i in range(2 * lanes)]
        self._put((f.shuffle(*x, order[:lanes]), f.shuffle(*x, order[lanes:])), place, lanes)

    # ---- the steps ----

    def write(self, x: Value, out: Value) -> None:
        n, stride, source, is_first = self.own, self.lanes, x, True
        turn = 0
        while n > 1:
            target = self.buffers[turn % 2]
            get = partial(self._from_pairs, source) if is_first else partial(self._from_parts, source)
            if n % 4:
                self._halve(get, target, stride)
                n, stride = n // 2, stride * 2
            else:
                self._quarters(get, target, n, stride)
                n, stride = n // 4, stride * 4
            source, is_first, turn = target, False, turn + 1
        with self.f.loop(0, self.own, self.lanes) as block:
            self._across(source, block.index, out)

    def _from_pairs(self, source: Value, number: Value) -> Complex:
        return self.get_pairs(self.f.offset(source, number * 2, self.kind))

    def _from_parts(self, source: Value, number: Value) -> Complex:
        return self._get(self.f.offset(source, number, self.kind), self.size)

    def _halve(self, get: Get, target: Value, stride: int) -> None:
        """The last step of an odd number of twos."""
        f = self.f
        with f.loop(0, stride, self.lanes) as q:
            a, b = get(q.index), get(q.index + stride)
            for i, found in enumerate((self.sum(a, b), self.difference(a, b))):
                self._put(found, f.offset(target, q.index + i * stride, self.kind), self.size)

    def _quarters(self, get: Get, target: Value, n: int, stride: int) -> None:
        """A step of radix 4 of transforms of n points, `stride` of which are woven into each other."""
        f = self.f
        with f.loop(0, n // 4) as p:
            turns = [self.power(p.index * (k * (self.own // n))) for k in (1, 2, 3)]
            with f.loop(0, stride, self.lanes) as q:
                here = p.index * stride + q.index
                a, b, c, d = (get(here + k * (n // 4 * stride)) for k in range(4))
                even, odd = self.sum(a, c), self.sum(b, d)
                less, turned = self.difference(a, c), self._quarter(self.difference(b, d))
                found = [
                    self.sum(even, odd),
                    self.times(self.sum(less, turned), turns[0]),
                    self.times(self.difference(even, odd), turns[1]),
                    self.times(self.difference(less, turned), turns[2]),
                ]
                to = p.index * (4 * stride) + q.index
                for k, one in enumerate(found):
                    self._put(one, f.offset(target, to + k * stride, self.kind), self.size)

    # ---- across lanes ----

    def _across(self, source: Value, first: Value, out: Value) -> None:
        """As many results as there are lanes, of all lanes: transposed, turned, and transformed across."""
        f, lanes = self.f, self.lanes
        rows = [self._from_parts(source, (first + i) * lanes) for i in range(lanes)]
        parts = [self._transposed([row[i] for row in rows]) for i in range(2)]
        number = f.integer("udiv", first, lanes)
        values: list[Complex] = []
        for lane, value in enumerate(zip(*parts, strict=True)):
            if lane:
                fine = self.constants([self.root(lane * i, self.size) for i in range(lanes)])
                value = self.times(value, self.times(self.power(number * lane), fine))
            values.append(value)
        for i, value in enumerate(self._small(values)):
            if self.factor != 1:
                scale = f.const(self.factor, self.vector)
                value = value[0] * scale, value[1] * scale
            self.put_pairs(value, f.offset(out, (first + i * self.own) * 2, self.kind))

    def _transposed(self, rows: Sequence[Value]) -> list[Value]:
        """Square matrices of vectors, by exchanging blocks of halved size."""
        rows, lanes, half = list(rows), self.lanes, self.lanes // 2
        while half:
            low = [i if not i & half else lanes + i - half for i in range(lanes)]
            high = [i + half if not i & half else lanes + i for i in range(lanes)]
            for i in range(lanes):
                if not i & half:
                    x, y = rows[i], rows[i + half]
                    rows[i], rows[i + half] = self.f.shuffle(x, y, low), self.f.shuffle(x, y, high)
            half //= 2
        return rows

    def _small(self, values: Sequence[Complex]) -> list[Complex]:
        """The transform across a few values."""
        n = len(values)
        if n == 1:
            return list(values)
        even, odd = self._small(values[::2]), self._small(values[1::2])
        turned = [self._turned(x, k, n) for k, x in enumerate(odd)]
        return [
            *(self.sum(a, b) for a, b in zip(even, turned, strict=True)),
            *(self.difference(a, b) for a, b in zip(even, turned, strict=True)),
        ]

    def _turned(self, x: Complex, k: int, n: int) -> Complex:
        if k == 0:
            return x
        if 4 * k == n:
            return self._quarter(x)
        return self.times(x, self.constants([self.root(k, n)] * self.lanes))
