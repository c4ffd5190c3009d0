"""Arithmetic: negative, sum, difference, product, the quotients and remainders, square, reciprocal, integer powers.

A primitive is one block: its value, the dtypes it accepts, its local derivatives, and the public function with its
documentation. Imports core, `families` and `rounding`.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from functrans.core.primitive import LocallyConstant
from functrans.errors import ParameterError
from functrans.ops.families import ANY, INEXACT, INTEGER, NUMERIC, apply1, apply2, elementwise, evaluate_or_bind, unary
from functrans.ops.rounding import trunc
from functrans.typing import Array, ArrayLike, DType

_WHOLE = LocallyConstant("the result is a whole number")

neg_p = unary("neg", np.negative, NUMERIC, lambda g, *_: neg(g))


def neg(x: ArrayLike) -> Array:
    """Elementwise negative, -x."""
    return apply1(neg_p, x)


add_p = elementwise("add", np.add, ANY, (lambda g, *_: g, lambda g, *_: g))


def add(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise sum, x + y; of bool, `or`."""
    return apply2(add_p, x, y)


sub_p = elementwise("sub", np.subtract, NUMERIC, (lambda g, *_: g, lambda g, *_: neg(g)))


def sub(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise difference, x - y."""
    return apply2(sub_p, x, y)


mul_p = elementwise("mul", np.multiply, ANY, (lambda g, _, __, y: mul(g, y), lambda g, _, x, __: mul(g, x)))


def mul(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise product, x · y; of bool, `and`."""
    return apply2(mul_p, x, y)


square_p = unary("square", np.square, NUMERIC, lambda g, _, x: mul(g, add(x, x)))


def square(x: ArrayLike) -> Array:
    """Elementwise square, x · x (complex numbers without conjugation)."""
    return apply1(square_p, x)


# ---- quotients and remainders ----

div_p = elementwise(
    "div",
    np.true_divide,
    INEXACT,
    (lambda g, _, __, y: div(g, y), lambda g, out, _, y: neg(mul(div(g, y), out))),
)


def div(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise true quotient of floating or complex operands, x / y."""
    return apply2(div_p, x, y)


def _div_no_nan(x: Array, y: Array) -> Array:
    out = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(y)), np.result_type(x, y))
    return np.true_divide(x, y, out=out, where=np.not_equal(y, 0))[()]


div_no_nan_p = elementwise(
    "div_no_nan",
    _div_no_nan,
    INEXACT,
    (lambda g, _, __, y: div_no_nan(g, y), lambda g, out, _, y: neg(mul(div_no_nan(g, y), out))),
)


def div_no_nan(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise x / y, and 0 where y is 0: what derivatives at the tip of a cone are made of."""
    return apply2(div_no_nan_p, x, y)


reciprocal_p = unary("reciprocal", np.reciprocal, NUMERIC, lambda g, out, _: neg(mul(g, square(out))))


def reciprocal(x: ArrayLike) -> Array:
    """Elementwise 1 / x; of integers, the integer quotient."""
    return apply1(reciprocal_p, x)


floor_divide_p = elementwise("floor_divide", np.floor_divide, "iuf", _WHOLE)


def floor_divide(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise floor of x / y, as Python's `//`."""
    return apply2(floor_divide_p, x, y)


rem_p = elementwise("rem", np.fmod, "iuf", (lambda g, *_: g, lambda g, _, x, y: neg(mul(g, trunc(div(x, y))))))


def rem(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise remainder with the sign of x, as C's `fmod`."""
    return apply2(rem_p, x, y)


remainder_p = elementwise(
    "remainder", np.remainder, "iuf", (lambda g, *_: g, lambda g, _, x, y: neg(mul(g, floor_divide(x, y))))
)


def remainder(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise remainder with the sign of y, as Python's `%`."""
    return apply2(remainder_p, x, y)


def divmod(x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    """Elementwise floor quotient and remainder, as Python's `divmod`."""
    return floor_divide(x, y), remainder(x, y)


gcd_p = elementwise("gcd", np.gcd, INTEGER, _WHOLE)


def gcd(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise greatest common divisor of integers."""
    return apply2(gcd_p, x, y)


lcm_p = elementwise("lcm", np.lcm, INTEGER, _WHOLE)


def lcm(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise least common multiple of integers."""
    return apply2(lcm_p, x, y)


# ---- integer powers ----


def _integer_pow_impl(x: Array, *, y: int) -> Any:  # Any: what the operator returns
    # The operator, not np.power: NumPy gives it short cuts (x ** 2 is np.square) that round differently.
    return (x if hasattr(x, "dtype") else np.asarray(x)[()]) ** y


def _integer_pow_dtype(dtype: DType, *, y: int) -> DType:
    if dtype.kind in INTEGER:
        if y < 0:
            raise ParameterError("integer_pow", f"an operand of dtype {dtype} and y={y}", "y >= 0 for integers")
        if y > np.iinfo(dtype).max:
            raise OverflowError(f"Python integer {y} out of bounds for {dtype}")
    return dtype


def _integer_pow_rule(g: Array, _: None, x: Array, *, y: int) -> Array | None:
    match y:
        case 0:
            return None
        case 1:
            return g
        case 2:
            return mul(g, add(x, x))
        case 3:
            return mul(g, mul(square(x), 3))
        case _:
            return mul(g, mul(integer_pow(x, y - 1), y))


integer_pow_p = unary("integer_pow", _integer_pow_impl, NUMERIC, _integer_pow_rule, _integer_pow_dtype)


def integer_pow(x: ArrayLike, y: int) -> Array:
    """Elementwise x to the power of one Python integer, which next to integers is in their range and not negative."""
    return evaluate_or_bind(integer_pow_p, cast(Array, x), y=y)
