"""pow, cbrt and hypot. Imports `exponential`, `floats`, `logarithm` and `polynomial`; start reading at `pow`.

pow is 2**(y log2 x): for floats in double, for doubles with the logarithm and its product as pairs. The logarithm is the
odd series of s = (m - 1) / (m + 1), see `logarithm`; the coefficients are minimax (Remez), fitted for this.
"""

from __future__ import annotations

from fractions import Fraction
from math import inf, nan

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import F32, F64, Value
from functrans.backends.llvm.math.exponential import LN2, exp2_of_limited
from functrans.backends.llvm.math.floats import (
    absolute,
    at_least,
    at_most,
    format_of,
    power_of_two,
    round_to_integer,
    scaled_by,
    with_sign,
)
from functrans.backends.llvm.math.logarithm import scaled_positive
from functrans.backends.llvm.math.polynomial import (
    Pair,
    constant,
    horner,
    horner_by_pairs,
    multiply_add,
    pair_product,
    pair_quotient,
    quick_two_sum,
    remainder,
    two_product,
)
from functrans.backends.llvm.math.rare import rarely

__all__ = ["cbrt", "hypot", "pow"]

# log2(m) / s in s² for |s| <= 0.2; the error is below 2^-42 of it.
_LOG2 = (
    2.885390081777425, 0.9617966948250014, 0.5770777556930948, 0.41222616576046367, 0.31928525770807237, 0.290829173632871,
)  # fmt: skip

# The same after its first two terms, 2 / ln 2 and 2 / (3 ln 2) s², which are pairs; the error is below 2^-69 of the whole.
_LOG2_TAIL = (
    0.5770780163555814, 0.41219858311326757, 0.32059889752976145, 0.26230823742360726, 0.22195007394581961,
    0.19247200797974495, 0.1672422175447901, 0.1813709708111143,
)  # fmt: skip

# 2**r on |r| <= 1/2; the error is below 2^-28.9 of it.
_EXP2 = (
    1.000000000559311, 0.6931472058899905, 0.24022646866235584, 0.055503284474354576, 0.009618490507008179,
    0.0013400064234619282, 0.00015345673355456578,
)  # fmt: skip

# (1 + f)**(-1/3) on -1/4 <= f <= 1/2; the error is below 2^-14.6 of it.
_INVERSE_CUBE_ROOT = (
    0.9999623894691467, -0.3332894444465637, 0.22600048780441284, -0.1793719083070755, 0.09947219491004944,
)  # fmt: skip


# ---- pow ----


def pow(f: Function, x: Value, y: Value) -> Value:
    """x to the power y; all cases of C's Annex F, which are NumPy's."""
    # Where log2 x is not 0, more than this overflows or underflows anyway; where it is 0, infinity times 0 would be NaN.
    limited = at_least(f, at_most(f, y, 2.0**100), -(2.0**100))
    of_size = (_power_in_double if x.type.bits == 32 else _power_by_pairs)(f, absolute(f, x), limited)
    like = format_of(x)
    is_special = f.icmp("uge", f.bits(x) - 1, like.exponent_mask - 1)  # zero, infinite, NaN or negative
    special = is_special | f.fcmp("uno", y, y)
    return rarely(f, special, of_size, lambda: _with_sign_and_limits(f, x, y, of_size))


def _with_sign_and_limits(f: Function, x: Value, y: Value, of_size: Value) -> Value:
    floor = f.intrinsic("floor", y)
    half = y * 0.5
    is_whole = f.fcmp("oeq", floor, y)
    is_odd = is_whole & f.fcmp("one", f.intrinsic("floor", half), half)
    is_negative = f.icmp("slt", f.bits(x), 0)
    size = absolute(f, x)
    of_limit = f.select(f.fcmp("oeq", size, 0.0) ^ f.fcmp("olt", y, 0.0), f.like(0.0, x), inf)
    is_limit = f.fcmp("oeq", size, 0.0) | f.fcmp("oeq", size, inf)
    of_size = f.select(f.fcmp("uno", x, y), nan, f.select(is_limit, of_limit, of_size))
    signed = f.select(is_odd & is_negative, -of_size, of_size)
    is_real = f.fcmp("uge", x, 0.0) | f.fcmp("oeq", x, -inf) | is_whole
    is_one = f.fcmp("oeq", x, 1.0) | f.fcmp("oeq", y, 0.0)
    return f.select(is_one, 1.0, f.select(is_real, signed, nan))


def _power_in_double(f: Function, x: Value, y: Value) -> Value:
    """x ** y of floats, x > 0."""
    parts = scaled_positive(f, x)
    k = f.cast("fpext", parts.k, F64)
    m = f.cast("fpext", parts.f, F64)
    s = m / (m + 2.0)
    logarithm = multiply_add(f, s, horner_by_pairs(f, s * s, _LOG2), k)
    product = at_least(f, at_most(f, logarithm * f.cast("fpext", y, F64), 160.0), -160.0)
    n = round_to_integer(f, product + format_of(product).shifter)
    r = product - n.value
    return f.cast("fptrunc", scaled_by(f, horner_by_pairs(f, r, _EXP2), n), F32)


def _power_by_pairs(f: Function, x: Value, y: Value) -> Value:
    """x ** y of doubles, x > 0."""
    logarithm = _log2_pair(f, x)
    high = y * logarithm.high
    low = multiply_add(f, y, logarithm.low, two_product(f, y, logarithm.high).low)
    return exp2_of_limited(f, at_most(f, high, 1025.0), at_least(f, at_most(f, low, 0.25), -0.25))


def _log2_pair(f: Function, x: Value) -> Pair:
    """log2(x) of a finite double x > 0, to 2^-65 of it."""
    parts = scaled_positive(f, x)
    s = pair_quotient(f, Pair(parts.f, f.like(0.0, x)), quick_two_sum(f, f.like(2.0, x), parts.f))
    z = two_product(f, s.high, s.high)
    z = Pair(z.high, multiply_add(f, s.high + s.high, s.low, z.low))
    third = constant(f, Fraction(2, 3) / LN2, x)
    slope = quick_two_sum(f, third.high, z.high * horner_by_pairs(f, z.high, _LOG2_TAIL))
    first = constant(f, 2 / LN2, x)
    more = pair_product(f, z, Pair(slope.high, slope.low + third.low))
    factor = quick_two_sum(f, first.high, more.high)
    of_m = pair_product(f, s, Pair(factor.high, factor.low + (more.low + first.low)))
    total = quick_two_sum(f, parts.k, of_m.high)
    return quick_two_sum(f, total.high, total.low + of_m.low)


# ---- roots ----


def cbrt(f: Function, x: Value) -> Value:
    """The cube root: y near a**(-1/3) by a polynomial and a step of Halley's, then c = a y² and a step of Newton's."""
    size = absolute(f, x)
    parts = scaled_positive(f, size)
    third = round_to_integer(f, multiply_add(f, parts.k, 1.0 / 3.0, format_of(x).shifter))
    shift = multiply_add(f, third.value, -3.0, parts.k)  # -1, 0 or 1
    a = (parts.f + 1.0) * _one_of(f, shift, 0.5, 2.0)
    y = horner(f, parts.f, _INVERSE_CUBE_ROOT) * _one_of(f, shift, 2.0 ** (1 / 3), 2.0 ** (-1 / 3))
    error = multiply_add(f, -(a * y), y * y, 1.0)
    y = multiply_add(f, y * error, multiply_add(f, error, 2.0 / 9.0, 1.0 / 3.0), y)
    square = y * y
    c = a * square
    cube = two_product(f, c, c)
    left = multiply_add(f, -cube.low, c, remainder(f, a, cube.high, c))
    root = multiply_add(f, left * square, 1.0 / 3.0, c) * power_of_two(f, third.bits)
    is_plain = f.fcmp("olt", size, inf) & f.fcmp("ogt", size, 0.0)
    return with_sign(f, f.select(is_plain, root, size), x)


def _one_of(f: Function, sign: Value, negative: float, positive: float) -> Value:
    """A number by the sign of `sign`; 1 where that is 0."""
    other = f.select(f.fcmp("ogt", sign, 0.0), f.like(positive, sign), 1.0)
    return f.select(f.fcmp("olt", sign, 0.0), negative, other)


def hypot(f: Function, x: Value, y: Value) -> Value:
    """sqrt(x² + y²), by operands brought near 1 with the larger one's exponent; infinite where one of them is."""
    like = format_of(x)
    x, y = absolute(f, x), absolute(f, y)
    is_less = f.fcmp("olt", x, y)
    larger, smaller = f.select(is_less, y, x), f.select(is_less, x, y)
    # The exponent without its last two bits: then neither 2**exponent nor its inverse leaves the normal range.
    exponent = f.bits(larger) & (like.exponent_mask & ~(3 << like.fraction))
    inverse = f.from_bits((2 * like.bias - 1 << like.fraction) - exponent)
    a, b = larger * inverse, smaller * inverse
    root = f.intrinsic("sqrt", multiply_add(f, a, a, b * b)) * f.from_bits(exponent + (1 << like.fraction))
    is_infinite = f.fcmp("oeq", x, inf) | f.fcmp("oeq", y, inf)
    return f.select(is_infinite, inf, root)
