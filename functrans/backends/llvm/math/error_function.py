"""The error function and its complement, of floats and doubles: within 1.5 ULP over the whole range.

Imports `rare`, `polynomial` and `floats`; start reading at `erf`. Polynomials are minimax, fitted with mpmath for this
file unless it says otherwise.
"""

from __future__ import annotations

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import Value
from functrans.backends.llvm.math.floats import absolute, at_most, with_sign
from functrans.backends.llvm.math.polynomial import horner, horner_by_halves, multiply_add

__all__ = ["erf"]

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
        1.0, 5.95,
        (
            0.6297695139034098, -0.4154853221616413, 0.004315721727321026, 0.05089054941411107, -0.004030979363265941,
            -0.004930830618002606, 0.00077679864863693, 0.00029610485164799073, -7.338110963053373e-05,
            -9.535655648536442e-06, 3.6647339823429667e-06, 2.292645602509024e-07, -1.1491685951326644e-07,
            -2.0397934826034766e-08, 7.617649291415829e-09, 6.474981184748925e-10, -5.860812227721397e-10,
            1.134656206783618e-10, -1.0914876300246391e-11, 5.269932874276529e-13, -9.542563177705633e-15,
        ),
    ),
}  # fmt: skip


def erf(f: Function, x: Value) -> Value:
    """Elementwise error function: x + x P(x²) within 1, 1 - Q(|x|)⁴ beyond; both of every lane, without a branch."""
    polynomial = horner if x.type.bits == 32 else horner_by_halves  # as many terms as float64 has wait for each other
    size = absolute(f, x)
    centre = multiply_add(f, x, polynomial(f, x * x, _CENTRE[x.type.bits]), x)
    start, end, coefficients = _TAIL[x.type.bits]
    beyond = at_most(f, size, end)
    root = polynomial(f, beyond - start if start else beyond, coefficients)
    square = root * root
    tail = multiply_add(f, -square, square, 1.0)
    return f.select(f.fcmp("olt", size, 1.0), centre, with_sign(f, tail, x))
