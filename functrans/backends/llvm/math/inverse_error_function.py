"""The inverse of the error function, of floats and doubles: within 1.5 ULP.

Imports `error_function`, `exponential`, `logarithm`, `rare`, `polynomial` and `floats`; start reading at `_erf_inv`.
The polynomials are minimax, fitted with mpmath for this file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import inf

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import Value
from functrans.backends.llvm.math.error_function import erfc_tail
from functrans.backends.llvm.math.exponential import exp
from functrans.backends.llvm.math.floats import absolute, at_most, with_sign
from functrans.backends.llvm.math.logarithm import log
from functrans.backends.llvm.math.polynomial import horner, horner_by_pairs, multiply_add, quick_two_sum
from functrans.backends.llvm.math.rare import called, rarely

__all__ = ["erf_inv"]

# sqrt(π)/2 as a pair, and (erfinv(x)/x - sqrt(π)/2) / x² in x², |x| <= 1/2: errors of 2**-30.1 and 2**-61 of erfinv(x)
_CENTRE = {
    32: (
        (0.8862269520759583, -2.6623199644859596e-08),
        (
            0.23201347887516022, 0.1275702863931656, 0.08620163798332214, 0.06890298426151276, 0.029970331117510796,
            0.0974566861987114,
        ),
    ),
    64: (
        (0.886226925452758, -3.8332932499128993e-17),
        (
            0.23201366653465424, 0.12755617530568783, 0.08655212923021963, 0.06495961846499707, 0.051731254955911875,
            0.04283737561626993, 0.03645514640091752, 0.03181332557492119, 0.02696185414041855, 0.030962957005007306,
            -0.0016915865064669193, 0.08784639628314825, -0.09735774367504507, 0.12065210156403401,
        ),
    ),
}  # fmt: skip
# erfinv(x)/x in w - 3/2, w = -log(1 - x²) from 0.28 to 6.25: the first coefficient as a pair, and the rest; errors of
# 2**-25.8 and 2**-54.7. The variable is that of M. Giles, "Approximating the erfinv function", GPU Computing Gems Jade
# Edition (2012), chapter 10.
_MIDDLE = {
    32: (
        (1.2520638704299927, -2.7151225268085e-08),
        (
            0.25036245584487915, 0.0008797312038950622, -0.002092343056574464, 0.00017774086154531687,
            2.328186747035943e-05, -5.423279617389198e-06, -4.154115629262378e-08, 1.248637602202507e-07,
            -1.5906474359894673e-08, 6.928898010905016e-10,
        ),
    ),
    64: (
        (1.2520638405834421, -8.124638306007015e-17),
        (
            0.2503624453424529, 0.0008797647126628251, -0.0020923279303877978, 0.0001776693151326219,
            2.328816794381259e-05, -5.372773964217582e-06, -6.507546978484342e-08, 1.1770357860645149e-07,
            -7.232272296107249e-09, -2.0197568243702652e-09, 3.0270654580504794e-10, 2.280159289264547e-11,
            -8.322011890061006e-12, 7.816887627279664e-14, 1.8334285578044415e-13, -1.4734058276551992e-14,
            -3.6818247746687986e-15, 8.98002036187733e-16, -6.015804345278811e-17, -4.5526015565801124e-18,
            1.1294396878820287e-18, -8.208542904696836e-20, 2.2486465703709928e-21,
        ),
    ),
}  # fmt: skip
_MIDDLE_END = 6.25
# Of floats beyond: erfinv(x)/sqrt(w) - 15/16 in sqrt(w) - 13/4, to 2**-27.8
_TAIL = (
    0.01137561071664095, 0.01742449402809143, -0.0039299908094108105, 0.00045672227861359715, 0.0001242886355612427,
    -0.00010705116437748075, 3.675468178698793e-05, -4.59022567156353e-06,
)  # fmt: skip
# Of doubles beyond: erfinv(x) in sqrt(w), to 1e-6
_GUESS = (
    0.17163533070828652, 0.5653866703370822, 0.23360112039188557, -0.07017460052546914, 0.012999470956087283,
    -0.001477177985525339, 9.473990677862045e-05, -2.632501967766063e-06,
)  # fmt: skip


def erf_inv(f: Function, x: Value) -> Value:
    """Elementwise inverse of erf, from -1 to 1; NaN beyond."""
    return called(f, "math.erf_inv", _erf_inv, x)


def _erf_inv(f: Function, x: Value) -> Value:
    """Polynomials in x² within 1/2, in w = -log(1 - x²) beyond; where w is large, which is rare, as `_far_out` has it."""
    size = absolute(f, x)
    w = -log(f, (1.0 - size) * (1.0 + size))
    near = f.select(f.fcmp("ole", size, 0.5), _centre(f, size), _middle(f, size, w))
    far = f.fcmp("ogt", w, _MIDDLE_END)

    def far_out() -> Value:
        value = (_far_float if x.type.bits == 32 else _far_double)(f, 1.0 - size, w)
        return f.select(far, f.select(f.fcmp("oeq", size, 1.0), inf, value), near)

    return with_sign(f, rarely(f, far, near, far_out), x)


def _polynomial(f: Function, t: Value, coefficients: Sequence[float]) -> Value:
    return (horner if t.type.bits == 32 else horner_by_pairs)(f, t, coefficients)


def _centre(f: Function, x: Value) -> Value:
    (first, first_low), rest = _CENTRE[x.type.bits]
    square = x * x
    return multiply_add(f, x, first, x * multiply_add(f, square, _polynomial(f, square, rest), first_low))


def _middle(f: Function, x: Value, w: Value) -> Value:
    (first, first_low), rest = _MIDDLE[x.type.bits]
    t = w - 1.5
    ratio = quick_two_sum(f, f.like(first, x), t * _polynomial(f, t, rest))
    return multiply_add(f, x, ratio.high, x * (ratio.low + first_low))


def _far_float(f: Function, _: Value, w: Value) -> Value:
    root = f.intrinsic("sqrt", at_most(f, w, 17.0))
    return multiply_add(f, root, 0.9375, root * horner(f, root - 3.25, _TAIL))


def _far_double(f: Function, target: Value, w: Value) -> Value:
    """One Halley step from a guess y on erfc(y) = 1 - |x|, the `target`, which is exact: cubic, so 1e-6 becomes all digits."""
    y = horner(f, f.intrinsic("sqrt", at_most(f, w, 37.0)), _GUESS)
    newton = (erfc_tail(f, y) - target) * exp(f, y * y) * (math.sqrt(math.pi) / 2)
    return y + newton / (1.0 - y * newton)
