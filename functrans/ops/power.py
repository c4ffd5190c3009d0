"""Roots and powers. Imports core, `families`, `arithmetic`, `cast`, `comparison`, `exponential` and `select`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from functrans.core.aval import ShapedArray
from functrans.core.primitive import aval_of, is_concrete
from functrans.errors import OperandError
from functrans.ops.arithmetic import div, div_no_nan, mul, square, sub
from functrans.ops.cast import convert_element_type
from functrans.ops.comparison import eq
from functrans.ops.exponential import log
from functrans.ops.families import (
    FLOATING,
    INEXACT,
    INTEGER,
    NUMERIC,
    apply1,
    apply2,
    dtype_of,
    elementwise,
    same_dtype,
    unary,
)
from functrans.ops.select import select
from functrans.typing import Array, ArrayLike, DType

sqrt_p = unary("sqrt", np.sqrt, INEXACT, lambda g, out, _: div(mul(g, 0.5), out))


def sqrt(x: ArrayLike) -> Array:
    """Elementwise square root; the derivative at 0 is infinite."""
    return apply1(sqrt_p, x)


rsqrt_p = unary("rsqrt", lambda x: np.reciprocal(np.sqrt(x)), INEXACT, lambda g, out, x: mul(g, div(mul(out, -0.5), x)))


def rsqrt(x: ArrayLike) -> Array:
    """Elementwise reciprocal square root, 1 / √x."""
    return apply1(rsqrt_p, x)


cbrt_p = unary("cbrt", np.cbrt, FLOATING, lambda g, out, _: div(g, mul(square(out), 3)))


def cbrt(x: ArrayLike) -> Array:
    """Elementwise cube root of floating operands, also of negative ones; the derivative at 0 is infinite."""
    return apply1(cbrt_p, x)


hypot_p = elementwise(
    "hypot",
    np.hypot,
    FLOATING,
    (lambda g, out, x, _: mul(g, div_no_nan(x, out)), lambda g, out, _, y: mul(g, div_no_nan(y, out))),
)


def hypot(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise √(x² + y²) without overflow; the derivative at (0, 0) is 0."""
    return apply2(hypot_p, x, y)


# ---- pow ----


def _pow_by_base(g: Array, _: None, x: Array, y: Array) -> Array | None:
    """g · y · x^(y-1), and 0 where y is 0, for any x."""
    if is_concrete(y) and np.ndim(y) == 0:
        return mul(g, mul(pow(x, y - y.dtype.type(1)), y)) if y != 0 else None
    lowered = select(eq(y, 0), 0, sub(y, 1))  # the exponent is replaced first: 0 ** -1 would be infinite
    return mul(g, mul(pow(x, lowered), y))


def _pow_by_exponent(g: Array, out: Array, x: Array, _: None) -> Array:
    """g · out · ln x, and 0 where x is 0, where out goes to 0 faster than the logarithm to infinity."""
    is_zero = eq(x, 0)
    return select(is_zero, 0, mul(g, mul(out, log(select(is_zero, 1, x)))))


pow_p = elementwise("pow", np.power, NUMERIC, (_pow_by_base, _pow_by_exponent))


def pow(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise x to the power y, of one dtype, or y integers next to inexact x.

    Integers to negative powers raise NumPy's ValueError. The derivative by x at y = 0 is 0, and that by y at x = 0.
    """
    if dtype_of(y).kind in INTEGER and dtype_of(x).kind in INEXACT and not aval_of(y).weak:
        y = convert_element_type(y, dtype_of(x))
    return apply2(pow_p, x, y)


def _double(name: str, avals: Sequence[ShapedArray], accepts: str) -> DType:
    dtype = same_dtype(name, avals, accepts)
    if dtype not in (np.dtype(np.float64), np.dtype(np.complex128)):
        raise OperandError(name, [str(aval) for aval in avals], "float64 or complex128")
    return dtype


# NumPy's float_power and power round differently in the last digit.
float_power_p = elementwise(
    "float_power", np.float_power, INEXACT, (_pow_by_base, _pow_by_exponent), operand_dtype=_double
)


def float_power(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise x to the power y, both float64 or complex128; derivatives as for `pow`."""
    return apply2(float_power_p, x, y)
