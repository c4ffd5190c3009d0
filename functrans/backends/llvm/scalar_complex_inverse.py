"""Inverse circular and hyperbolic functions of complex numbers: both parts to a few ULP, on the sides of the cuts as C99 says.

Start reading at `_foci`. All six are compositions of `hypot`, `atan2`, `log` and `log1p`. Imports `scalar_complex` and `math`.

Source: Hull, Fairgrieve and Tang, "Implementing the complex arcsine and arccosine functions using exception handling", ACM
TOMS 23 (1997). What cancels there is written so that it does not, for every operand.
"""

from __future__ import annotations

import math

from functrans.backends.llvm.elements import Lanes
from functrans.backends.llvm.ir import Value
from functrans.backends.llvm.math import FUNCTIONS
from functrans.backends.llvm.math.polynomial import multiply_add
from functrans.backends.llvm.scalar_complex import ComplexOperation, Pair
from functrans.backends.llvm.scalar_float import fabs
from functrans.record import Record
from functrans.typing import DType

__all__ = ["COMPLEX_INVERSES"]


def _real(b: Lanes, name: str, *operands: Value) -> Value:
    return FUNCTIONS[name](b.function, *operands)


def _sqrt(b: Lanes, x: Value) -> Value:
    return b.function.intrinsic("sqrt", x)


def _signed(b: Lanes, x: Value, sign: Value) -> Value:
    return b.function.intrinsic("copysign", x, sign)


def _beyond(b: Lanes, x: Value, y: Value, of_float: float, of_double: float) -> Value:
    """Where one of two sizes is larger than a limit."""
    f, limit = b.function, of_float if x.type.bits == 32 else of_double
    return f.fcmp("ogt", x, limit) | f.fcmp("ogt", y, limit)


# ---- by the distances from -1 and 1 ----


class _Foci(Record):
    """Of a + ih, a and h at least 0: arcsin(a + ih) = atan2(a, across) + i height, arccos: atan2(across, a) - i height."""

    across: Value
    height: Value


def _foci(b: Lanes, a: Value, h: Value) -> _Foci:
    """By A, half the sum of the distances from -1 and 1: across² = A² - a², and cosh(height) = A."""
    f = b.function
    r, s = _real(b, "hypot", a + 1.0, h), _real(b, "hypot", a - 1.0, h)
    middle = (r + s) * 0.5
    far, near = r + (a + 1.0), s + fabs(b, a - 1.0)
    total = (middle + a) * 0.5
    within = _sqrt(b, total * (h * h / far + near))
    across = f.select(f.fcmp("ole", a, 1.0), within, h * _sqrt(b, total / far + total / near))
    is_within = f.fcmp("olt", a, 1.0)
    rest = h * (h / far)
    twice = rest + f.select(is_within, h * (h / near), near)  # 2 (A - 1), which halved may underflow
    slope = h * _sqrt(b, (middle + 1.0) * 0.5 * (1.0 / far + 1.0 / near))
    root = f.select(is_within, slope, _sqrt(b, twice * ((middle + 1.0) * 0.5)))
    height = _real(b, "log1p", multiply_add(f, twice, 0.5, root))
    is_huge = _beyond(b, a, h, 2.0**15, 2.0**30)
    return _Foci(f.select(is_huge, h, across), f.select(is_huge, _log_of_twice_size(b, a, h), height))


def _log_of_twice_size(b: Lanes, x: Value, y: Value) -> Value:
    """ln(2 |x + iy|) of large numbers."""
    return _real(b, "log", _real(b, "hypot", x * 0.25, y * 0.25)) + 3 * math.log(2)


def _along(b: Lanes, a: Value, across: Value) -> Value:
    """The real part of arcsin; 0 for a = 0, also where `across` is unknown."""
    return b.function.select(b.function.fcmp("oeq", a, 0.0), 0.0, _real(b, "atan2", a, across))


def _asin(b: Lanes, _dtype: DType, z: Pair) -> Pair:
    a, h = fabs(b, z[0]), fabs(b, z[1])
    foci = _foci(b, a, h)
    return _signed(b, _along(b, a, foci.across), z[0]), _signed(b, foci.height, z[1])


def _asinh(b: Lanes, dtype: DType, z: Pair) -> Pair:
    im, re = _asin(b, dtype, (z[1], z[0]))
    return re, im


def _angle(b: Lanes, z: Pair) -> tuple[Value, Value]:
    """The real part of arccos, from 0 to π, and the size of its imaginary part."""
    f = b.function
    foci = _foci(b, fabs(b, z[0]), fabs(b, z[1]))
    return f.select(f.fcmp("oeq", z[0], 0.0), math.pi / 2, _real(b, "atan2", foci.across, z[0])), foci.height


def _acos(b: Lanes, _dtype: DType, z: Pair) -> Pair:
    angle, height = _angle(b, z)
    return angle, _signed(b, height, -z[1])


def _acosh(b: Lanes, _dtype: DType, z: Pair) -> Pair:
    angle, height = _angle(b, z)
    return height, _signed(b, angle, z[1])


# ---- by a logarithm of a ratio ----


def _atanh(b: Lanes, _dtype: DType, z: Pair) -> Pair:
    """log(1 + 4a / ((1 - a)² + h²)) / 4, and half the angle of (1 - a)(1 + a) - h² + 2ih; of large numbers their inverse."""
    f, (x, y) = b.function, z
    a, h = fabs(b, x), fabs(b, y)
    less = 1.0 - a
    re = _real(b, "log1p", a * 4.0 / (less * less + h * h)) * 0.25
    is_pole = f.fcmp("oeq", a, 1.0) & f.fcmp("olt", h, 2.0**-30)  # whose square may underflow
    re = f.select(is_pole, (math.log(2) - _real(b, "log", h)) * 0.5, re)
    im = _real(b, "atan2", h + h, less * (a + 1.0) - h * h) * 0.5
    is_huge = _beyond(b, a, h, 2.0**30, 2.0**60)
    size = _real(b, "hypot", a * 0.5, h * 0.5)
    is_infinite = f.fcmp("oeq", a, math.inf) | f.fcmp("oeq", h, math.inf)
    inverse = f.select(is_infinite, 0.0, a * 0.5 / size / size * 0.5)
    re = f.select(f.fcmp("oeq", a, 0.0), 0.0, f.select(is_huge, inverse, re))
    is_right = f.fcmp("ord", a, h) | f.fcmp("oeq", h, math.inf)
    im = f.select(is_huge, f.select(is_right, math.pi / 2, f.like(math.nan, im)), im)
    return _signed(b, re, x), _signed(b, im, y)


def _atan(b: Lanes, dtype: DType, z: Pair) -> Pair:
    im, re = _atanh(b, dtype, (z[1], z[0]))
    return re, im


COMPLEX_INVERSES: dict[str, ComplexOperation] = {
    "asin": _asin,
    "acos": _acos,
    "atan": _atan,
    "asinh": _asinh,
    "acosh": _acosh,
    "atanh": _atanh,
}
