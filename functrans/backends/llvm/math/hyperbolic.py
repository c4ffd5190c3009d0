"""sinh, cosh, tanh, the logistic function and logaddexp. Imports `exponential`, `floats`, `logarithm` and `polynomial`.

x = n ln 2 + r as for exp. With S = 2**n, exp(x) = S + S r + S v, where v = r² q(r) is small: what is added to it or taken from
it is summed with what the additions lose, and quotients are corrected by their remainder. Start reading at `tanh`.
"""

from __future__ import annotations

from math import inf

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import Value
from functrans.backends.llvm.math.exponential import (
    exp2_as_pair,
    exp_as_pair,
    exp_of_limited,
    reduced,
    reduced_once,
    tail_of_exp,
)
from functrans.backends.llvm.math.floats import absolute, at_most, format_of, power_of_two, with_sign
from functrans.backends.llvm.math.logarithm import log1p_of_fraction, log2_of_one_plus_fraction
from functrans.backends.llvm.math.polynomial import (
    Pair,
    horner,
    multiply_add,
    quick_two_sum,
    remainder,
    two_sum,
)
from functrans.record import Record

__all__ = ["cosh", "logaddexp", "logaddexp2", "logistic", "logistic_difference", "quotient", "sinh", "tanh"]

# (sinh(r) - r) / r³ and (cosh(r) - 1) / r² in r² on |r| <= 0.347: both err by less than 2^-29 and 2^-57 of sinh and cosh.
_SINH_TAIL = {
    32: (0.1666666716337204, 0.008333289064466953, 0.00019905075896531343),
    64: (
        0.16666666666666677, 0.00833333333332153, 0.00019841269886402982, 2.75572439097166e-06, 2.5109148076736517e-08,
    ),
}  # fmt: skip
_COSH_TAIL = {
    32: (0.5, 0.041666265577077866, 0.0013946333201602101),
    64: (
        0.5000000000000013, 0.04166666666651319, 0.001388888894757689, 2.4801489371102854e-05, 2.7631483196036735e-07,
    ),
}  # fmt: skip

# Where tanh is 1 after rounding, and just beyond where sinh and cosh are infinite.
_TANH_IS_ONE = {32: 9.1, 64: 19.1}
_SINH_IS_INFINITE = {32: 89.5, 64: 710.5}


def quotient(f: Function, over: Pair, under: Pair) -> Value:
    """over / under, rounded almost correctly."""
    inverse = 1.0 / under.high
    ratio = over.high * inverse
    left = remainder(f, over.high, ratio, under.high) + multiply_add(f, -ratio, under.low, over.low)
    return multiply_add(f, left, inverse, ratio)


def tanh(f: Function, x: Value) -> Value:
    """The hyperbolic tangent: q = M / (M + 1) with M = (exp(2 |x|) - 1) / 2, M and the sum with what rounding them lost.

    d is the derivative of M / (M + 1) by M + 1, and 1 - q that by M: both divided by M + 1, as q is.
    """
    size = at_most(f, absolute(f, x), _TANH_IS_ONE[x.type.bits])
    n, r = reduced_once(f, size + size)
    scale = power_of_two(f, n.bits - 1)
    less = scale - 0.5
    high = multiply_add(f, scale, r, less)
    square = r * r
    rest = multiply_add(f, scale, r, less - high)
    rest = multiply_add(f, scale * square, tail_of_exp(f, r, square), rest)
    m = quick_two_sum(f, high, rest)
    under = m.high + 1.0
    q = m.high / under
    d = multiply_add(f, -q, (m.high - (under - 1.0)) + m.low, m.low)
    return with_sign(f, at_most(f, multiply_add(f, d, 1.0 - q, q), 1.0), x)  # close to 1, 1 - q is too coarse


# ---- sinh and cosh ----


class _Parts(Record):
    """Of x = n ln 2 + r: r, sinh(r) - r and cosh(r) - 1, and the halves of cosh(n ln 2) and sinh(n ln 2)."""

    r: Pair
    sinh_tail: Value
    cosh_tail: Value
    half_cosh: Pair
    half_sinh: Pair


def _parts(f: Function, size: Value) -> _Parts:
    n, r = reduced(f, at_most(f, size, _SINH_IS_INFINITE[size.type.bits]))
    square = r.high * r.high
    sinh_tail = r.high * square * horner(f, square, _SINH_TAIL[size.type.bits])
    cosh_tail = square * horner(f, square, _COSH_TAIL[size.type.bits])
    growing = power_of_two(f, n.bits - 2)
    falling = 0.0625 / growing
    half_cosh, half_sinh = quick_two_sum(f, growing, falling), quick_two_sum(f, growing, -falling)
    return _Parts(r, sinh_tail, cosh_tail, half_cosh, half_sinh)


def _total(f: Function, large: Pair, slope: Value, r: Pair, tail: Value) -> Value:
    """Twice large + slope r + tail; doubled last, so that it overflows where it should."""
    total = multiply_add(f, r.high, slope, large.high)
    lost = multiply_add(f, r.high, slope, large.high - total) + large.low
    half = total + (lost + multiply_add(f, r.low, slope, tail))
    return half + half


def sinh(f: Function, x: Value) -> Value:
    """The hyperbolic sine: sinh(r) cosh(n ln 2) + cosh(r) sinh(n ln 2)."""
    size = absolute(f, x)
    p = _parts(f, size)
    tail = multiply_add(f, p.sinh_tail, p.half_cosh.high, p.cosh_tail * p.half_sinh.high)
    result = _total(f, p.half_sinh, p.half_cosh.high, p.r, tail)
    tiny = f.fcmp("olt", size, 2.0 ** -(format_of(x).fraction // 2 + 1))
    return with_sign(f, f.select(tiny, size, result), x)


def cosh(f: Function, x: Value) -> Value:
    """The hyperbolic cosine: cosh(r) cosh(n ln 2) + sinh(r) sinh(n ln 2)."""
    p = _parts(f, absolute(f, x))
    tail = multiply_add(f, p.cosh_tail, p.half_cosh.high, p.sinh_tail * p.half_sinh.high)
    return _total(f, p.half_cosh, p.half_sinh.high, p.r, tail)


# ---- the logistic function ----


def _share(f: Function, z: Value, is_less: Value) -> Value:
    """z / (1 + z) where `is_less`, elsewhere 1 / (1 + z), of 0 <= z <= 1."""
    over = f.select(is_less, z, 1.0)
    return quotient(f, Pair(over, f.like(0.0, z)), quick_two_sum(f, f.like(1.0, z), z))


def logistic(f: Function, x: Value) -> Value:
    """1 / (1 + exp(-x)); by exp(-|x|), which cannot overflow."""
    return _share(f, exp_of_limited(f, -absolute(f, x)), f.fcmp("olt", x, 0.0))


class _Ordered(Record):
    """The larger of two numbers, and by how much it is larger, with what rounding that lost where it matters."""

    larger: Value
    minus_distance: Value
    minus_lost: Value | None
    is_less: Value


def _ordered(f: Function, x: Value, y: Value) -> _Ordered:
    is_greater, is_less = f.fcmp("ogt", x, y), f.fcmp("olt", x, y)
    larger = f.select(is_greater, x, y)
    if 0.0 in (x.number, y.number):
        return _Ordered(larger, -absolute(f, x if y.number == 0.0 else y), None, is_less)
    distance = two_sum(f, f.select(is_greater, y, x), -larger)
    lost = f.select(f.fcmp("ogt", distance.high, -(2.0**11)), distance.low, 0.0)
    high = f.select(f.fcmp("oeq", x, y), 0.0, distance.high)  # infinities too
    return _Ordered(larger, high, lost, is_less)


def logistic_difference(f: Function, x: Value, y: Value) -> Value:
    """logistic(x - y), of the exact difference; 1/2 where they are equal, also infinite."""
    ordered = _ordered(f, x, y)
    return _share(f, exp_of_limited(f, ordered.minus_distance, ordered.minus_lost), ordered.is_less)


# ---- logarithms of sums ----


def logaddexp(f: Function, x: Value, y: Value) -> Value:
    """log(exp(x) + exp(y)).

    Where the sum is next to 1, the larger operand and the logarithm that is added to it cancel: there, as with NumPy, the
    error is measured in the last digit of the larger operand.
    """
    ordered = _ordered(f, x, y)
    z = exp_as_pair(f, ordered.minus_distance, ordered.minus_lost)
    return ordered.larger + log1p_of_fraction(f, z)


def logaddexp2(f: Function, x: Value, y: Value) -> Value:
    """The logarithm to base 2 of 2**x + 2**y; for its error see `logaddexp`."""
    ordered = _ordered(f, x, y)
    z = exp2_as_pair(f, ordered.minus_distance, ordered.minus_lost or f.zero(x.type))
    more = log2_of_one_plus_fraction(f, z)
    total = two_sum(f, ordered.larger, more.high)
    lost = f.select(f.fcmp("olt", absolute(f, ordered.larger), inf), total.low, 0.0)
    return total.high + (lost + more.low)
