"""log, log2, log10, log1p and what is a logarithm: asinh, acosh, atanh. Imports `exponential`, `floats` and `polynomial`.

x = 2**k m with m next to 1; log(m) by s = f / (2 + f) with f = m - 1, of which log(m) = 2 atanh(s) is a short odd series:
log(m) = f - (f²/2 - s (f²/2 + R(s²))), where the large terms are exact (FreeBSD's e_log.c, 1993). The coefficients of R are
minimax (Remez), fitted for this. Start reading at `log`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import inf, nan

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.instructions import Number
from functrans.backends.llvm.ir import Value
from functrans.backends.llvm.math.exponential import LN2
from functrans.backends.llvm.math.floats import absolute, format_of, with_sign
from functrans.backends.llvm.math.polynomial import (
    Pair,
    constant,
    horner,
    multiply_add,
    pair_quotient,
    quick_two_sum,
    remainder,
    two_product,
    two_sum,
)

__all__ = [
    "LN10",
    "Scaled",
    "acosh",
    "asinh",
    "atanh",
    "log",
    "log10",
    "log1p",
    "log1p_of_fraction",
    "log2",
    "log_as_pair",
    "scaled",
    "tail_of_atanh",
]

LN10 = Fraction("2.302585092994045684017991454684364207601101488628772976033327900967572609677352480235997205")

# (2 atanh(s) - 2 s) / s³ in s² for |s| <= 0.2007: 2 atanh(s) errs by less than 2^-28.3 and 2^-60 of itself.
_TAIL = {
    32: (0.6666695475578308, 0.3995707333087921, 0.30376437306404114),
    64: (
        0.666666666666666, 0.4000000000005898, 0.2857142855528934, 0.22222224355976306, 0.18181662381033764,
        0.15391224180686458, 0.13171739471951438, 0.13855473076508817,
    ),
}  # fmt: skip


def tail_of_atanh(f: Function, s: Value, square: Value) -> Value:
    """2 atanh(s) / s - 2 for |s| <= 0.2, given s²."""
    return square * horner(f, square, _TAIL[s.type.bits])


# ---- the parts of a logarithm ----


@dataclass(frozen=True, slots=True)
class Scaled:
    """The number 2**k (1 + f), f between -0.293 and 0.415."""

    k: Value
    f: Value
    unscale: Value
    """2**-k as bits; not for the two largest k."""


def scaled(f: Function, x: Value) -> Scaled:
    """The parts of a positive normal number; for others what comes of their bits."""
    like = format_of(x)
    root_half = f.bits(x) + (like.one - _bits_of_root_half(like.fraction))
    exponent = root_half & like.exponent_mask
    m = f.from_bits(f.bits(x) - exponent + like.one)
    return Scaled(_exponent_value(f, exponent), m - 1.0, 2 * like.one - exponent)


def _exponent_value(f: Function, exponent: Value) -> Value:
    """The k of the bits of 2**k, as a float: made the last digits of a large one, so that no conversion is needed."""
    like = format_of(exponent)
    large = f.integer("lshr", exponent, like.fraction) | ((like.bias + like.fraction) << like.fraction)
    return f.from_bits(large) - (2.0**like.fraction + like.bias)


def _bits_of_root_half(fraction: int) -> int:
    return 0x3F3504F3 if fraction == 23 else 0x3FE6A09E667F3BCD


def scaled_positive(f: Function, x: Value) -> Scaled:
    """Of a positive number, subnormal too."""
    like = format_of(x)
    small = f.fcmp("olt", x, like.smallest_normal)
    grown = f.select(small, x * 2.0 ** (like.fraction + 1), x)
    parts = scaled(f, grown)
    shift = f.select(small, f.like(like.fraction + 1, x), 0.0)
    return Scaled(parts.k - shift, parts.f, parts.unscale)


def _rest(f: Function, m: Value) -> tuple[Value, Value]:
    """h = m²/2, and the r for which log(1 + m) = m - h + r."""
    s = m / (m + 2.0)
    half_square = m * 0.5 * m
    return half_square, s * (half_square + tail_of_atanh(f, s, s * s))


def _exact_multiple(f: Function, number: Fraction, k: Value) -> Pair:
    """k times a number, k an exponent: exact in `high`."""
    digits = {32: 15, 64: 41}[k.type.bits]
    high = Fraction(round(number * 2**digits), 2**digits)
    return Pair(k * float(high), k * float(number - high))


def _natural(f: Function, k: Value, m: Value, low: Value | None = None) -> Value:
    """k log(2) + log(1 + m + low)."""
    half_square, rest = _rest(f, m)
    of_k = _exact_multiple(f, LN2, k)
    low = of_k.low if low is None else of_k.low + low
    return of_k.high + (m - (half_square - (rest + low)))


def _with_limits(f: Function, x: Value, result: Value) -> Value:
    """The logarithm of infinity, NaN, zero and negative numbers."""
    finite = f.select(f.fcmp("olt", x, inf), result, x)
    at_pole = f.select(f.fcmp("oeq", x, 0.0), f.like(-inf, x), nan)
    return f.select(f.fcmp("ole", x, 0.0), at_pole, finite)


# ---- logarithms ----


def log(f: Function, x: Value) -> Value:
    """The natural logarithm."""
    parts = scaled_positive(f, x)
    return _with_limits(f, x, _natural(f, parts.k, parts.f))


def _as_pair(f: Function, k: Value, m: Pair, base_log: Fraction | None) -> Pair:
    """k log(2) + log(1 + m), divided by `base_log`."""
    half_square, rest = _rest(f, m.high)
    near = quick_two_sum(f, m.high, -half_square)
    near = Pair(near.high, near.low + (rest + m.low))
    if base_log is not None:
        rate = constant(f, 1 / base_log, k)
        product = two_product(f, near.high, rate.high)
        low = multiply_add(f, near.high, rate.low, multiply_add(f, near.low, rate.high, product.low))
        near = Pair(product.high, low)
    of_k = _exact_multiple(f, LN2 / (base_log or 1), k)
    total = quick_two_sum(f, of_k.high, near.high)
    return Pair(total.high, total.low + (near.low + of_k.low))


def log_as_pair(f: Function, x: Value) -> Pair:
    """The natural logarithm of a positive finite number, in about twice the precision; meaningless for others."""
    parts = scaled_positive(f, x)
    return _as_pair(f, parts.k, Pair(parts.f, f.zero(x.type)), None)


def _log_to_base(f: Function, x: Value, base_log: Fraction) -> Value:
    parts = scaled_positive(f, x)
    total = _as_pair(f, parts.k, Pair(parts.f, f.like(0.0, x)), base_log)
    return _with_limits(f, x, total.high + total.low)


def log2(f: Function, x: Value) -> Value:
    """The logarithm to base 2; exact for powers of two."""
    return _log_to_base(f, x, LN2)


def log10(f: Function, x: Value) -> Value:
    """The logarithm to base 10."""
    return _log_to_base(f, x, LN10)


def _log_of_pair(f: Function, x: Pair, more: Number = 0.0) -> Value:
    """log(high + low) + more log(2), for a normal high; low must be small next to it."""
    parts = scaled(f, x.high)
    # Beyond 2**60 the low part does not count, and at the largest exponents it could not be scaled.
    low = f.select(f.fcmp("olt", x.high, 2.0**60), x.low * f.from_bits(parts.unscale), 0.0)
    m = quick_two_sum(f, parts.f, low)
    return _with_limits(f, x.high, _natural(f, parts.k + more, m.high, m.low))


def log1p_of_fraction(f: Function, x: Value, base_log: Fraction | None = None) -> Pair:
    """log(1 + x) for 0 <= x <= 1, or to the base whose logarithm is given. NaN stays NaN."""
    one_plus = quick_two_sum(f, f.like(1.0, x), x)
    parts = scaled(f, one_plus.high)
    m = quick_two_sum(f, parts.f, one_plus.low * f.from_bits(parts.unscale))
    return _as_pair(f, parts.k, m, base_log)


def log1p(f: Function, x: Value) -> Value:
    """log(1 + x)."""
    result = _log_of_pair(f, two_sum(f, x, 1.0))
    return f.select(f.fcmp("oeq", x, 0.0), x, result)


# ---- inverse hyperbolic functions ----


def _log1p_or_log_of_double(f: Function, z: Pair, x: Value) -> Value:
    """log(1 + z), or log(2 x) for x beyond 2**28 (float: 2**13), where z may have overflowed."""
    large = f.fcmp("ogt", x, 2.0**28 if x.type.bits == 64 else 2.0**13)
    plus_one = two_sum(f, z.high, 1.0)
    high = f.select(large, x, plus_one.high)
    low = f.select(large, 0.0, plus_one.low + z.low)
    return _log_of_pair(f, Pair(high, low), f.select(large, f.like(1.0, x), 0.0))


def asinh(f: Function, x: Value) -> Value:
    """The inverse of sinh: log(1 + z) with z = x + x² / (1 + sqrt(1 + x²)) of the absolute value."""
    size = absolute(f, x)
    root = f.intrinsic("sqrt", multiply_add(f, size, size, 1.0))
    z = quick_two_sum(f, size, size * size / (root + 1.0))
    return with_sign(f, _log1p_or_log_of_double(f, z, size), x)


def acosh(f: Function, x: Value) -> Value:
    """The inverse of cosh: log(1 + z) with z = t + sqrt(x² - 1), t = x - 1; the root with a correction."""
    square = two_product(f, x, x)
    under = quick_two_sum(f, square.high, -1.0)
    root = f.intrinsic("sqrt", under.high)
    low = under.low + square.low + remainder(f, under.high, root, root)
    t = x - 1.0
    z = quick_two_sum(f, root, t)
    correction = low / (root + root + 2.0**-100)  # never 0 / 0, and nothing next to another root
    result = _log1p_or_log_of_double(f, Pair(z.high, z.low + correction), x)
    return f.select(f.fcmp("olt", x, 1.0), nan, result)


def atanh(f: Function, x: Value) -> Value:
    """The inverse of tanh: half the logarithm of (1 + x) / (1 - x) = 2**k (1 + s) / (1 - s).

    s = (p - 2**k q) / (p + 2**k q) of p = 1 + |x|, q = 1 - |x|, so that s = |x| where k = 0; k is what the bits of p and q say.
    """
    like = format_of(x)
    size = absolute(f, x)
    p = quick_two_sum(f, f.like(1.0, x), size)
    q = quick_two_sum(f, f.like(1.0, x), -size)
    ratio = f.bits(p.high) - f.bits(q.high) + (like.one + (1 << (like.fraction - 1)))
    exponent = ratio & like.exponent_mask
    scale = f.from_bits(exponent)
    over = quick_two_sum(f, p.high - scale * q.high, p.low - scale * q.low)
    under = two_sum(f, p.high, scale * q.high)
    s = pair_quotient(f, over, Pair(under.high, under.low + (p.low + scale * q.low)))
    of_k = _exact_multiple(f, LN2 / 2, _exponent_value(f, exponent))
    total = two_sum(f, of_k.high, s.high)
    tail = multiply_add(f, s.high * 0.5, tail_of_atanh(f, s.high, s.high * s.high), s.low + of_k.low)
    result = with_sign(f, total.high + (total.low + tail), x)
    return _atanh_limits(f, x, size, result)


def _atanh_limits(f: Function, x: Value, size: Value, result: Value) -> Value:
    tiny = f.fcmp("olt", size, 2.0 ** -(format_of(x).fraction + 2))
    inside = f.select(tiny, x, result)
    outside = f.select(f.fcmp("oeq", size, 1.0), with_sign(f, f.like(inf, x), x), nan)
    return f.select(f.fcmp("olt", size, 1.0), inside, f.select(f.fcmp("uno", x, x), x, outside))
