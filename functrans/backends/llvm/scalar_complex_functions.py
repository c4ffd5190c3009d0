"""Transcendental functions of complex numbers, composed of those of floats that `math` has, with C99's special values.

Inverse functions are in `scalar_complex_inverse`; powers are not here: they stay NumPy's. Start reading at
`COMPLEX_FUNCTIONS`. Imports `scalar_complex` and `math`.
"""

from __future__ import annotations

import math

from functrans.backends.llvm.elements import Lanes
from functrans.backends.llvm.ir import Value
from functrans.backends.llvm.math import FUNCTIONS
from functrans.backends.llvm.scalar_complex import ComplexOperation, Pair, choose
from functrans.backends.llvm.scalar_complex_inverse import COMPLEX_INVERSES
from functrans.backends.llvm.scalar_float import fabs, is_finite
from functrans.typing import DType

__all__ = ["COMPLEX_FUNCTIONS"]


def _real(b: Lanes, name: str, *operands: Value) -> Value:
    return FUNCTIONS[name](b.function, *operands)


def _like(b: Lanes, x: Value, value: float) -> Value:
    return b.number(value, x.type.scalar)


def _is_infinite(b: Lanes, x: Value) -> Value:
    return b.function.fcmp("oeq", fabs(b, x), math.inf)


def _not(b: Lanes, mask: Value) -> Value:
    return mask ^ b.function.const(1, mask.type)


def _single(x: Value, of_float: float, of_double: float) -> float:
    return of_float if x.type.bits == 32 else of_double


# ---- magnitude ----


def _abs(b: Lanes, _dtype: DType, z: Pair) -> Value:
    return _real(b, "hypot", *z)


def _sign(b: Lanes, _dtype: DType, z: Pair) -> Pair:
    """z / |z|; 0 at 0, and the direction of an axis that is infinite alone."""
    f = b.function
    size = _real(b, "hypot", *z)
    ratio = z[0] / size, z[1] / size
    one, zero, nan = (_like(b, size, value) for value in (1, 0, math.nan))
    on_axis = choose(
        b, _is_infinite(b, z[0]), (f.intrinsic("copysign", one, z[0]), zero), (zero, f.intrinsic("copysign", one, z[1]))
    )
    both = _is_infinite(b, z[0]) & _is_infinite(b, z[1])
    along = choose(b, both, (nan, nan), on_axis)
    return choose(b, f.fcmp("oeq", size, 0), (zero, zero), choose(b, _is_infinite(b, size), along, ratio))


def _sqrt(b: Lanes, _dtype: DType, z: Pair) -> Pair:
    """√((|x| + |z|) / 2) is one part, and half of y over it the other, of a number scaled by a power of 4."""
    f, (x, y) = b.function, z
    far, near, tiny = _single(x, 2.0**-4, 2.0**-4), _single(x, 2.0**100, 2.0**1000), _single(x, 2.0**-100, 2.0**-960)
    size = f.intrinsic("maximum", fabs(b, x), fabs(b, y))
    up = _single(x, 2.0**60, 2.0**120)
    scale = f.select(f.fcmp("ogt", size, near), far, f.select(f.fcmp("olt", size, tiny), up, _like(b, x, 1)))
    back = f.select(f.fcmp("ogt", size, near), far**-0.5, f.select(f.fcmp("olt", size, tiny), up**-0.5, _like(b, x, 1)))
    along, across = fabs(b, x) * scale, fabs(b, y) * scale
    great = f.intrinsic("sqrt", (along + _real(b, "hypot", along, across)) * 0.5)
    small = across / (great + great) * back
    great = great * back
    is_right = f.fcmp("oge", x, 0)
    re, im = f.select(is_right, great, small), f.intrinsic("copysign", f.select(is_right, small, great), y)
    zero, inf = _like(b, x, 0), _like(b, x, math.inf)
    re, im = choose(b, f.fcmp("oeq", x, 0) & f.fcmp("oeq", y, 0), (zero, y), (re, im))
    unknown = f.select(is_finite(b, y), f.intrinsic("copysign", zero, y), math.nan)
    right = inf, unknown
    left = f.select(is_finite(b, y), 0, _like(b, x, math.nan)), f.intrinsic("copysign", inf, y)
    re, im = choose(b, _is_infinite(b, x), choose(b, is_right, right, left), (re, im))
    return choose(b, _is_infinite(b, y), (inf, y), (re, im))


# ---- logarithms ----


def _log_abs(b: Lanes, z: Pair) -> Value:
    """ln |z|; near |z| = 1 by |z|² - 1, of which each square and each sum is split into a float and its rest."""
    f = b.function
    sizes = fabs(b, z[0]), fabs(b, z[1])
    is_first = f.fcmp("ogt", sizes[0], sizes[1])
    great, small = choose(b, is_first, sizes, (sizes[1], sizes[0]))
    squares = great * great, small * small
    rests = f.fma(great, great, -squares[0]), f.fma(small, small, -squares[1])
    above = squares[0] - 1.0
    total = above + squares[1]
    lost = (squares[0] - (above + 1.0)) + (squares[1] - (total - above))
    near = 0.5 * _real(b, "log1p", total + (lost + (rests[0] + rests[1])))
    is_near = f.fcmp("ogt", great, 0.5) & f.fcmp("olt", great, 1.5)
    return f.select(is_near, near, _log_of_size(b, great, small))


def _log_of_size(b: Lanes, great: Value, small: Value) -> Value:
    f = b.function
    limit, step = _single(great, 100, 900), _single(great, 60, 120)
    is_large, is_tiny = f.fcmp("ogt", great, 2.0**limit), f.fcmp("olt", great, 2.0**-limit)
    one, zero = _like(b, great, 1), _like(b, great, 0)
    scale = f.select(is_large, 2.0**-step, f.select(is_tiny, 2.0**step, one))
    shift = f.select(is_large, step * math.log(2), f.select(is_tiny, -step * math.log(2), zero))
    return _real(b, "log", _real(b, "hypot", great * scale, small * scale)) + shift


def _log(b: Lanes, _dtype: DType, z: Pair) -> Pair:
    return _log_abs(b, z), _real(b, "atan2", z[1], z[0])


def _log_times(factor: float) -> ComplexOperation:
    def operation(b: Lanes, dtype: DType, z: Pair) -> Pair:
        re, im = _log(b, dtype, z)
        return re * factor, im * factor

    return operation


def _log1p(b: Lanes, _dtype: DType, z: Pair) -> Pair:
    """NumPy's formula."""
    above = z[0] + 1.0
    return _real(b, "log", _real(b, "hypot", above, z[1])), _real(b, "atan2", z[1], above)


# ---- exponentials ----


def _halved(b: Lanes, x: Value) -> tuple[Value, Value]:
    """x or its half, whose exponential is in range, and whether it is the half."""
    is_far = b.function.fcmp("ogt", fabs(b, x), _single(x, 85, 700))
    return b.function.select(is_far, x * 0.5, x), is_far


def _exp(b: Lanes, _dtype: DType, z: Pair) -> Pair:
    f, (x, y) = b.function, z
    part, is_far = _halved(b, x)
    scale = _real(b, "exp", part)
    again = f.select(is_far, scale, 1)
    re, im = scale * _real(b, "cos", y) * again, scale * _real(b, "sin", y) * again
    im = f.select(f.fcmp("oeq", y, 0), y, im)
    zero, nan, inf = (_like(b, x, value) for value in (0, math.nan, math.inf))
    nothing = zero, f.intrinsic("copysign", zero, y)
    lost = choose(b, f.fcmp("oeq", x, -math.inf), nothing, (f.select(f.fcmp("oeq", x, inf), inf, nan), nan))
    return choose(b, is_finite(b, y), (re, im), lost)


def _exp2(b: Lanes, dtype: DType, z: Pair) -> Pair:
    return _exp(b, dtype, (z[0] * math.log(2), z[1] * math.log(2)))


def _expm1(b: Lanes, _dtype: DType, z: Pair) -> Pair:
    """NumPy's formula."""
    half = _real(b, "sin", z[1] * 0.5)
    re = _real(b, "expm1", z[0]) * _real(b, "cos", z[1]) - 2.0 * half * half
    return re, _real(b, "exp", z[0]) * _real(b, "sin", z[1])


def _hyperbolic(b: Lanes, x: Value) -> tuple[Value, Value, Value]:
    """sinh and cosh over a factor that only far numbers have."""
    f = b.function
    part, is_far = _halved(b, x)
    scale = _real(b, "exp", fabs(b, part))
    sinh = f.select(is_far, f.intrinsic("copysign", scale * 0.5, x), _real(b, "sinh", part))
    return sinh, f.select(is_far, scale * 0.5, _real(b, "cosh", part)), f.select(is_far, scale, 1)


def _sinh(b: Lanes, _dtype: DType, z: Pair) -> Pair:
    f, (x, y) = b.function, z
    sinh, cosh, again = _hyperbolic(b, x)
    re, im = sinh * _real(b, "cos", y) * again, cosh * _real(b, "sin", y) * again
    wild = _not(b, is_finite(b, y))
    re = f.select(wild & f.fcmp("oeq", x, 0), x, f.select(wild & _is_infinite(b, x), math.inf, re))
    return re, f.select(f.fcmp("oeq", y, 0), y, im)


def _cosh(b: Lanes, _dtype: DType, z: Pair) -> Pair:
    f, (x, y) = b.function, z
    sinh, cosh, again = _hyperbolic(b, x)
    re, im = cosh * _real(b, "cos", y) * again, sinh * _real(b, "sin", y) * again
    wild = _not(b, is_finite(b, y))
    re = f.select(wild & _is_infinite(b, x), math.inf, re)
    turned = f.select(f.fcmp("olt", f.intrinsic("copysign", _like(b, x, 1), x), 0), -y, y)
    im = f.select(f.fcmp("oeq", y, 0), f.select(f.fcmp("uno", x, x), y, turned), im)
    return re, f.select(wild & f.fcmp("oeq", x, 0), 0, im)


def _sin(b: Lanes, dtype: DType, z: Pair) -> Pair:
    im, re = _sinh(b, dtype, (z[1], z[0]))
    return re, im


def _cos(b: Lanes, dtype: DType, z: Pair) -> Pair:
    return _cosh(b, dtype, (-z[1], z[0]))


def _tanh(b: Lanes, _dtype: DType, z: Pair) -> Pair:
    """Kahan's: "Branch cuts for complex elementary functions", 1987."""
    f, (x, y) = b.function, z
    limit = _single(x, 11, 22)
    is_far = f.fcmp("ogt", fabs(b, x), limit)
    tan, sinh = _real(b, "tan", y), _real(b, "sinh", f.select(is_far, limit, x))
    secant = tan * tan + 1.0
    under = secant * sinh * sinh + 1.0
    re, im = secant * f.intrinsic("sqrt", sinh * sinh + 1.0) * sinh / under, tan / under
    decay = _real(b, "exp", -2.0 * fabs(b, x))
    far_im = 4.0 * _real(b, "sin", y) * _real(b, "cos", y) * decay
    far_re = f.intrinsic("copysign", _like(b, x, 1), x)
    zero, nan = _like(b, x, 0), _like(b, x, math.nan)
    wild = choose(b, _is_infinite(b, x), (far_re, f.intrinsic("copysign", zero, y)), (nan, nan))
    re, im = choose(b, is_far, choose(b, is_finite(b, y), (far_re, far_im), wild), (re, im))
    re = f.select(f.fcmp("oeq", x, 0), x, re)
    return re, f.select(f.fcmp("oeq", y, 0), y, im)


def _tan(b: Lanes, dtype: DType, z: Pair) -> Pair:
    im, re = _tanh(b, dtype, (z[1], z[0]))
    return re, im


COMPLEX_FUNCTIONS: dict[str, ComplexOperation] = {
    "complex_abs": _abs,
    "complex_sign": _sign,
    "sqrt": _sqrt,
    "log": _log,
    "log2": _log_times(math.log2(math.e)),
    "log10": _log_times(math.log10(math.e)),
    "log1p": _log1p,
    "exp": _exp,
    "exp2": _exp2,
    "expm1": _expm1,
    "sinh": _sinh,
    "cosh": _cosh,
    "tanh": _tanh,
    "sin": _sin,
    "cos": _cos,
    "tan": _tan,
    **COMPLEX_INVERSES,
}
