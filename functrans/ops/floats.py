"""The make-up of floating-point numbers: sign, exponent and fraction, neighbours, steps.

Imports core, `families`, `arithmetic`, `comparison`, `complex`, `rounding` and `select`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from functrans.core.aval import ShapedArray
from functrans.core.primitive import LocallyConstant, Tracer
from functrans.errors import OperandError
from functrans.ops.arithmetic import mul, neg
from functrans.ops.comparison import eq
from functrans.ops.complex import sign
from functrans.ops.families import FLOATING, apply1, apply2, elementwise, evaluate_or_bind, unary
from functrans.ops.rounding import trunc
from functrans.ops.select import select
from functrans.typing import Array, ArrayLike, DType

copysign_p = elementwise(
    "copysign", np.copysign, FLOATING, (lambda g, _, x, y: mul(mul(g, sign(x)), copysign(1, y)), None)
)


def copysign(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise magnitude of x with the sign of y; the derivative by x at 0 is 0."""
    return apply2(copysign_p, x, y)


heaviside_p = elementwise("heaviside", np.heaviside, FLOATING, (None, lambda g, _, x, __: select(eq(x, 0), g, 0)))


def heaviside(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise step: 0 where x < 0, y where x = 0, 1 where x > 0."""
    return apply2(heaviside_p, x, y)


nextafter_p = elementwise("nextafter", np.nextafter, FLOATING, (lambda g, *_: g, None))


def nextafter(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Elementwise next floating-point number after x1 on the way to x2; the derivative by x1 is 1."""
    return apply2(nextafter_p, x1, x2)


spacing_p = unary("spacing", np.spacing, FLOATING, LocallyConstant("the spacing is constant between powers of two"))


def spacing(x: ArrayLike) -> Array:
    """Elementwise distance to the next floating-point number away from 0, with x's sign."""
    return apply1(spacing_p, x)


# ---- significand and exponent ----


def _float_and_int(name: str, avals: Sequence[ShapedArray], accepts: str) -> DType:
    if avals[0].dtype.kind not in accepts or avals[1].dtype.kind != "i":
        raise OperandError(name, [str(aval) for aval in avals], "a floating and a signed integer dtype")
    return avals[0].dtype


ldexp_p = elementwise(
    "ldexp", np.ldexp, FLOATING, (lambda g, _, __, y: ldexp(g, y), None), operand_dtype=_float_and_int
)


def ldexp(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise x · 2ʸ of floating x and signed integers y."""
    if type(x) in (int, float) and not isinstance(y, Tracer):
        x = np.asarray(x, np.float64)[()]
    return evaluate_or_bind(ldexp_p, cast(Array, x), cast(Array, np.int64(y) if type(y) is int else y))


frexp_exponent_p = unary(
    "frexp_exponent",
    lambda x: np.frexp(x)[1],
    FLOATING,
    LocallyConstant("the result is a whole number"),
    lambda *_: np.dtype(np.int32),
)
frexp_mantissa_p = unary(
    "frexp_mantissa", lambda x: np.frexp(x)[0], FLOATING, lambda g, _, x: ldexp(g, neg(frexp_exponent_p.bind(x)[0]))
)


def frexp(x: ArrayLike) -> tuple[Array, Array]:
    """Elementwise (m, e) with x = m · 2ᵉ, 1/2 ≤ |m| < 1 and e int32."""
    return apply1(frexp_mantissa_p, x), apply1(frexp_exponent_p, x)


modf_fraction_p = unary("modf_fraction", lambda x: np.modf(x)[0], FLOATING, lambda g, *_: g)


def modf(x: ArrayLike) -> tuple[Array, Array]:
    """Elementwise (fraction, whole part), both with x's sign."""
    return apply1(modf_fraction_p, x), trunc(x)
