"""Bits and truth values: bitwise and logical operations, shifts, counts.

Imports core, `families`, `cast` and `comparison`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from functrans.core.primitive import LocallyConstant, aval_of
from functrans.ops.cast import bitcast_convert_type, convert_element_type
from functrans.ops.comparison import ne
from functrans.ops.families import BOOL_INT, INTEGER, apply1, apply2, dtype_of, elementwise, unary
from functrans.typing import Array, ArrayLike

_BITS = LocallyConstant("integers and truth values have no derivative")

bitwise_and_p = elementwise("and", np.bitwise_and, BOOL_INT, _BITS)


def bitwise_and(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise `and` of the bits of integers, or of bool."""
    return apply2(bitwise_and_p, x, y)


bitwise_or_p = elementwise("or", np.bitwise_or, BOOL_INT, _BITS)


def bitwise_or(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise `or` of the bits of integers, or of bool."""
    return apply2(bitwise_or_p, x, y)


bitwise_xor_p = elementwise("xor", np.bitwise_xor, BOOL_INT, _BITS)


def bitwise_xor(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise exclusive `or` of the bits of integers, or of bool."""
    return apply2(bitwise_xor_p, x, y)


bitwise_not_p = unary("not", np.invert, BOOL_INT, _BITS)


def bitwise_not(x: ArrayLike) -> Array:
    """Elementwise `not` of the bits of integers, or of bool."""
    return apply1(bitwise_not_p, x)


# ---- truth values: of any dtype, where a number that is not 0 is true ----


def _truth(x: ArrayLike) -> ArrayLike:
    return x if dtype_of(x).kind == "b" else ne(x, 0)


def logical_and(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise: both operands are true, as bool."""
    return bitwise_and(_truth(x), _truth(y))


def logical_or(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise: one of the operands is true, as bool."""
    return bitwise_or(_truth(x), _truth(y))


def logical_xor(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise: just one of the operands is true, as bool."""
    return bitwise_xor(_truth(x), _truth(y))


def logical_not(x: ArrayLike) -> Array:
    """Elementwise: the operand is false, as bool."""
    return bitwise_not(_truth(x))


# ---- shifts and counts ----

shift_left_p = elementwise("shift_left", np.left_shift, INTEGER, _BITS)


def shift_left(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise x shifted left by y bits, zeros coming in; 0 if y is the width or more."""
    return apply2(shift_left_p, x, y)


shift_right_arithmetic_p = elementwise("shift_right_arithmetic", np.right_shift, INTEGER, _BITS)


def shift_right_arithmetic(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise x shifted right by y bits, copies of the sign bit coming in (zeros if unsigned)."""
    return apply2(shift_right_arithmetic_p, x, y)


def _shift_right_logical(x: Array, y: Array) -> Any:  # Any: an array or a scalar
    dtype = np.result_type(x)
    unsigned = np.dtype(f"u{dtype.itemsize}")
    return np.right_shift(np.asarray(x).view(unsigned), np.asarray(y).view(unsigned)).view(dtype)


shift_right_logical_p = elementwise("shift_right_logical", _shift_right_logical, INTEGER, _BITS)


def shift_right_logical(x: ArrayLike, y: ArrayLike) -> Array:
    """Elementwise x shifted right by y bits, zeros coming in."""
    return apply2(shift_right_logical_p, x, y)


bitwise_count_p = unary("bitwise_count", np.bitwise_count, INTEGER, _BITS, lambda *_: np.dtype(np.uint8))


def bitwise_count(x: ArrayLike) -> Array:
    """Elementwise number of ones in the binary digits of |x|, as uint8: NumPy's function."""
    return apply1(bitwise_count_p, x)


def population_count(x: ArrayLike) -> Array:
    """Elementwise number of ones in the two's complement of x, in x's dtype: JAX's function."""
    dtype = aval_of(x).dtype
    return convert_element_type(bitwise_count(bitcast_convert_type(x, f"u{dtype.itemsize}")), dtype)
