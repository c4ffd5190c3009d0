"""The logarithm of |Γ| and its derivative, of doubles, and of floats by way of doubles: within 1.5 ULP.

Below 0 both are sums of two terms which cancel at the zeros between the poles: there the error is in ULP of a term.
Both take Γ's relatives from 1 to 4 from a polynomial, beyond from Stirling's series, and below by Γ(x + 1) = x Γ(x) and
by reflection. Imports `logarithm`, `rare`, `polynomial` and `floats`; start reading at `_lgamma`. The polynomials are
those of functrans.ops.special_kernels, fitted with mpmath.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import Value
from functrans.backends.llvm.math.floats import absolute, at_most
from functrans.backends.llvm.math.inverse_trigonometric import PI
from functrans.backends.llvm.math.logarithm import log_as_pair
from functrans.backends.llvm.math.polynomial import (
    Pair,
    constant,
    horner,
    horner_by_pairs,
    multiply_add,
    pair_product,
    pair_quotient,
    pair_sum,
    pair_total,
    quick_two_sum,
    two_product,
    two_sum,
)
from functrans.backends.llvm.math.rare import called, in_double, rarely

__all__ = ["digamma", "lgamma"]

# lgamma(z) / ((z - 1)(z - 2)) and digamma(z) / (z - root) for 1 <= z <= 4, in v = (z - 2)/(z + 2)
_LGAMMA_NEAR = (
    0.42278433509846713, -0.40126920669741545, 0.12617080324107732, -0.13897748719634181, 0.0829380601534237,
    -0.08715639048948134, 0.06232322452845549, -0.06410726112038183, 0.04993339614117678, -0.050833713066348034,
    0.04164042934304404, -0.04215942394467004, 0.035707024679024923, -0.03595942375674712, 0.03118496424320746,
    -0.032212269705912344, 0.028465438865300136, -0.022809549221611214, 0.02031049928847939, -0.043639617356169086,
    0.039697020247753484,
)  # fmt: skip
_DIGAMMA_NEAR = (
    0.7853075386041053, -1.0429558187320056, 0.7010428535500504, -0.7262245808990327, 0.6777531348968711,
    -0.6950676766151554, 0.6787474775357434, -0.689017790882757, 0.6806799427943391, -0.6870423209725484,
    0.6818509593039033, -0.6861045310286941, 0.6825183270074475, -0.6855507865574868, 0.6832739088323245,
    -0.6855437126543539, 0.6788028760750019, -0.6805600540205081, 0.7236891394641163, -0.7251403398149787,
    0.4570751884033721, -0.45797768415775003, 1.3717503058572427, -1.3734729491754483,
)  # fmt: skip
# x (lgamma(x) - Stirling's leading terms) and x² (log x - 1/2x - digamma(x)) for x >= 4, in 1/x² (DLMF 5.11.1-2)
_LGAMMA_FAR = (
    0.08333333333333331, -0.0027777777777176055, 0.0007936507676291937, -0.0005952337085914222, 0.0008413741438815142,
    -0.0018988790775843355, 0.005842830219816524, -0.018529842349409912, 0.03686739114470535,
)  # fmt: skip
_DIGAMMA_FAR = (
    0.08333333333333295, -0.008333333332362195, 0.003968253547733588, -0.004166595597256864, 0.007569628806402783,
    -0.020787300608348224, 0.07392821575261915, -0.25668496075487657, 0.5365319953712206,
)  # fmt: skip
# (sin(πd)/(πd) - 1) / d² in d², |d| <= 1/2: an error of 2**-61.5
_SINE = (
    -1.6449340668482264, 0.8117424252833467, -0.1907518241217046, 0.02614784780852314, -0.0023460809189629617,
    0.00014842794588228536, -6.972344119509128e-06, 2.452637562105485e-07,
)  # fmt: skip
_ROOT_LESS_ONE = (0.46163214496836236, -1.5522348162858677e-17)  # of the zero of digamma; and what rounding it lost
_HALF_LOG_2PI_MINUS_HALF = 0.4189385332046727
_LGAMMA_OVERFLOWS = 3e305


def lgamma(f: Function, x: Value) -> Value:
    """Elementwise log |Γ(x)|; infinite at the poles 0, -1, -2, ... and at both infinities."""
    return called(f, "math.lgamma", lambda f, x: in_double(f, _lgamma, x), x)


def digamma(f: Function, x: Value) -> Value:
    """Elementwise derivative of log Γ(x); infinite at ±0, NaN at the other poles and at -∞."""
    return called(f, "math.digamma", lambda f, x: in_double(f, _digamma, x), x)


def _with_negative(
    f: Function, x: Value, usual: Value, name: str, reflected: Callable[[Function, Value], Value]
) -> Value:
    """`usual`, or of negative x what a function of its own gives, called if there are any."""
    negative = f.fcmp("olt", x, 0.0)
    return rarely(f, negative, usual, lambda: f.select(negative, called(f, name, reflected, x), usual))


# ---- log |Γ| ----


def _lgamma(f: Function, x: Value) -> Value:
    small = f.fcmp("olt", x, 1.0)
    of_x = log_as_pair(f, at_most(f, x, _LGAMMA_OVERFLOWS))
    near = _lgamma_near(f, f.select(small, x, x - 1.0))
    below = pair_sum(f, near, Pair(f.select(small, -of_x.high, 0.0), f.select(small, -of_x.low, 0.0)))
    far = _lgamma_far(f, x, of_x)
    positive = f.select(f.fcmp("oge", x, 4.0), pair_total(far), pair_total(below)) + 0.0  # at 1 that was -0
    usual = f.select(f.fcmp("oeq", x, 0.0), inf, positive)
    return _with_negative(f, x, usual, "math.lgamma.negative", _lgamma_negative)


def _lgamma_near(f: Function, t: Value) -> Pair:
    """log Γ(1 + t) for 0 <= t <= 3: relative to its zeros at 0 and 1."""
    less = t - 1.0
    v = less / (less + 4.0)
    factor = quick_two_sum(f, f.like(_LGAMMA_NEAR[0], t), v * horner_by_pairs(f, v, _LGAMMA_NEAR[1:]))
    return pair_product(f, two_product(f, t, less), factor)


def _lgamma_far(f: Function, x: Value, log: Pair) -> Pair:
    """log Γ(x) for x >= 4, where (x - 1/2)(log x - 1) leads and nothing cancels."""
    x = at_most(f, x, _LGAMMA_OVERFLOWS)
    inverse = 1.0 / x
    series = multiply_add(f, inverse, horner(f, inverse * inverse, _LGAMMA_FAR), _HALF_LOG_2PI_MINUS_HALF)
    less = quick_two_sum(f, log.high, -1.0)
    half = x - 0.5
    product = two_product(f, half * 2.0**-64, less.high)  # scaled, lest splitting overflows where there is no fma
    rest = multiply_add(f, half, less.low + log.low, multiply_add(f, product.low, 2.0**64, series))
    return Pair(product.high * 2.0**64, rest)


def _lgamma_negative(f: Function, x: Value) -> Value:
    """Reflection, DLMF 5.5.3: log(π/|sin πx|) - lgamma(1 - x), both as pairs: their zeros are where they cancel."""
    size, offset = _from_integer(f, x)
    sine = _sine(f, absolute(f, offset))
    of_sine = log_as_pair(f, sine.high)
    of_sine = Pair(of_sine.high, of_sine.low + sine.low / sine.high)
    y = quick_two_sum(f, size, 1.0)
    of_y = log_as_pair(f, y.high)
    far = _lgamma_far(f, y.high, of_y)
    far = Pair(far.high, multiply_add(f, y.low, of_y.high - 0.5 / y.high, far.low))
    near, large = _lgamma_near(f, size), f.fcmp("oge", size, 3.0)
    above = Pair(f.select(large, far.high, near.high), f.select(large, far.low, near.low))
    total = pair_sum(f, of_sine, above)
    return f.select(f.fcmp("oeq", offset, 0.0), inf, -pair_total(total))


def _from_integer(f: Function, x: Value) -> tuple[Value, Value]:
    """|x|, and how far it is from the next integer; 0 from 2**52 on."""
    size = absolute(f, x)
    limited = at_most(f, size, 2.0**52)
    return size, limited - ((limited + 2.0**52) - 2.0**52)


def _sine(f: Function, d: Value) -> Pair:
    """sin(πd) / π for |d| <= 1/2."""
    square = d * d
    ratio = quick_two_sum(f, f.like(1.0, d), square * horner(f, square, _SINE))
    return pair_product(f, Pair(d, f.zero(d.type)), ratio)


# ---- its derivative ----


def _digamma(f: Function, x: Value) -> Value:
    small = f.fcmp("olt", x, 1.0)
    near = _digamma_near(f, f.select(small, x, x - 1.0))
    step = pair_quotient(f, Pair(f.const(-1.0, x.type), f.zero(x.type)), Pair(x, f.zero(x.type)))
    below = pair_sum(f, near, Pair(f.select(small, step.high, 0.0), f.select(small, step.low, 0.0)))
    far = _digamma_far(f, x)
    usual = f.select(f.fcmp("oge", x, 4.0), pair_total(far), pair_total(below))
    usual = f.select(f.fcmp("oeq", x, inf), x, usual)
    usual = _with_negative(f, x, usual, "math.digamma.negative", _digamma_negative)
    return f.select(f.fcmp("olt", absolute(f, x), 2.0**-500), -1.0 / x, usual)


def _digamma_near(f: Function, t: Value) -> Pair:
    """digamma(1 + t) for 0 <= t <= 3: relative to its zero."""
    less = t - 1.0
    v = less / (less + 4.0)
    factor = quick_two_sum(f, f.like(_DIGAMMA_NEAR[0], t), v * horner_by_pairs(f, v, _DIGAMMA_NEAR[1:]))
    distance = two_sum(f, t, -_ROOT_LESS_ONE[0])
    return pair_product(f, quick_two_sum(f, distance.high, distance.low - _ROOT_LESS_ONE[1]), factor)


def _digamma_far(f: Function, x: Value) -> Pair:
    """digamma(x) for x >= 4: log x - 1/2x - ..."""
    log, inverse = log_as_pair(f, x), 1.0 / x
    square = inverse * inverse
    series = multiply_add(f, square, horner(f, square, _DIGAMMA_FAR), inverse * 0.5)
    return quick_two_sum(f, log.high, log.low - series)


def _digamma_negative(f: Function, x: Value) -> Value:
    """Reflection, DLMF 5.5.4: digamma(1 - x) - π cot(πx), as pairs; NaN at the poles."""
    size, offset = _from_integer(f, x)
    cosine = _sine(f, 0.5 - absolute(f, offset))
    cotangent = pair_product(f, pair_quotient(f, cosine, _sine(f, offset)), constant(f, PI, x))
    y = quick_two_sum(f, size, 1.0)
    near, far, large = _digamma_near(f, size), _digamma_far(f, y.high), f.fcmp("oge", size, 3.0)
    far = Pair(far.high, far.low + y.low / y.high)
    above = Pair(f.select(large, far.high, near.high), f.select(large, far.low, near.low))
    total = pair_total(pair_sum(f, cotangent, above))
    return f.select(f.fcmp("oeq", offset, 0.0), nan, total)
