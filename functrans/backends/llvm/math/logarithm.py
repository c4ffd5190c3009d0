"""log, log2, log10, log1p and what is a logarithm: asinh, acosh, atanh. Imports `exponential`, `floats`, `polynomial`, `avx512`.

x = 2**k m with m next to 1; log(m) by s = f / (2 + f) with f = m - 1, of which log(m) = 2 atanh(s) is a short odd series:
log(m) = f - (f²/2 - s (f²/2 + R(s²))), where the large terms are exact (FreeBSD's e_log.c, 1993). The coefficients of R are
minimax (Remez), fitted for this. Start reading at `log`.
"""

from __future__ import annotations

from fractions import Fraction
from math import inf, nan

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.instructions import Number
from functrans.backends.llvm.ir import Value
from functrans.backends.llvm.math import avx512
from functrans.backends.llvm.math.exponential import LN2
from functrans.backends.llvm.math.floats import absolute, divided_by_power, format_of, with_sign
from functrans.backends.llvm.math.polynomial import (
    Pair,
    horner_by_pairs,
    multiply_add,
    pair_product,
    pair_quotient,
    parts,
    quick_two_sum,
    remainder,
    two_product,
    two_sum,
)
from functrans.record import Record

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
    "log2_of_one_plus_fraction",
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
# (log(1 + m) - m + m²/2) / m³ on -1/4 <= m <= 1/2: log(1 + m) errs by less than 2^-27.1 of itself.
_CUBIC = (
    0.3333345055580139, -0.25000104308128357, 0.19990788400173187, -0.1664697676897049, 0.1447933316230774,
    -0.1316470205783844, 0.10461562126874924, -0.04500710591673851,
)  # fmt: skip
# As _TAIL, for |s| <= 1/3: less than 2^-27.7 and 2^-58.9.
_FAR_TAIL = {
    32: (0.666664183139801, 0.40021437406539917, 0.28003019094467163, 0.28006839752197266),
    64: (
        0.6666666666666631, 0.4000000000016759, 0.2857142854564567, 0.22222224146139302, 0.1818173666512529,
        0.1538673226320077, 0.132985201575708, 0.12126763672747985, 0.08244998300389472, 0.17202509548119474,
    ),
}  # fmt: skip


def tail_of_atanh(f: Function, s: Value, square: Value, *, far: bool = False) -> Value:
    """2 atanh(s) / s - 2 for |s| <= 0.2, or 1/3 if `far`, given s²."""
    return square * horner_by_pairs(f, square, (_FAR_TAIL if far else _TAIL)[s.type.bits])


# ---- the parts of a logarithm ----


class Scaled(Record):
    """The number 2**k (1 + f), f from -1/4 to below 1/2."""

    k: Value
    f: Value


def scaled(f: Function, x: Value) -> Scaled:
    """The parts of a positive normal number; for others something."""
    if avx512.fills_register(f, x):
        m = avx512.mantissa(f, x)
        return Scaled(avx512.exponent(f, x) - avx512.exponent(f, m), m - 1.0)
    like = format_of(x)
    exponent = (f.bits(x) + (1 << like.fraction - 1)) & like.exponent_mask
    m = f.from_bits(f.bits(x) - exponent + like.one)
    return Scaled(_exponent_value(f, exponent), m - 1.0)


def _exponent_value(f: Function, exponent: Value) -> Value:
    """The k of the bits of 2**k, as a float: made the last digits of a large one, so that no conversion is needed."""
    like = format_of(exponent)
    large = f.integer("lshr", exponent, like.fraction) | ((like.bias + like.fraction) << like.fraction)
    return f.from_bits(large) - (2.0**like.fraction + like.bias)


def scaled_positive(f: Function, x: Value) -> Scaled:
    """Of a positive number, subnormal too."""
    if avx512.fills_register(f, x):
        return scaled(f, x)
    like = format_of(x)
    small = f.fcmp("olt", x, like.smallest_normal)
    grown = f.select(small, x * 2.0 ** (like.fraction + 1), x)
    of_grown = scaled(f, grown)
    shift = f.select(small, f.like(like.fraction + 1, x), 0.0)
    return Scaled(of_grown.k - shift, of_grown.f)


def _rest(f: Function, m: Value) -> tuple[Value, Value]:
    """h = m²/2, and the r for which log(1 + m) = m - h + r."""
    s = m / (m + 2.0)
    half_square = m * 0.5 * m
    return half_square, s * (half_square + tail_of_atanh(f, s, s * s))


def _less_first(f: Function, m: Value) -> Value:
    """log(1 + m) - m. Of floats a polynomial, which is sooner there than the quotient s."""
    if m.type.bits == 32:
        square = m * m
        return square * multiply_add(f, m, horner_by_pairs(f, m, _CUBIC, square), -0.5)
    half_square, rest = _rest(f, m)
    if not f.module.target.has_fma:
        return rest - half_square
    return f.fma(m * -0.5, m, rest)  # one rounding less


def _exact_multiple(f: Function, number: Fraction, k: Value) -> Pair:
    """k times a number, k an exponent: exact in `high`."""
    digits = {32: 15, 64: 41}[k.type.bits]
    high = Fraction(round(number * 2**digits), 2**digits)
    return Pair(k * float(high), k * float(number - high))


def _natural(f: Function, k: Value, m: Value, low: Value | None = None) -> Value:
    """k log(2) + log(1 + m + low)."""
    of_k = _exact_multiple(f, LN2, k)
    low = of_k.low if low is None else of_k.low + low
    return of_k.high + (m + (_less_first(f, m) + low))


def _with_limits(f: Function, x: Value, result: Value) -> Value:
    """The logarithm of infinity, NaN, zero and negative numbers."""
    if avx512.fills_register(f, x):
        return avx512.log_limits(f, x, result)
    finite = f.select(f.fcmp("olt", x, inf), result, x)
    at_pole = f.select(f.fcmp("oeq", x, 0.0), f.like(-inf, x), nan)
    return f.select(f.fcmp("ole", x, 0.0), at_pole, finite)


# ---- logarithms ----


def log(f: Function, x: Value) -> Value:
    """The natural logarithm."""
    of_x = scaled_positive(f, x)
    return _with_limits(f, x, _natural(f, of_x.k, of_x.f))


def log_as_pair(f: Function, x: Value) -> Pair:
    """The natural logarithm of a positive finite number, in about twice the precision; meaningless for others."""
    of_x = scaled_positive(f, x)
    half_square, rest = _rest(f, of_x.f)
    near = quick_two_sum(f, of_x.f, -half_square)
    of_k = _exact_multiple(f, LN2, of_x.k)
    total = quick_two_sum(f, of_k.high, near.high)
    return Pair(total.high, total.low + (near.low + rest + of_k.low))


def _log_to_base(f: Function, x: Value, base_log: Fraction) -> Value:
    of_x = scaled_positive(f, x)
    rate, small = parts(1 / base_log, x.type)
    of_k = _exact_multiple(f, LN2 / base_log, of_x.k)
    low = multiply_add(f, of_x.f, small, of_k.low)
    low = multiply_add(f, _less_first(f, of_x.f), rate, low)
    return _with_limits(f, x, of_k.high + multiply_add(f, of_x.f, rate, low))


def log2(f: Function, x: Value) -> Value:
    """The logarithm to base 2; exact for powers of two."""
    return _log_to_base(f, x, LN2)


def log10(f: Function, x: Value) -> Value:
    """The logarithm to base 10."""
    return _log_to_base(f, x, LN10)


def _log_of_pair(f: Function, x: Pair, more: Number = 0.0) -> Value:
    """log(high + low) + more log(2), for a normal high; low must be small next to it."""
    of_x = scaled(f, x.high)
    # Beyond 2**60 the low part does not count, and at the largest exponents it could not be scaled.
    low = f.select(f.fcmp("olt", x.high, 2.0**60), divided_by_power(f, x.low, of_x.k), 0.0)
    m = quick_two_sum(f, of_x.f, low)
    return _with_limits(f, x.high, _natural(f, of_x.k + more, m.high, m.low))


def log1p_of_fraction(f: Function, x: Pair) -> Value:
    """log(1 + x) for 0 <= x <= 1. NaN stays NaN.

    By log(1 + x) = x - s (x - R), s = x / (2 + x), R = 2 atanh(s) / s - 2; the derivative for x.low is near 1 - 2 s.
    """
    s = x.high / (x.high + 2.0)
    less = multiply_add(f, x.low, 2.0, x.high - tail_of_atanh(f, s, s * s, far=True))
    return x.high + multiply_add(f, -s, less, x.low)


def log2_of_one_plus_fraction(f: Function, x: Pair) -> Pair:
    """As `log1p_of_fraction`, the logarithm to base 2: more digits are carried, as factors of the base cost some."""
    s = pair_quotient(f, Pair(x.high, f.like(0.0, x.high)), quick_two_sum(f, f.like(2.0, x.high), x.high))
    less = quick_two_sum(f, x.high, -tail_of_atanh(f, s.high, s.high * s.high, far=True))
    taken = pair_product(f, s, Pair(less.high, multiply_add(f, x.low, 2.0, less.low)))
    rate, small = parts(1 / LN2, x.high.type)
    product = two_product(f, x.high, rate)
    low = multiply_add(f, x.low - taken.low, rate, multiply_add(f, x.high, small, product.low))
    return Pair(product.high, multiply_add(f, -taken.high, rate, low))


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
