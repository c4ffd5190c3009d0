"""exp, exp2 and expm1. Imports `floats` and `polynomial`; start reading at `exp`.

x = n ln 2 + r with n an integer, so that |r| <= ln(2) / 2; then exp(x) = 2**n exp(r), and exp(r) = 1 + r + r² q(r) (Cody and
Waite, Software Manual for the Elementary Functions, 1980, chapter 6). The polynomials are minimax (Remez), fitted for this.
"""

from __future__ import annotations

from fractions import Fraction

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import Value
from functrans.backends.llvm.math.floats import (
    Rounded,
    absolute,
    at_least,
    at_most,
    format_of,
    power_of_two,
    round_to_integer,
    scaled_by,
)
from functrans.backends.llvm.math.polynomial import Pair, horner_by_pairs, multiply_add, parts, quick_two_sum

__all__ = [
    "LN2", "exp", "exp2", "exp2_as_pair", "exp2_of_limited", "exp_as_pair", "exp_of_limited", "expm1", "reduced",
    "reduced_once", "tail_of_exp",
]  # fmt: skip

LN2 = Fraction("0.693147180559945309417232121458176568075500134360255254120680009493393621969694715605863327")

# (exp(r) - 1 - r) / r² on |r| <= 0.347: exp(r) - 1 errs by less than 2^-25.8 and 2^-55.4 of itself, exp(r) by less.
_TAIL = {
    32: (0.5, 0.16666541993618011, 0.04166628047823906, 0.008366645313799381, 0.001394652179442346),
    64: (
        0.5000000000000006, 0.16666666666666685, 0.04166666666657295, 0.00833333333331441, 0.001388888893261566,
        0.00019841269903448305, 2.4801504145091347e-05, 2.7557227559611793e-06, 2.7626451762494667e-07,
        2.511460376896563e-08,
    ),
}  # fmt: skip

# (2**r - 1) / r - ln 2 without its constant term on |r| <= 1/2: 2**r errs by less than 2^-28.5 and 2^-57.5 of itself.
_TAIL_OF_EXP2 = {
    32: (0.24022594094276428, 0.055503662675619125, 0.009625433944165707, 0.0013387923827394843, 0.00013339480210561305),
    64: (
        0.24022650695910133, 0.05550410866482007, 0.00961812910759384, 0.0013333558146777058, 0.00015403530457500753,
        1.5252733491501424e-05, 1.3215435073762526e-06, 1.01781999465506e-07, 7.0738213493008706e-09,
        4.434759651346418e-10,
    ),
}  # fmt: skip

# Beyond these the results are infinite, or 0 (expm1: -1) after rounding; n stays near the range of exponents.
_EXP_RANGE = {32: (-104.0, 89.0), 64: (-746.0, 710.0)}
_EXP2_RANGE = {32: (-151.0, 128.0), 64: (-1076.0, 1024.0)}
_EXPM1_RANGE = {32: (-18.0, 89.0), 64: (-38.0, 710.0)}


def _within(f: Function, x: Value, limits: tuple[float, float]) -> Value:
    return at_least(f, at_most(f, x, limits[1]), limits[0])


def _ln2_parts(bits: int) -> tuple[float, float]:
    """ln 2 in two parts; the first has so few digits that n times it is exact."""
    digits = {32: 14, 64: 41}[bits]
    high = Fraction(round(LN2 * 2**digits), 2**digits)
    return float(high), float(LN2 - high)


def reduced(f: Function, x: Value) -> tuple[Rounded, Pair]:
    """n, and r = x - n ln 2 with what rounding it lost; |x| may be as large as n ln 2 for n in the range of exponents."""
    high, low = _ln2_parts(x.type.bits)
    n = round_to_integer(f, multiply_add(f, x, float(1 / LN2), format_of(x).shifter))
    near = multiply_add(f, n.value, -high, x)
    far = n.value * low
    r = near - far
    return n, Pair(r, (near - r) - far)


def reduced_once(f: Function, x: Value) -> tuple[Rounded, Value]:
    """As `reduced`, r rounded."""
    high, low = _ln2_parts(x.type.bits)
    n = round_to_integer(f, multiply_add(f, x, float(1 / LN2), format_of(x).shifter))
    return n, multiply_add(f, n.value, -low, multiply_add(f, n.value, -high, x))


def tail_of_exp(f: Function, r: Value, square: Value) -> Value:
    """(exp(r) - 1 - r) / r² for |r| <= ln(2) / 2, given r²."""
    return horner_by_pairs(f, r, _TAIL[r.type.bits], square)


def exp(f: Function, x: Value) -> Value:
    """e to the power x."""
    return exp_of_limited(f, at_most(f, x, _EXP_RANGE[x.type.bits][1]))


def exp_of_limited(f: Function, x: Value, low: Value | None = None) -> Value:
    """e to the power x + low, of an x that is known not to overflow, and a low that is small next to 1."""
    n, above = _exp_parts(f, x, low)
    return scaled_by(f, 1.0 + above, n)


def exp_as_pair(f: Function, x: Value, low: Value | None = None) -> Pair:
    """As `exp_of_limited`, with most of what rounding it loses."""
    return _scaled_pair(f, *_exp_parts(f, x, low))


def _exp_parts(f: Function, x: Value, low: Value | None) -> tuple[Rounded, Value]:
    """n and the t of e**(x + low) = 2**n (1 + t)."""
    n, r = reduced_once(f, at_least(f, x, _EXP_RANGE[x.type.bits][0]))
    r = r if low is None else r + low
    square = r * r
    return n, multiply_add(f, square, tail_of_exp(f, r, square), r)


def _scaled_pair(f: Function, n: Rounded, above: Value) -> Pair:
    one_plus = quick_two_sum(f, f.like(1.0, above), above)
    return Pair(scaled_by(f, one_plus.high, n), scaled_by(f, one_plus.low, n))


def exp2(f: Function, x: Value) -> Value:
    """2 to the power x."""
    n, r = _reduced_by_one(f, at_most(f, x, _EXP2_RANGE[x.type.bits][1]))
    high = parts(LN2, x.type)[0]
    tail = horner_by_pairs(f, r, _TAIL_OF_EXP2[x.type.bits])
    return scaled_by(f, multiply_add(f, r, multiply_add(f, r, tail, high), 1.0), n)


def exp2_of_limited(f: Function, x: Value, low: Value) -> Value:
    """2 to the power x + low, of an x that is known not to overflow by much, and a low below the last digit of x."""
    n, above = _exp2_parts(f, x, low)
    return scaled_by(f, 1.0 + above, n)


def exp2_as_pair(f: Function, x: Value, low: Value) -> Pair:
    """As `exp2_of_limited`, with most of what rounding it loses."""
    return _scaled_pair(f, *_exp2_parts(f, x, low))


def _exp2_parts(f: Function, x: Value, low: Value) -> tuple[Rounded, Value]:
    """n and the t of 2**(x + low) = 2**n (1 + t)."""
    n, rest = _reduced_by_one(f, x)
    r = quick_two_sum(f, rest, low)
    high, small = parts(LN2, x.type)
    square = r.high * r.high
    tail = multiply_add(f, r.high, small, r.low * high)
    tail = multiply_add(f, square, horner_by_pairs(f, r.high, _TAIL_OF_EXP2[x.type.bits], square), tail)
    return n, multiply_add(f, r.high, high, tail)


def _reduced_by_one(f: Function, x: Value) -> tuple[Rounded, Value]:
    """The integer next to x, and x less that."""
    x = at_least(f, x, _EXP2_RANGE[x.type.bits][0])
    n = round_to_integer(f, x + format_of(x).shifter)
    return n, x - n.value


def expm1(f: Function, x: Value) -> Value:
    """e to the power x, less 1.

    2**n (1 + r) - 1 is summed with what each rounding loses; all in halves, so that 2**n does not overflow first.
    """
    limited = _within(f, x, _EXPM1_RANGE[x.type.bits])
    n, r = reduced(f, limited)
    scale = power_of_two(f, n.bits - 1)
    large = multiply_add(f, scale, r.high, scale)
    lost = multiply_add(f, scale, r.high, scale - large)
    less = quick_two_sum(f, f.like(-0.5, x), large)
    square = r.high * r.high
    tail = multiply_add(f, square, tail_of_exp(f, r.high, square), r.low)
    half = less.high + multiply_add(f, scale, tail, lost + less.low)
    tiny = f.fcmp("olt", absolute(f, x), 2.0 ** -(format_of(x).fraction + 2))
    return f.select(tiny, x, half + half)
