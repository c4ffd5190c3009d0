"""Exponentials, logarithms, the logistic function. Imports core, `families`, `arithmetic` and `special_kernels`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from functrans.ops import special_kernels
from functrans.ops.arithmetic import add, div, mul, neg, sub
from functrans.ops.families import FLOATING, INEXACT, apply1, apply2, elementwise, unary
from functrans.typing import Array, ArrayLike

_LN2 = math.log(2.0)
_LN10 = math.log(10.0)

exp_p = unary("exp", np.exp, INEXACT, lambda g, out, _: mul(g, out))


def exp(x: ArrayLike) -> Array:
    """Elementwise exponential, eˣ."""
    return apply1(exp_p, x)


exp2_p = unary("exp2", np.exp2, INEXACT, lambda g, out, _: mul(g, mul(out, _LN2)))


def exp2(x: ArrayLike) -> Array:
    """Elementwise power of two, 2ˣ."""
    return apply1(exp2_p, x)


expm1_p = unary("expm1", np.expm1, INEXACT, lambda g, out, _: mul(g, add(out, 1)))


def expm1(x: ArrayLike) -> Array:
    """Elementwise eˣ - 1, accurate near 0."""
    return apply1(expm1_p, x)


log_p = unary("log", np.log, INEXACT, lambda g, _, x: div(g, x))


def log(x: ArrayLike) -> Array:
    """Elementwise natural logarithm, ln x."""
    return apply1(log_p, x)


log2_p = unary("log2", np.log2, INEXACT, lambda g, _, x: div(g, mul(x, _LN2)))


def log2(x: ArrayLike) -> Array:
    """Elementwise logarithm to base 2."""
    return apply1(log2_p, x)


log10_p = unary("log10", np.log10, INEXACT, lambda g, _, x: div(g, mul(x, _LN10)))


def log10(x: ArrayLike) -> Array:
    """Elementwise logarithm to base 10."""
    return apply1(log10_p, x)


log1p_p = unary("log1p", np.log1p, INEXACT, lambda g, _, x: div(g, add(x, 1)))


def log1p(x: ArrayLike) -> Array:
    """Elementwise ln(1 + x), accurate near 0."""
    return apply1(log1p_p, x)


# ---- the logistic function and its relatives ----

logistic_p = unary("logistic", special_kernels.logistic, INEXACT, lambda g, out, _: mul(g, mul(out, sub(1, out))))


def logistic(x: ArrayLike) -> Array:
    """Elementwise logistic sigmoid, 1 / (1 + e⁻ˣ), without overflow."""
    return apply1(logistic_p, x)


def _logistic_difference(x: Array, y: Array) -> Any:  # Any: what the kernel returns
    # Two infinities of one sign would give NaN; they are as large as each other.
    difference = np.subtract(x, y, out=np.zeros_like(x + y), where=np.not_equal(x, y))
    return special_kernels.logistic(difference)


logistic_difference_p = elementwise(
    "logistic_difference",
    _logistic_difference,
    FLOATING,
    (
        lambda g, out, _, __: mul(g, mul(out, sub(1, out))),
        lambda g, out, _, __: neg(mul(g, mul(out, sub(1, out)))),
    ),
)


def logistic_difference(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise logistic(x - y) = eˣ / (eˣ + eʸ); 1/2 where x = y, also where both are infinite."""
    return apply2(logistic_difference_p, x, y)


logaddexp_p = elementwise(
    "logaddexp",
    np.logaddexp,
    FLOATING,
    (
        lambda g, _, x, y: mul(g, logistic_difference(x, y)),
        lambda g, _, x, y: mul(g, logistic_difference(y, x)),
    ),
)


def logaddexp(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise ln(eˣ + eʸ), without overflow."""
    return apply2(logaddexp_p, x, y)


def _base2_share(x: Array, y: Array) -> Array:
    return logistic_difference(mul(x, _LN2), mul(y, _LN2))


logaddexp2_p = elementwise(
    "logaddexp2",
    np.logaddexp2,
    FLOATING,
    (lambda g, _, x, y: mul(g, _base2_share(x, y)), lambda g, _, x, y: mul(g, _base2_share(y, x))),
)


def logaddexp2(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise log₂(2ˣ + 2ʸ), without overflow."""
    return apply2(logaddexp2_p, x, y)
