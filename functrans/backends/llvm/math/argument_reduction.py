"""An angle's quadrant, and what it exceeds it by: the first step of sine, cosine and tangent.

`near` gives (r, e, q) of an x >= 0 that is not far: x = q π/2 + r + e, |r| <= π/4 and a little, e a correction of r; the low
two bits of the integers q count (W. J. Cody and W. Waite, Software Manual for the Elementary Functions, 1980). Imports
`polynomial` and `floats`.
"""

from __future__ import annotations

from math import inf
from typing import TypeAlias

from functrans.backends.llvm.function import Function
from functrans.backends.llvm.ir import Value
from functrans.backends.llvm.math.floats import format_of, round_to_integer
from functrans.backends.llvm.math.polynomial import multiply_add

__all__ = ["Reduced", "is_far", "near"]

Reduced: TypeAlias = tuple[Value, Value, Value]

# π/2 in three parts, and the x up to which they serve. The first part times any q of so many bits is exact (in a fused
# multiply-add: x less that product is), so is the second's, and x less both is exactly a sum of two numbers.
_PARTS = {
    (64, True): (2.0**20, (1.5707963267948966, 6.12323399538461e-17, 3.5215598651832e-27)),
    (64, False): (2.0**10, (1.5707963267948344, 6.223372171896261e-14, 3.5215598651832e-27)),
    (32, True): (2.0**10, (1.5707963705062866, -4.371031536720693e-08, -1.074634630414406e-12)),
    (32, False): (2.0**8, (1.57080078125, -4.454399459064007e-06, -5.564431554416771e-11)),
}
_TWO_OVER_PI = 0.6366197723675814


def is_far(f: Function, x: Value) -> Value:
    """Where x >= 0 is finite, but too large for `near`."""
    return f.fcmp("oge", x, _PARTS[x.type.bits, f.module.target.has_fma][0]) & f.fcmp("olt", x, inf)


def near(f: Function, x: Value) -> Reduced:
    """Of x that is not far. Of an infinity or NaN, NaN."""
    _, (first, second, third) = _PARTS[x.type.bits, f.module.target.has_fma]
    quadrant = round_to_integer(f, multiply_add(f, x, _TWO_OVER_PI, format_of(x).shifter))
    count = -quadrant.value
    rest = multiply_add(f, count, first, x)
    r = multiply_add(f, count, second, rest)
    e = multiply_add(f, count, third, multiply_add(f, count, second, rest - r))
    return r, e, quadrant.bits
