"""Rows for functrans.ops.arithmetic."""

import numpy as np

from functrans.ops import arithmetic as ops
from functrans.ops.families import add_any, add_any_p
from tests.cases.case import ALL_FLOATS, BOOL, COMPLEX, INTS, Case, Operand

_ANY = (*ALL_FLOATS, *COMPLEX, *INTS, *BOOL)
_NUMERIC = (*ALL_FLOATS, *COMPLEX, *INTS)
_INEXACT = (*ALL_FLOATS, *COMPLEX)
_REAL = (*ALL_FLOATS, *INTS)
_PAIR = (Operand(), Operand())
_QUOTIENT = (Operand(), Operand(low=0.5))
_SCALARS = (Operand(()), Operand((), low=0.5))
_EMPTY = (Operand((0, 3)), Operand((0, 3)))
# Quotients of these lie between two integers, in 0.3 < x / y - n < 0.7.
_BETWEEN = (Operand(value=np.array([3.5, -3.4, 1.6, -0.5])), Operand(value=np.array([1.0, 1.0, -1.1, 1.0])))

CASES = (
    Case(ops.neg_p, ops.neg, np.negative, dtypes=_NUMERIC),
    Case(ops.add_p, ops.add, np.add, _PAIR, _ANY),
    Case(ops.add_p, ops.add, np.add, _SCALARS, _ANY, name="rank 0"),
    Case(ops.add_p, ops.add, np.add, _EMPTY, _ANY, name="empty"),
    Case(ops.add_p, lambda x: ops.add(x, 3), lambda x: x + 3, dtypes=_NUMERIC, name="constant"),
    Case(add_any_p, add_any, np.add, _PAIR, _INEXACT),
    Case(ops.sub_p, ops.sub, np.subtract, _PAIR, _NUMERIC),
    Case(ops.sub_p, lambda x: ops.sub(1, x), lambda x: 1 - x, dtypes=_NUMERIC, name="constant"),
    Case(ops.mul_p, ops.mul, np.multiply, _PAIR, _ANY),
    Case(ops.mul_p, ops.mul, np.multiply, _SCALARS, _ANY, name="rank 0"),
    Case(ops.mul_p, lambda x: ops.mul(x, 0.5), lambda x: x * 0.5, dtypes=_INEXACT, name="constant"),
    Case(ops.square_p, ops.square, np.square, dtypes=_NUMERIC),
    Case(ops.div_p, ops.div, np.true_divide, _QUOTIENT, _INEXACT),
    Case(ops.div_p, ops.div, np.true_divide, _SCALARS, _INEXACT, name="rank 0"),
    Case(ops.div_no_nan_p, ops.div_no_nan, np.true_divide, _QUOTIENT, _INEXACT),
    Case(ops.div_no_nan_p, ops.div_no_nan, np.true_divide, _SCALARS, _INEXACT, name="rank 0"),
    Case(
        ops.div_no_nan_p,
        lambda x: ops.div_no_nan(x, np.zeros(3)),
        np.zeros_like,
        (Operand((3,)),),
        ("float64",),
        name="zero",
    ),
    Case(ops.reciprocal_p, ops.reciprocal, np.reciprocal, (Operand(low=0.5),), _NUMERIC),
    Case(ops.floor_divide_p, ops.floor_divide, np.floor_divide, (Operand(), Operand(low=1.0)), _REAL, order=0),
    Case(ops.rem_p, ops.rem, np.fmod, _BETWEEN, ("float64",)),
    Case(ops.rem_p, ops.rem, np.fmod, _PAIR, INTS, order=0, name="integers"),
    Case(ops.remainder_p, ops.remainder, np.remainder, _BETWEEN, ("float64",)),
    Case(ops.remainder_p, ops.remainder, np.remainder, _PAIR, INTS, order=0, name="integers"),
    Case(ops.remainder_p, ops.divmod, np.divmod, _BETWEEN, ("float64",), name="divmod"),
    Case(ops.gcd_p, ops.gcd, np.gcd, (Operand(high=99.0), Operand(high=99.0)), INTS, order=0),
    Case(ops.lcm_p, ops.lcm, np.lcm, (Operand(high=9.0), Operand(high=9.0)), INTS, order=0),
    *(
        Case(
            ops.integer_pow_p,
            lambda x, y=y: ops.integer_pow(x, y),
            lambda x, y=y: x**y,
            (Operand(low=0.5),),
            _INEXACT,
            name=f"y={y}",
        )
        for y in (-2, -1, 0, 1, 2, 3, 5)
    ),
    Case(ops.integer_pow_p, lambda x: ops.integer_pow(x, 3), lambda x: x**3, dtypes=INTS, name="integers"),
    Case(ops.integer_pow_p, lambda x: ops.integer_pow(x, 3), lambda x: x**3, (Operand(()),), _INEXACT, name="rank 0"),
)
