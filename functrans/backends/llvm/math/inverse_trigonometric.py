"""asin, acos, atan and atan2 of floats and doubles: within 1.2 ULP.

Imports `rare`, `polynomial` and `floats`; start reading at `acos` and at `_angle`, which atan and atan2 share. The polynomials
are minimax, fitted with mpmath for this file.
"""

from __future__ import annotations

from fractions import Fraction

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import Value
from functrans.backends.llvm.math.floats import absolute, at_most, format_of, with_sign
from functrans.backends.llvm.math.polynomial import (
    Pair,
    horner_by_pairs,
    multiply_add,
    pair_quotient,
    parts,
    quick_two_sum,
    two_sum,
)
from functrans.backends.llvm.math.rare import called

__all__ = ["acos", "asin", "atan", "atan2"]

PI = Fraction("3.141592653589793238462643383279502884197169399375105820974944592307816406286")

# (asin(s) - s) / s³ in s², |s| <= 1/2: errors of 2**-27.2 and 2**-58.3 of asin(s)
_ASIN = {
    32: (0.16666752099990845, 0.07495288550853729, 0.04547161981463432, 0.024172866716980934, 0.04217839986085892),
    64: (
        0.1666666666666676, 0.07499999999970683, 0.04464285717473362, 0.03038194270149601, 0.02237221517652238,
        0.017351608419440626, 0.013980865977772226, 0.01139852177831804, 0.010782544021334061, 0.003697374254918718,
        0.021730332185833985, -0.021032696691616407, 0.03265041946285365,
    ),
}  # fmt: skip
# (atan(t) - t) / t³ in t², |t| <= tan(π/8): errors of 2**-28.3 and 2**-58.6 of atan(t)
_ATAN = {
    32: (-0.33333316445350647, 0.199984610080719, -0.14243312180042267, 0.10592085123062134, -0.06073619797825813),
    64: (
        -0.3333333333333319, 0.19999999999952398, -0.14285714280076683, 0.11111110777471388, -0.09090897585706094,
        0.0769205715696812, -0.06663069286366981, 0.058476361376884285, -0.050381622209334176, 0.038035475586315384,
        -0.017875283539546673,
    ),
}  # fmt: skip
_TAN_PI_8 = 0.41421356237309503


def _asin_tail(f: Function, x: Value) -> tuple[Value, Value, Value]:
    """Whether |x| > 1/2, s = |x| or else sqrt((1 - |x|) / 2), and (asin(s) - s) / s."""
    size = absolute(f, x)
    large = f.fcmp("ogt", size, 0.5)
    square = f.select(large, (1.0 - size) * 0.5, size * size)
    tail = square * horner_by_pairs(f, square, _ASIN[x.type.bits])
    return large, f.select(large, f.intrinsic("sqrt", square), size), tail


def asin(f: Function, x: Value) -> Value:
    """Elementwise inverse sine: asin(|x|) = π/2 - 2 asin(sqrt((1 - |x|) / 2)) beyond 1/2. NaN beyond 1."""
    large, s, tail = _asin_tail(f, x)
    high, low = parts(PI / 2, x.type)
    twice = s * -2.0
    rest = quick_two_sum(f, f.like(high, x), twice)
    far = rest.high + (rest.low + multiply_add(f, twice, tail, low))
    return with_sign(f, f.select(large, far, multiply_add(f, s, tail, s)), x)


def acos(f: Function, x: Value) -> Value:
    """Elementwise inverse cosine: π/2 - asin(x), beyond 1/2 as 2 asin(sqrt((1 - |x|) / 2)) or π less that. NaN beyond 1."""
    large, s, tail = _asin_tail(f, x)
    negative = f.fcmp("olt", x, 0.0)
    (half, half_low), (whole, whole_low) = parts(PI / 2, x.type), parts(PI, x.type)
    base = f.select(large, f.select(negative, whole, f.zero(x.type)), half)
    base_low = f.select(large, f.select(negative, whole_low, f.zero(x.type)), half_low)
    leading = f.select(large, with_sign(f, s + s, x), -x)
    total = quick_two_sum(f, base, leading)
    return total.high + (total.low + multiply_add(f, leading, tail, base_low))


def atan(f: Function, x: Value) -> Value:
    """Elementwise inverse tangent."""
    size = at_most(f, absolute(f, x), 2.0**60)  # beyond, π/2 is what the result rounds to
    return with_sign(f, _angle(f, size, f.like(1.0, x), None), x)


def atan2(f: Function, y: Value, x: Value) -> Value:
    """Elementwise angle of the point (x, y), from -π to π; -0 counts as negative."""
    return called(f, "math.atan2", _atan2, y, x)


def _atan2(f: Function, y: Value, x: Value) -> Value:
    negative = f.icmp("slt", f.bits(x), 0)
    over, under = _scaled(f, absolute(f, y), absolute(f, x))
    angle = with_sign(f, _angle(f, over, under, negative), y)
    return f.select(f.fcmp("uno", x, y), x + y, angle)


def _scaled(f: Function, y: Value, x: Value) -> tuple[Value, Value]:
    """Two sizes by one power of two, such that the larger is near 1 (2**-51 at least); x is made positive."""
    like = format_of(x)
    largest = f.select(f.fcmp("ogt", y, x), y, x)
    infinite = f.fcmp("oeq", largest, float("inf"))
    one, zero = f.const(1.0, x.type), f.zero(x.type)
    y, x, largest = (
        f.select(infinite, f.select(f.fcmp("oeq", size, float("inf")), one, zero), size) for size in (y, x, largest)
    )
    exponent = f.maximum(f.bits(largest) & like.exponent_mask, f.const(1 << like.fraction, y.type.integer()))
    scale = f.from_bits(like.exponent_mask - exponent)
    return y * scale, multiply_add(f, x, scale, like.smallest_normal)


def _angle(f: Function, y: Value, x: Value, negative: Value | None) -> Value:
    """The angle of the point (x, y) in the first quadrant, or of (-x, y) where `negative`; the larger is near 1.

    It is atan(t), at most π/8 in size, from 0, π/4 or π/2 on: t = y/x, (y - x)/(y + x) or -x/y. Source: S. Moshier,
    Cephes, atan.c, with the quotient and the sums in pairs.
    """
    low, high = f.fcmp("ole", y, x * _TAN_PI_8), f.fcmp("ogt", y * _TAN_PI_8, x)
    zero = f.zero(y.type)

    def choose(first: Value, middle: Value, last: Value) -> Value:
        return f.select(low, first, f.select(high, last, middle))

    difference, total = two_sum(f, y, -x), two_sum(f, y, x)
    over = Pair(choose(y, difference.high, -x), choose(zero, difference.low, zero))
    under = Pair(choose(x, total.high, y), choose(zero, total.low, zero))
    t = pair_quotient(f, over, under)
    if negative is not None:
        t = Pair(f.select(negative, -t.high, t.high), f.select(negative, -t.low, t.low))

    def start(part: int) -> Value:
        """Of 0, π/4 and π/2, or of π, 3π/4 and π/2 where `negative`: the high or the low part."""
        there, back = (
            [f.const(parts(PI * k / 4, y.type)[part], y.type) for k in row] for row in ((0, 1, 2), (4, 3, 2))
        )
        if negative is None:
            return choose(*there)
        return choose(*(f.select(negative, far, near) for far, near in zip(back, there, strict=True)))

    square = t.high * t.high
    tail = multiply_add(f, t.high * square, horner_by_pairs(f, square, _ATAN[y.type.bits]), t.low)
    angle = quick_two_sum(f, start(0), t.high)
    return angle.high + (angle.low + (start(1) + tail))
