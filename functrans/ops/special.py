"""Special functions that NumPy lacks: error functions, the gamma function's relatives.

Values are computed by `special_kernels`. Imports core, `families`, `arithmetic` and `exponential`.
"""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from functrans.errors import ParameterError
from functrans.ops import special_kernels
from functrans.ops.arithmetic import mul, neg, square
from functrans.ops.exponential import exp
from functrans.ops.families import FLOATING, apply1, evaluate_or_bind, unary
from functrans.typing import Array, ArrayLike, DType

_2_OVER_SQRT_PI = 2.0 / math.sqrt(math.pi)
_HALF_SQRT_PI = math.sqrt(math.pi) / 2.0
_HIGHEST_ORDER = 1000


def _bell(x: Array, height: float) -> Array:
    return mul(exp(neg(square(x))), height)


erf_p = unary("erf", special_kernels.erf, FLOATING, lambda g, _, x: mul(g, _bell(x, _2_OVER_SQRT_PI)))


def erf(x: ArrayLike) -> Array:
    """Elementwise error function of floating operands."""
    return apply1(erf_p, x)


erfc_p = unary("erfc", special_kernels.erfc, FLOATING, lambda g, _, x: mul(g, _bell(x, -_2_OVER_SQRT_PI)))


def erfc(x: ArrayLike) -> Array:
    """Elementwise 1 - erf(x) of floating operands, accurate where erf is near 1."""
    return apply1(erfc_p, x)


erf_inv_p = unary(
    "erf_inv", special_kernels.erfinv, FLOATING, lambda g, out, _: mul(g, mul(exp(square(out)), _HALF_SQRT_PI))
)


def erf_inv(x: ArrayLike) -> Array:
    """Elementwise inverse of the error function, on [-1, 1]."""
    return apply1(erf_inv_p, x)


lgamma_p = unary("lgamma", special_kernels.lgamma, FLOATING, lambda g, _, x: mul(g, digamma(x)))


def lgamma(x: ArrayLike) -> Array:
    """Elementwise ln |Γ(x)|."""
    return apply1(lgamma_p, x)


digamma_p = unary("digamma", special_kernels.digamma, FLOATING, lambda g, _, x: mul(g, polygamma(1, x)))


def digamma(x: ArrayLike) -> Array:
    """Elementwise derivative of ln Γ(x)."""
    return apply1(digamma_p, x)


def _polygamma_dtype(dtype: DType, *, m: int) -> DType:
    if not 0 <= m <= _HIGHEST_ORDER:
        raise ParameterError("polygamma", f"m={m}", f"0 <= m <= {_HIGHEST_ORDER}")
    return dtype


def _polygamma(x: Array, *, m: int) -> Any:  # Any: what the kernel returns
    return special_kernels.polygamma(m, x)


polygamma_p = unary(
    "polygamma", _polygamma, FLOATING, lambda g, _, x, *, m: mul(g, polygamma(m + 1, x)), _polygamma_dtype
)


def polygamma(m: int, x: ArrayLike) -> Array:
    """Elementwise m-th derivative of digamma, for a Python integer m."""
    if not isinstance(m, int | np.integer):
        raise ParameterError("polygamma", f"m of type {type(m).__name__}", "a Python integer")
    return evaluate_or_bind(polygamma_p, cast(Array, x), m=m)
