"""Trigonometric and hyperbolic functions and their inverses; angles in radians.

Imports core, `families`, `arithmetic` and `power`.
"""

from __future__ import annotations

import numpy as np

from functrans.core.primitive import aval_of
from functrans.ops.arithmetic import add, div, div_no_nan, mul, neg, square, sub
from functrans.ops.families import FLOATING, INEXACT, apply1, apply2, elementwise, unary
from functrans.ops.power import hypot, sqrt
from functrans.typing import Array, ArrayLike

sin_p = unary("sin", np.sin, INEXACT, lambda g, _, x: mul(g, cos(x)))


def sin(x: ArrayLike) -> Array:
    """Elementwise sine."""
    return apply1(sin_p, x)


cos_p = unary("cos", np.cos, INEXACT, lambda g, _, x: neg(mul(g, sin(x))))


def cos(x: ArrayLike) -> Array:
    """Elementwise cosine."""
    return apply1(cos_p, x)


tan_p = unary("tan", np.tan, INEXACT, lambda g, out, _: mul(g, add(square(out), 1)))


def tan(x: ArrayLike) -> Array:
    """Elementwise tangent."""
    return apply1(tan_p, x)


# 1 - x² and x² - 1 are written as products: near ±1 they keep their digits, and complex ones their branch.


def _cosine_of_asin(x: Array) -> Array:
    if aval_of(x).dtype.kind == "c":  # 1 - x would lose the sign of a zero, by which side of the cut x is on
        return sqrt(mul(neg(sub(x, 1)), add(x, 1)))
    return sqrt(mul(sub(1, x), add(x, 1)))


asin_p = unary("asin", np.arcsin, INEXACT, lambda g, _, x: div(g, _cosine_of_asin(x)))


def asin(x: ArrayLike) -> Array:
    """Elementwise inverse sine, in [-π/2, π/2] for real operands."""
    return apply1(asin_p, x)


acos_p = unary("acos", np.arccos, INEXACT, lambda g, _, x: neg(div(g, _cosine_of_asin(x))))


def acos(x: ArrayLike) -> Array:
    """Elementwise inverse cosine, in [0, π] for real operands."""
    return apply1(acos_p, x)


atan_p = unary("atan", np.arctan, INEXACT, lambda g, _, x: div(g, add(square(x), 1)))


def atan(x: ArrayLike) -> Array:
    """Elementwise inverse tangent, in [-π/2, π/2] for real operands."""
    return apply1(atan_p, x)


def _over_square(g: Array, part: Array, y: Array, x: Array) -> Array:
    """g · part / (x² + y²) with neither overflow nor underflow of the squares; 0 at the origin."""
    radius = hypot(y, x)
    return mul(g, div_no_nan(div_no_nan(part, radius), radius))


atan2_p = elementwise(
    "atan2",
    np.arctan2,
    FLOATING,
    (lambda g, _, y, x: _over_square(g, x, y, x), lambda g, _, y, x: neg(_over_square(g, y, y, x))),
)


def atan2(x: ArrayLike, y: ArrayLike) -> Array:  # JAX's names
    """Elementwise angle of the point whose ordinate is x and abscissa y, in [-π, π]; the derivative at the origin is 0."""
    return apply2(atan2_p, x, y)


# ---- hyperbolic ----

sinh_p = unary("sinh", np.sinh, INEXACT, lambda g, _, x: mul(g, cosh(x)))


def sinh(x: ArrayLike) -> Array:
    """Elementwise hyperbolic sine."""
    return apply1(sinh_p, x)


cosh_p = unary("cosh", np.cosh, INEXACT, lambda g, _, x: mul(g, sinh(x)))


def cosh(x: ArrayLike) -> Array:
    """Elementwise hyperbolic cosine."""
    return apply1(cosh_p, x)


tanh_p = unary("tanh", np.tanh, INEXACT, lambda g, out, _: mul(g, sub(1, square(out))))


def tanh(x: ArrayLike) -> Array:
    """Elementwise hyperbolic tangent."""
    return apply1(tanh_p, x)


asinh_p = unary("asinh", np.arcsinh, INEXACT, lambda g, _, x: div(g, sqrt(add(square(x), 1))))


def asinh(x: ArrayLike) -> Array:
    """Elementwise inverse hyperbolic sine."""
    return apply1(asinh_p, x)


acosh_p = unary("acosh", np.arccosh, INEXACT, lambda g, _, x: div(g, mul(sqrt(sub(x, 1)), sqrt(add(x, 1)))))


def acosh(x: ArrayLike) -> Array:
    """Elementwise inverse hyperbolic cosine, not negative for real operands."""
    return apply1(acosh_p, x)


atanh_p = unary("atanh", np.arctanh, INEXACT, lambda g, _, x: div(g, mul(sub(1, x), add(x, 1))))


def atanh(x: ArrayLike) -> Array:
    """Elementwise inverse hyperbolic tangent."""
    return apply1(atanh_p, x)


# ---- degrees ----

deg2rad_p = unary("deg2rad", np.deg2rad, FLOATING, lambda g, *_: deg2rad(g))


def deg2rad(x: ArrayLike) -> Array:
    """Elementwise degrees to radians, of floating operands."""
    return apply1(deg2rad_p, x)


rad2deg_p = unary("rad2deg", np.rad2deg, FLOATING, lambda g, *_: rad2deg(g))


def rad2deg(x: ArrayLike) -> Array:
    """Elementwise radians to degrees, of floating operands."""
    return apply1(rad2deg_p, x)
