"""The error function and its complement, of floats and doubles: within 1.5 ULP over the whole range.

Imports `exponential`, `rare`, `polynomial` and `floats`; start reading at `erf`. The polynomials are minimax, fitted with
mpmath for this file.
"""

from __future__ import annotations

from collections.abc import Sequence

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import Value
from functrans.backends.llvm.math.exponential import reduced, tail_of_exp
from functrans.backends.llvm.math.floats import absolute, at_least, at_most, power_of_two, with_sign
from functrans.backends.llvm.math.polynomial import horner, horner_by_pairs, multiply_add, quick_two_sum, two_product
from functrans.backends.llvm.math.rare import called

__all__ = ["erf", "erfc", "erfc_tail"]

# erf(x)/x - 1 in x², |x| <= 1: errors of 2**-29.1 and 2**-56 of erf(x)
_CENTRE = {
    32: (
        0.12837916612625122, -0.3761262595653534, 0.11283578723669052, -0.026853347197175026, 0.005187164526432753,
        -0.0007997885113582015, 7.807048677932471e-05,
    ),
    64: (
        0.12837916709551256, -0.37612638903183343, 0.11283791670936949, -0.026866170641958717, 0.005223977596730728,
        -0.0008548325484665986, 0.00012055280483891748, -1.4924465340496308e-05, 1.644414615228915e-06,
        -1.61839514770312e-07, 1.3616500994951039e-08, -7.607390444692328e-10,
    ),
}  # fmt: skip
# erfc(x)**(1/4) in x - start, from 1 to where erf rounds to 1: (start, end, coefficients); errors of 2**-30.9 and 2**-55
# of erf(x). The fourth root is what makes a polynomial do: it falls like exp(-x²/4), and near 1 its errors, times four and
# times erfc, are still below those of the subtraction.
_TAIL = {
    32: (
        0.0, 3.95,
        (
            0.9998387694358826, -0.28086528182029724, -0.12343806028366089, 0.02321540005505085, 0.009196421131491661,
            0.0064438930712640285, -0.006159000564366579, 0.0017517138039693236, -0.0002257616724818945,
            1.1421054296079092e-05,
        ),
    ),
    64: (
        1.0, 6.0,
        (
            0.6297695139034098, -0.41548532216164097, 0.004315721727286499, 0.050890549415173396,
            -0.004030979378415339, -0.004930830496324327, 0.0007767980353113771, 0.0002961069271975049,
            -7.338604202780747e-05, -9.527165388997118e-06, 3.6539183481837942e-06, 2.3960902763356463e-07,
            -1.2240922282839333e-07, -1.6275170818053485e-08, 5.89815547255508e-09, 1.1862243213579678e-09,
            -7.106259670289563e-10, 1.340494027692903e-10, -1.3213725333315558e-11, 6.823548493893622e-13,
            -1.4339651310642953e-14,
        ),
    ),
}  # fmt: skip
# erf(x)/x - 1 in x² - 3/4, |x| <= 1: what cancels in erfc near 1 is small there; errors of 2**-27.5 and 2**-55 of erfc(x)
_COMPLEMENT_CENTRE = {
    32: (
        -0.100108802318573, -0.24458840489387512, 0.06691891700029373, -0.015131660737097263, 0.002846179297193885,
        -0.0004509791806457394, 7.605509017594159e-05,
    ),
    64: (
        -0.10010880203447822, -0.24458841374655818, 0.06691888796466179, -0.015131144700090441, 0.0028472083350522684,
        -0.0004554912393438926, 6.318505148672505e-05, -7.725331282150193e-06, 8.437185346954144e-07,
        -8.319583474201115e-08, 7.4167463371575236e-09, -7.265859039332865e-10,
    ),
}  # fmt: skip
# 2 a exp(a²) erfc(a) - 1 in (a - 2)/(a + 2), a >= 1 to where erfc underflows: (end, coefficients); errors of 2**-28.1 and
# 2**-55.8 of erfc(a). The variable is that of J. L. Schonfelder, Math. Comp. 32 (1978).
_COMPLEMENT = {
    32: (
        10.2,
        (
            0.021582704037427902, 0.3344220221042633, -0.40768834948539734, 0.24303001165390015, -0.05796094238758087,
            -0.015027482993900776, 0.009657863527536392, 0.002137970644980669, -0.0017923908308148384,
        ),
    ),
    64: (
        28.0,
        (
            0.02158270524202298, 0.33442202082821254, -0.40768859185775835, 0.24302986104912963, -0.057952893395980816,
            -0.015031476818518508, 0.009569797102469146, 0.0022533159126013193, -0.0015003687842185308,
            -0.000628701544759116, 0.00017882904836773563, 0.0001786337502564134, 1.255882271259357e-05,
            -3.809660455953028e-05, -1.745931202412174e-05, 4.254713676967631e-06, 3.666469225612547e-06,
            -1.6755476448912755e-07, 7.714627244604177e-06, -1.0514156030429408e-05, 4.874635530171851e-06,
            -7.950779978054006e-07,
        ),
    ),
}  # fmt: skip


def _polynomial(f: Function, t: Value, coefficients: Sequence[float]) -> Value:
    """Of float64 by pairs: with as many terms each would be waited for."""
    return (horner if t.type.bits == 32 else horner_by_pairs)(f, t, coefficients)


def erf(f: Function, x: Value) -> Value:
    """Elementwise error function: x + x P(x²) within 1, 1 - Q(|x|)⁴ beyond; both of every lane, without a branch."""
    size = absolute(f, x)
    centre = multiply_add(f, x, _polynomial(f, x * x, _CENTRE[x.type.bits]), x)
    start, end, coefficients = _TAIL[x.type.bits]
    beyond = at_most(f, size, end)
    root = _polynomial(f, beyond - start if start else beyond, coefficients)
    square = root * root
    tail = multiply_add(f, -square, square, 1.0)
    return f.select(f.fcmp("olt", size, 1.0), centre, with_sign(f, tail, x))


def erfc(f: Function, x: Value) -> Value:
    """Elementwise 1 - erf(x)."""
    return called(f, "math.erfc", _erfc, x)


def _erfc(f: Function, x: Value) -> Value:
    """1 less a polynomial within 1, `erfc_tail` beyond: both of every lane."""
    size = absolute(f, x)
    # From 1/4 on, 1 - erf(x) would round in a higher binade; 1/4 - (erf(x) - 3/4) does not.
    shift = f.select(f.fcmp("olt", x, 0.25), f.zero(x.type), 0.75)
    factor = _polynomial(f, multiply_add(f, x, x, -0.75), _COMPLEMENT_CENTRE[x.type.bits])
    centre = (1.0 - shift) - multiply_add(f, x, factor, x - shift)
    tail = erfc_tail(f, at_least(f, size, 1.0))
    tail = f.select(f.fcmp("olt", x, 0.0), 2.0 - tail, tail)
    return f.select(f.fcmp("olt", size, 1.0), centre, tail)


def erfc_tail(f: Function, a: Value) -> Value:
    """erfc(a) for a >= 1: exp(-a²) / 2a times 1 + P. What each step loses goes into the last, small term."""
    end, coefficients = _COMPLEMENT[a.type.bits]
    a = at_most(f, a, end)
    square = two_product(f, a, a)
    n, r = reduced(f, -square.high)
    power = quick_two_sum(f, f.like(1.0, a), r.high)
    rest = r.high * r.high
    rest = rest * tail_of_exp(f, r.high, rest)
    rest = multiply_add(f, r.low - square.low, power.high + rest, rest)
    inverse = 0.5 / a
    quotient = power.high * inverse
    product = two_product(f, quotient, a + a)
    lost = ((power.high - product.high) - product.low) + (power.low + rest)
    factor = _polynomial(f, (a - 2.0) / (a + 2.0), coefficients)
    lost = multiply_add(f, quotient, factor, lost * inverse * (1.0 + factor))
    # 2**n by way of a larger power, so that the product is rounded only once where it is subnormal.
    most = {32: 60, 64: 600}[a.type.bits]
    return (quotient + lost) * power_of_two(f, n.bits + most) * 2.0**-most
