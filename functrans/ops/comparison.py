"""Comparisons and predicates: results are bool and have no derivative. Imports core and `families`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functrans.core.aval import ShapedArray
from functrans.core.primitive import LocallyConstant
from functrans.ops.families import ANY, FLOATING, Elementwise, apply1, apply2, elementwise, same_dtype, to_bool, unary
from functrans.typing import Array, ArrayLike, DType

_BOOLEAN = LocallyConstant("the result is a truth value")
_MIXED = {np.dtype(np.int64), np.dtype(np.uint64)}


def _comparable(name: str, avals: Sequence[ShapedArray], accepts: str) -> DType:
    """int64 and uint64 have no common integer dtype; NumPy compares them exactly."""
    if {aval.dtype for aval in avals} == _MIXED:
        return avals[0].dtype
    return same_dtype(name, avals, accepts)


def _comparison(name: str, impl: Callable[..., Any]) -> Elementwise:  # Any: a NumPy ufunc
    return elementwise(name, impl, ANY, _BOOLEAN, to_bool, operand_dtype=_comparable)


eq_p = _comparison("eq", np.equal)


def eq(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise x == y, as bool."""
    return apply2(eq_p, x, y)


ne_p = _comparison("ne", np.not_equal)


def ne(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise x != y, as bool."""
    return apply2(ne_p, x, y)


lt_p = _comparison("lt", np.less)


def lt(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise x < y, as bool; complex numbers by real part, then by imaginary part."""
    return apply2(lt_p, x, y)


le_p = _comparison("le", np.less_equal)


def le(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise x <= y, as bool; complex numbers by real part, then by imaginary part."""
    return apply2(le_p, x, y)


gt_p = _comparison("gt", np.greater)


def gt(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise x > y, as bool; complex numbers by real part, then by imaginary part."""
    return apply2(gt_p, x, y)


ge_p = _comparison("ge", np.greater_equal)


def ge(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise x >= y, as bool; complex numbers by real part, then by imaginary part."""
    return apply2(ge_p, x, y)


is_finite_p = unary("is_finite", np.isfinite, ANY, _BOOLEAN, to_bool)


def is_finite(x: ArrayLike) -> Array:
    """Elementwise: neither infinite nor NaN."""
    return apply1(is_finite_p, x)


is_inf_p = unary("is_inf", np.isinf, ANY, _BOOLEAN, to_bool)


def is_inf(x: ArrayLike) -> Array:
    """Elementwise: infinite, of either sign; of a complex number, in either part."""
    return apply1(is_inf_p, x)


is_nan_p = unary("is_nan", np.isnan, ANY, _BOOLEAN, to_bool)


def is_nan(x: ArrayLike) -> Array:
    """Elementwise: not a number; of a complex number, in either part."""
    return apply1(is_nan_p, x)


signbit_p = unary("signbit", np.signbit, FLOATING, _BOOLEAN, to_bool)


def signbit(x: ArrayLike) -> Array:
    """Elementwise sign bit of floating operands: also of -0.0 and of NaN."""
    return apply1(signbit_p, x)
