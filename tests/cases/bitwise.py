"""Rows for functrans.ops.bitwise."""

from typing import Any

import numpy as np

from functrans.ops import bitwise as ops
from tests.cases.case import ALL_FLOATS, BOOL, COMPLEX, INTS, Case, Operand

_ANY = (*ALL_FLOATS, *COMPLEX, *INTS, *BOOL)
_BITS = (*INTS, *BOOL)
_WIDE = Operand(low=-99.0, high=99.0)
_SHIFTS = (_WIDE, Operand(low=0.0, high=9.0))
_PAIRS = (
    ("and", ops.bitwise_and_p, ops.bitwise_and, np.bitwise_and, ops.logical_and, np.logical_and),
    ("or", ops.bitwise_or_p, ops.bitwise_or, np.bitwise_or, ops.logical_or, np.logical_or),
    ("xor", ops.bitwise_xor_p, ops.bitwise_xor, np.bitwise_xor, ops.logical_xor, np.logical_xor),
)


def _logical_shift(x: Any, y: Any) -> Any:
    unsigned = f"u{x.itemsize}"
    return (x.astype(unsigned) >> y.astype(unsigned)).astype(x.dtype)


def _ones(x: Any) -> Any:
    digits = [np.binary_repr(int(value), 8 * x.itemsize) for value in x.ravel()]
    return np.array([text.count("1") for text in digits], x.dtype).reshape(x.shape)


CASES = (
    *(Case(p, bits, reference, (_WIDE, _WIDE), _BITS, order=0) for _, p, bits, reference, _, _ in _PAIRS),
    *(Case(p, fun, ref, (Operand(), Operand()), _ANY, order=0, name=f"logical {n}") for n, p, _, _, fun, ref in _PAIRS),
    Case(ops.bitwise_not_p, ops.bitwise_not, np.invert, (_WIDE,), _BITS, order=0),
    Case(ops.bitwise_not_p, ops.logical_not, np.logical_not, dtypes=_ANY, order=0, name="logical"),
    Case(ops.shift_left_p, ops.shift_left, np.left_shift, _SHIFTS, INTS, order=0),
    Case(ops.shift_right_arithmetic_p, ops.shift_right_arithmetic, np.right_shift, _SHIFTS, INTS, order=0),
    Case(ops.shift_right_logical_p, ops.shift_right_logical, _logical_shift, _SHIFTS, INTS, order=0),
    Case(ops.bitwise_count_p, ops.bitwise_count, np.bitwise_count, (_WIDE,), INTS, order=0),
    Case(ops.bitwise_count_p, ops.population_count, _ones, (_WIDE,), INTS, order=0, name="population count"),
)
